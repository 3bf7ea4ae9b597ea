"""What a run comes to: counts that add up to the number of sources, rates, speed, stage times."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.run_alarm import RunAlarm, run_alarm
from pipelines import storage
from pipelines.reviews import ReviewSummary, summarise_reviews

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from upath import UPath

    from pipelines.progress import StageSummary
    from pipelines.report_draft import Draft
    from pipelines.runs import Run

# In the order a person reads them. `pending`: not stylized yet, only in a run that is not finished.
STATUSES = ("ok", "corrected", "flagged", "quarantined", "rejected", "pending")

# Copies of a photo that the fingerprint takes for two make a twin here and there.
_FEW_TWINS = 3
_TWIN_SHARE = 0.01
_ALARM = pa.schema(
    [("p_source", pa.float64()), ("p_anomaly", pa.float64()), ("group", pa.string())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Work of a stage over all calls; a call that found everything done adds nothing."""

    images: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFacts:
    """Whether the run has moved as a whole: state none, sources, outputs or both; see `run_alarm`.

    `twins`: outputs that are the same picture as that of another photo. `stand_out`: first outputs
    with a p relative to the run up to alpha; None where the photos have not moved.
    """

    state: str = "none"
    sentence: str = ""
    sources_p: float | None = None
    outputs_p: float | None = None
    units: int = 0
    twins: int = 0
    stand_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`counts` has every status and adds up to `sources`; a rate of nothing is null."""

    style: str
    style_digest: str
    calibration_id: str | None
    alpha: float
    sources: int
    counts: dict[str, int]
    scored: int
    flagged_first: int
    flag_rate: float | None
    reject_rate: float | None
    correction_attempts: int
    correction_rate: float | None
    reasons: dict[str, int]
    images_per_second: float | None
    reviews: ReviewSummary = field(default_factory=ReviewSummary)
    stages: dict[str, StageTime]
    alarm: AlarmFacts = field(default_factory=AlarmFacts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def summarise(run: Run, draft: Draft, stages: Sequence[StageSummary] = ()) -> Summary:
    """Counts come from the report; times of this call are added to those in summary.json."""
    report = draft.overview
    times = merge_times(_read_times(run.folder.summary), stages)
    status = pc.fill_null(report["status"], "pending")
    found = {
        str(count["values"]): int(count["counts"]) for count in pc.value_counts(status).to_pylist()
    }
    counts = {name: found.get(name, 0) for name in STATUSES}
    scored = pc.count(report["p_anomaly"]).as_py()
    flagged_first = pc.sum(report["was_flagged"]).as_py() or 0
    return Summary(
        style=run.pack.name,
        style_digest=run.pack.digest,
        calibration_id=draft.calibration_id,
        alpha=run.config.alpha,
        sources=report.num_rows,
        counts=counts,
        scored=scored,
        flagged_first=flagged_first,
        flag_rate=_share(flagged_first, scored),
        reject_rate=_share(counts["rejected"], report.num_rows),
        correction_attempts=(pc.sum(report["attempts"]).as_py() or 0) - _num_first(report),
        correction_rate=_share(counts["corrected"], counts["corrected"] + counts["quarantined"]),
        reasons=count_reasons(report.filter(report["was_flagged"])),
        images_per_second=_speed(times.get("stylize")),
        reviews=summarise_reviews(report, draft.firsts),
        stages=times,
        alarm=_alarm_facts(draft.firsts, report, run.config.alpha),
    )


def alarm_of(firsts: Iterable[Mapping[str, Any]]) -> RunAlarm:
    """The alarm of the rows of a run's first attempts."""
    return alarm_of_table(pa.Table.from_pylist(list(firsts), schema=_ALARM))


def alarm_of_table(firsts: pa.Table) -> RunAlarm:
    """The same of a table with `p_source`, `p_anomaly` and `group`."""
    p_source, p_anomaly = (
        pc.fill_null(firsts[name], math.nan).to_numpy() for name in ("p_source", "p_anomaly")
    )
    groups = pc.fill_null(firsts["group"], "").combine_chunks().dictionary_encode()
    return run_alarm(p_source, p_anomaly, groups.indices.to_numpy())


def _alarm_facts(firsts: pa.Table, report: pa.Table, alpha: float) -> AlarmFacts:
    alarm = alarm_of_table(firsts)
    twins = pc.count(report["twin_of"]).as_py()
    stand_out = None
    if pc.count(report["p_relative"]).as_py():
        stand_out = pc.sum(pc.less_equal(report["p_relative"], alpha)).as_py()
    return AlarmFacts(
        state=alarm.state,
        sentence=_in_words(alarm, stand_out, twins, report.num_rows),
        sources_p=alarm.sources,
        outputs_p=alarm.outputs,
        units=alarm.units,
        twins=twins,
        stand_out=stand_out,
    )


def _in_words(alarm: RunAlarm, stand_out: int | None, twins: int, count: int) -> str:
    said = [alarm.sentence] if alarm.sentence else []
    if stand_out is not None:
        said.append(f"{stand_out} outputs stand out among those of the run (p_relative)")
    if twins >= max(_FEW_TWINS, _TWIN_SHARE * count):
        said.append(
            f"{twins} outputs are the same picture as that of another photo (twin_of):"
            " look at the checkpoint and at how files were matched"
        )
    return "; ".join(said)


def write_summary(path: UPath, summary: Summary) -> None:
    """Commit summary.json."""
    storage.commit_bytes(path, (json.dumps(summary.to_json(), indent=2) + "\n").encode())


def merge_times(
    earlier: Mapping[str, StageTime], stages: Sequence[StageSummary]
) -> dict[str, StageTime]:
    """Earlier stage times plus those of this call: a resumed run tells the whole job's speed."""
    times = dict(earlier)
    for stage in stages:
        if stage.done == 0 and stage.stage in times:
            continue
        before = times.get(stage.stage, StageTime(images=0, seconds=0.0))
        times[stage.stage] = StageTime(
            images=before.images + stage.images, seconds=round(before.seconds + stage.seconds, 3)
        )
    return times


def _read_times(path: UPath) -> dict[str, StageTime]:
    """Stage times of earlier calls; none where there is no readable summary."""
    if not path.exists():
        return {}
    try:
        stages = json.loads(storage.read_bytes(path))["stages"]
        return {name: StageTime(**time) for name, time in stages.items()}
    except (ValueError, TypeError, KeyError):
        return {}


def _num_first(report: pa.Table) -> int:
    return pc.sum(pc.greater(report["attempts"], 0)).as_py() or 0


def count_reasons(report: pa.Table) -> dict[str, int]:
    """How often each reason was given, most frequent first."""
    counts = pc.value_counts(report["reason"].drop_null()).to_pylist()
    ordered = sorted(counts, key=lambda count: (-count["counts"], count["values"]))
    return {count["values"]: count["counts"] for count in ordered}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _speed(time: StageTime | None) -> float | None:
    return round(time.images / time.seconds, 2) if time and time.images and time.seconds else None
