"""What a run tells Prefect: one markdown artifact, one table of failures, one event."""

import hashlib
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from upath import UPath

from flows.datasets import DatasetOutcome
from flows.notify import find_fault
from flows.stages import Outcome
from flows.wording import dataset_lines, in_line, unjudged
from pipelines.storage import open_root

MAX_ROWS = 50
MAX_SHEETS = 12


def publish(outcome: Outcome, remark: str | None = None) -> None:
    """Artifacts of a finished run, from its committed numbers; `remark` is one more problem."""
    create_markdown_artifact(as_markdown(outcome), key="ganst-run", description=outcome.run)
    _publish_problems((*outcome.problems, *((remark,) if remark else ())), outcome.run)


def publish_dataset(outcome: DatasetOutcome) -> None:
    """Artifacts of an ingested dataset."""
    text = f"# {outcome.dataset}\n\n" + dataset_lines(outcome).replace("\n", "  \n") + "\n"
    create_markdown_artifact(text, key="ganst-dataset", description=outcome.folder)
    _publish_problems(outcome.problems, outcome.folder)


def announce_flagged(outcome: Outcome) -> None:
    """Emit `ganst.score.flagged` where outputs are flagged and nobody has corrected them yet.

    Not where the run as a whole is at fault: a correction would refuse to start.
    """
    if outcome.summary.counts["flagged"] and not find_fault(outcome.run):
        emit_event(
            event="ganst.score.flagged",
            resource=resource(outcome.run),
            payload=flagged_payload(outcome),
        )


def announce_corrected(outcome: Outcome) -> None:
    """Emit `ganst.correct.completed`: another name, so that the trigger cannot chase itself."""
    emit_event(
        event="ganst.correct.completed",
        resource=resource(outcome.run),
        payload={"run": outcome.run, **outcome.summary.counts},
    )


def flagged_payload(outcome: Outcome) -> dict[str, Any]:
    """Paths and numbers only: Prefect's templates fill typed parameters from plain JSON values."""
    summary = outcome.summary
    return {
        "run": outcome.run,
        "report": f"{outcome.run}/report.parquet",
        "style": summary.style,
        "n_flagged": summary.counts["flagged"],
        "flag_rate": summary.flag_rate or 0.0,
    }


def resource(run: str) -> dict[str, str]:
    """The run as Prefect's events name it; paths are no resource names."""
    digest = hashlib.sha256(run.encode()).hexdigest()[:16]
    return {"prefect.resource.id": f"ganst.report.{digest}", "prefect.resource.name": run}


def as_markdown(outcome: Outcome) -> str:
    """Counts, rates, reasons, times and paths."""
    summary = outcome.summary
    counts = ", ".join(f"{count} {name}" for name, count in summary.counts.items() if count)
    lines = [
        f"# {summary.style}: {summary.sources} photographs",
        f"**{counts or 'nothing'}**",
        f"Page: `{outcome.run}/report.html`  \nTable: `{outcome.run}/report.parquet`",
    ]
    sheets = [f"[{sheet.name}]({sheet.as_uri()})" for sheet in find_sheets(outcome.run)]
    if sheets:
        lines.append("Contact sheets: " + ", ".join(sheets))
    if summary.scored:
        lines.append(
            f"{summary.flagged_first} of {summary.scored} scored outputs flagged at"
            f" α = {summary.alpha} ({summary.flag_rate:.1%})."
        )
    lines += [f"Note: {note}." for stage in outcome.stages for note in stage.notes]
    if summary.alarm.sentence:
        lines.append(f"**Alarm ({summary.alarm.state})**: {summary.alarm.sentence}.")
    lines += [sentence for sentence in (in_line(outcome), unjudged(outcome)) if sentence]
    if summary.reasons:
        listed = [f"| {name} | {count} |" for name, count in summary.reasons.items()]
        lines.append("\n".join(["| reason | images |", "| --- | ---: |", *listed]))
    if summary.stages:
        times = [f"| {n} | {t.images} | {t.seconds:.1f} |" for n, t in summary.stages.items()]
        lines.append("\n".join(["| stage | images | seconds |", "| --- | ---: | ---: |", *times]))
    return "\n\n".join(lines) + "\n"


def find_sheets(run: str) -> list[UPath]:
    """Contact sheets of a run, sorted by name; a few of them, where there are very many."""
    folder = open_root(run) / "sheets"
    sheets = folder.glob("*.jpg") if folder.is_dir() else ()
    return sorted(sheets, key=lambda sheet: sheet.name)[:MAX_SHEETS]


def _publish_problems(problems: Sequence[str], folder: str) -> None:
    if problems:
        rows = [{"problem": problem} for problem in problems[:MAX_ROWS]]
        create_table_artifact(rows, key="ganst-problems", description=folder)
