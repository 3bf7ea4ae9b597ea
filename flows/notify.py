"""A message to people where a run needs them: one call of a webhook, a block of Prefect."""

import asyncio
from typing import Any

import httpx
from prefect.blocks.webhook import Webhook
from prefect.logging import get_run_logger
from prefect.utilities.asyncutils import run_coro_as_sync

from flows.stages import Outcome, load, too_many_rejects

TIMEOUT_S = 30.0


class UnansweredError(Exception):
    """The webhook gave another answer than that it has the message."""


def find_fault(run: str) -> str | None:
    """Why the run as a whole is at fault, in one sentence; None if it is not."""
    from pipelines.correct import systemic_fault
    from pipelines.correction_plan import current_attempts

    return systemic_fault(current_attempts(load(run)))


def reasons_to_notify(outcome: Outcome) -> tuple[str, ...]:
    """A sentence if the run as a whole is at fault, another if too many files were rejected."""
    summary = outcome.summary
    fault = find_fault(outcome.run)
    allowed = load(outcome.run).config.max_reject_share
    rejects = too_many_rejects(summary.counts["rejected"], summary.sources, allowed)
    return ((fault,) if fault else ()) + rejects


def notify(outcome: Outcome, block: str | None) -> str | None:
    """Call the webhook if there is a reason to; a sentence if nobody could be told.

    Args:
        outcome: A run after its report.
        block: Name of a block of the type Webhook; None: nobody asked to be told.

    """
    why = reasons_to_notify(outcome) if block else ()
    if not block or not why:
        return None
    try:
        run_coro_as_sync(_call(block, as_payload(outcome, why)))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, UnansweredError) as error:
        # Not the text of httpx's errors of status: it has the address, which is a secret.
        said = str(error) or type(error).__name__
        sentence = f"nobody was notified: webhook {block}: {said}"
        get_run_logger().warning(sentence)
        return sentence
    return None


def as_payload(outcome: Outcome, why: tuple[str, ...]) -> dict[str, Any]:
    """Plain JSON: what happened, how much of it, and where to look."""
    summary = outcome.summary
    return {
        "run": outcome.run,
        "style": summary.style,
        "why": list(why),
        "sources": summary.sources,
        "counts": summary.counts,
        "flag_rate": summary.flag_rate,
        "reject_rate": summary.reject_rate,
        "report": f"{outcome.run}/report.parquet",
        "page": f"{outcome.run}/report.html",
    }


async def _call(block: str, payload: dict[str, Any]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        webhook: Any = await Webhook.aload(block)
        answer = await webhook.call(payload)
    if answer.is_error or answer.is_redirect:
        raise UnansweredError(f"it answered {answer.status_code} {answer.reason_phrase}")
