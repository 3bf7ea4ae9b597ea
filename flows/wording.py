"""Results in words for a terminal or a log."""

import io
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.datasets import DatasetOutcome
from flows.stages import Outcome
from pipelines.progress import StageSummary


def outcome_lines(outcome: Outcome) -> str:
    """Counts, what was flagged, speed, and where to look."""
    summary = outcome.summary
    counts = ", ".join(f"{count} {name}" for name, count in summary.counts.items() if count)
    lines = [f"{summary.sources} files: {counts or 'nothing'}"]
    if summary.scored:
        lines.append(
            f"{summary.flagged_first} of {summary.scored} scored outputs were flagged"
            f" at alpha {summary.alpha}"
        )
        lines += reason_table(summary.reasons, summary.scored)
    lines += [f"note   {note}" for stage in outcome.stages for note in stage.notes]
    if summary.alarm.sentence:
        lines.append(f"note   {summary.alarm.sentence}")
    lines += [
        f"note   {in_line(outcome)}" if in_line(outcome) else "",
        uncorrected(outcome),
        unjudged(outcome),
        _work(outcome),
        f"page   {outcome.run}/report.html",
    ]
    lines.append(f"table  {outcome.run}/report.parquet")
    return "\n".join(line for line in lines if line)


def uncorrected(outcome: Outcome) -> str:
    """That nothing will correct what was flagged, and what to do; empty where that was asked for."""
    flagged = outcome.summary.counts["flagged"]
    asked = any(stage.stage == "correct" for stage in outcome.stages)
    if asked or not flagged:
        return ""
    return (
        f"note   {flagged} flagged outputs are not corrected; only a Prefect server that stays has"
        f" triggers for that. By hand: ganst correct {outcome.run}"
    )


def in_line(outcome: Outcome) -> str:
    """That flagged outputs were seen to in this run; empty where nothing was, or that is no news."""
    flagged = outcome.summary.flagged_first
    if not flagged or not {"score", "correct"} <= {stage.stage for stage in outcome.stages}:
        return ""
    outputs = "1 flagged output was" if flagged == 1 else f"{flagged} flagged outputs were"
    return f"{outputs} seen to in line, right after the scores: no event was waited for"


def unjudged(outcome: Outcome) -> str:
    """That nothing was scored although scores were asked for, and what to do; empty where all is well."""
    summary = outcome.summary
    asked = any(stage.stage == "score" for stage in outcome.stages)
    if summary.scored or not asked or not summary.counts["ok"]:
        return ""
    return (
        f"not judged: style {summary.style} has no calibration for these outputs, so none has a score"
        f" (ganst calibrate --style {summary.style} --photos DIR --paintings DIR)"
    )


def dataset_lines(outcome: DatasetOutcome) -> str:
    """Counts, speed, and where the catalog is."""
    total, stage = outcome.stage.total, outcome.stage
    counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items() if count)
    speed = f"{outcome.images_per_second} images/s, {stage.done} read in {stage.seconds:.1f} s"
    return "\n".join(
        [
            f"{total} files: {counts or 'nothing'}",
            speed if stage.done else "nothing to do: all of it was done before",
            f"table  {outcome.folder}/catalog.parquet",
            f"use    dataset:{outcome.dataset}",
        ]
    )


def pairs_line(summary: StageSummary, out: str) -> str:
    """How many outputs of another tool were scored, and where the table is."""
    return f"{summary.total} outputs scored in {summary.seconds:.1f} s\ntable  {out}"


def doctor_lines(facts: dict[str, Any]) -> str:
    """Every fact on a line, problems last."""
    versions = ", ".join(f"{n} {v or 'missing'}" for n, v in facts["packages"].items())
    disk = ", ".join(f"{free} GiB at {place}" for place, free in facts["disk_free_gib"].items())
    lines = {
        "ganst": f"{facts['ganst']['version']} (code {facts['ganst']['code']})",
        "python": f"{facts['python']}, {facts['platform']}",
        "packages": versions,
        "machine": f"{facts['cpus']} cores, {facts['memory_gib']} GiB of memory free",
        "devices": ", ".join(facts["devices"]),
        "precision": "\n           ".join(facts["precision_reasons"]) or "no style to measure",
        "dask": facts["dask"],
        "prefect": facts["prefect"],
        "home": facts["home"],
        "disk": disk,
        "styles": ", ".join(facts["styles"]) or "none",
    }
    told = [f"{name:<10} {words}" for name, words in lines.items()]
    return "\n".join(told + [f"problem    {problem}" for problem in facts["problems"]])


def import_lines(facts: dict[str, Any]) -> str:
    """What was made of a checkpoint, where it is, and what it still needs."""
    made = facts["generator"]
    network = f"{made['num_blocks']} blocks, width {made['width']}, {made['norm']} norm"
    lines = [f"style {facts['style']}: {network} (down {made['down']}, up {made['up']})"]
    lines += [f"note   {note}" for note in facts["notes"]]
    lines += [
        f"folder {facts['folder']}",
        "Its outputs are not judged until it is calibrated:",
        f"ganst calibrate --style {facts['style']} --photos DIR --paintings DIR",
    ]
    return "\n".join(lines)


def certificate_lines(certificate: dict[str, Any], out: str) -> str:
    """How far the graph is from the style, shape by shape."""
    differences = certificate["by_shape"].items()
    lines = [f"{shape:>12}  {difference:.2g}" for shape, difference in differences]
    worst = certificate["max_abs_difference"]
    return "\n".join(
        [
            f"graph  {out}",
            f"largest difference to the style: {worst:.2g} of a range of 2, by N x H x W:",
            *lines,
        ]
    )


def _work(outcome: Outcome) -> str:
    """Speed of the job, or that all of it had been done before."""
    if outcome.stages and not any(stage.done for stage in outcome.stages):
        return "nothing to do: all of it was done before"
    speed = outcome.summary.images_per_second
    seconds = sum(stage.seconds for stage in outcome.stages)
    spent = f"{seconds:.0f} s of work" if outcome.stages else ""
    return ", ".join(
        part for part in (f"{speed} images/s stylized" if speed else "", spent) if part
    )


def reason_table(reasons: dict[str, int], scored: int) -> list[str]:
    """Reason, images and their share of what was scored: a line each; nothing without a reason."""
    if not reasons:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("reason")
    table.add_column("images", justify="right")
    table.add_column("of scored", justify="right")
    for name, count in reasons.items():
        share = f"{100 * count / scored:.1f} %" if scored else ""
        table.add_row(escape(name.replace("_", " ")), str(count), share)
    # Never wrapped, never coloured: the same lines on a terminal and in a log.
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return [f"  {line.rstrip()}" for line in captured.get().splitlines()]
