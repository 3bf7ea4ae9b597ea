"""Results in words for a terminal or a log."""

from typing import Any

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
            f" at alpha {summary.alpha}" + _reasons(summary.reasons)
        )
    lines += [_work(outcome), f"page   {outcome.run}/report.html"]
    lines.append(f"table  {outcome.run}/report.parquet")
    return "\n".join(line for line in lines if line)


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
        "precision": f"{facts['precision']}: {facts['precision_reason']}",
        "dask": facts["dask"],
        "prefect": facts["prefect"],
        "home": facts["home"],
        "disk": disk,
        "styles": ", ".join(facts["styles"]) or "none",
    }
    told = [f"{name:<10} {words}" for name, words in lines.items()]
    return "\n".join(told + [f"problem    {problem}" for problem in facts["problems"]])


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


def _reasons(reasons: dict[str, int]) -> str:
    if not reasons:
        return ""
    return ": " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in reasons.items())
