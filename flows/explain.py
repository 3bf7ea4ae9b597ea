"""`ganst explain RUN SOURCE`: why an image is flagged, or is not, in words and with a picture."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.explain import Attempt, Explanation
    from pipelines.video.explaining import ShotNote

_LOW_COVERAGE = 0.05
_MIDDLING_SIGMA = 2.5


def explain_source(
    run: Annotated[str, typer.Argument(help="RUN folder of an earlier command.")],
    source: Annotated[str, typer.Argument(help="Name of a photo, as the report has it.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
) -> None:
    """Say why an image is flagged or is not, what was tried and what to do; write a picture."""
    from flows import stages
    from flows.failures import refusing
    from pipelines.explain import explain, next_step

    with refusing():
        opened = stages.load_ingested(run)
        found = explain(opened, source)
    step = next_step(found, str(opened.folder.root))
    facts = asdict(found) | {"next": step}
    text = "\n".join([*explanation_lines(found), _line("next", step), *_picture(found)])
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else text)


def explanation_lines(found: "Explanation") -> list[str]:
    """Everything but what to do next, a line each; what is not known is left out."""
    lines = [f"{found.source}: {found.status or 'pending'}", *_judgement(found)]
    if found.reason:
        lines.append(_line("reason", _reason(found)))
    lines += _column("unusual", [f"{finding} ({finding.family})" for finding in found.findings])
    if found.families:
        families = ", ".join(f"{name} {p:.2g}" for name, p in found.families.items())
        lines.append(_line("families", f"p of {families}"))
    if found.place:
        lines.append(_line("where", ": ".join([found.place, *_joined(found.local)])))
    if found.coverage is not None:
        lines.append(_line("photo", _coverage(found.coverage)))
    lines += _column("shots", [line for shot in found.shots for line in _shot(shot)])
    lines += _column("tried", [_attempt(attempt) for attempt in found.attempts])
    if found.verdict:
        lines.append(_line("a person", f"says it is {found.verdict}"))
    return lines


def _judgement(found: "Explanation") -> list[str]:
    """The p-value and what it means, or why there is none."""
    if found.p_anomaly is None:
        return [_line("no score", found.error or found.evidence or found.score_status or "")]
    side = "at or below" if found.p_anomaly <= found.alpha else "above"
    meaning = f"of good outputs, about {_percent(found.p_anomaly)} look at least as odd"
    lines = [_line("p", f"{found.p_anomaly:.2g}, {side} alpha {found.alpha:g}: {meaning}")]
    calm = all(abs(finding.sigma) < _MIDDLING_SIGMA for finding in found.findings)
    if side == "above" and found.findings and calm:
        lines.append(_line("", f"no column is {_MIDDLING_SIGMA:g} σ from what the photo leads to"))
    if found.status == "corrected" and found.p_delivered is not None:
        lines.append(_line("", f"the correction that is delivered has {found.p_delivered:.2g}"))
    return lines


def _reason(found: "Explanation") -> str:
    """The reason and how sure it is; that it is unknown, where it is."""
    sure = "" if found.reason_probability is None else f"{_percent(found.reason_probability)} sure"
    if found.reason == "unknown":
        guess = f" (best guess {sure})" if sure else ""
        return f"unknown: like none of the faults that the style learnt{guess}"
    return f"{(found.reason or '').replace('_', ' ')}, {sure}".rstrip(", ")


def _coverage(p: float) -> str:
    if p <= _LOW_COVERAGE:
        return f"unlike those of the calibration (p {p:.2g}): its p-value is not guaranteed"
    return f"like those of the calibration (p {p:.2g})"


def _attempt(attempt: "Attempt") -> str:
    scored = f", p {attempt.p:.2g}" if attempt.p is not None else ""
    said = (
        f": {attempt.why}" if attempt.why and attempt.decision in ("refused", "suggested") else ""
    )
    return f"{attempt.strategy.replace('_', ' ')} {attempt.decision}{scored}{said}"


def _shot(shot: "ShotNote") -> "Iterator[str]":
    """A line on it, and one a try."""
    reason = "" if shot.reason is None else f", flagged for {shot.reason.replace('_', ' ')}"
    when = f"{shot.start_s:.1f} to {shot.stop_s:.1f} s"
    yield f"{shot.number}, {when}: p {shot.p:.2g}{reason} ({shot.evidence})"
    for one in shot.tries:
        said = f": {one.why}" if one.why and one.decision == "refused" else ""
        yield f"   {one.strategy.replace('_', ' ')} {one.decision}{said}"


def _joined(words: tuple[str, ...]) -> list[str]:
    return [", ".join(words)] if words else []


def _picture(found: "Explanation") -> list[str]:
    return [_line("picture", found.picture)] if found.picture else []


def _column(name: str, values: list[str]) -> list[str]:
    """One value a line, the name before the first."""
    return [_line(name if index == 0 else "", value) for index, value in enumerate(values)]


def _line(name: str, words: str) -> str:
    return f"{name:<9} {words}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"
