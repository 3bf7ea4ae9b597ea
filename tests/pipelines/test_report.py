"""report.parquet and summary.json: rows, words, bytes and counts."""

import json
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import schema
from pipelines.progress import StageSummary
from pipelines.report import write_report
from pipelines.report_rows import lineage, report_rows
from pipelines.reviews import Verdicts, with_verdicts
from pipelines.runs import Run
from pipelines.summary import STATUSES, StageTime, merge_times
from tests.pipelines.made_runs import (
    OUTCOMES,
    STATUS_OF,
    MadePhoto,
    as_table,
    attempt_rows,
    catalog_row,
    make_run,
    stylized_rows,
    write_parts,
    write_pictures,
)

_names = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
_photos = st.lists(
    st.builds(
        MadePhoto,
        source=st.builds("/".join, st.lists(_names, min_size=1, max_size=2)),
        outcome=st.sampled_from(OUTCOMES),
        p=st.floats(0.06, 1),
    ),
    max_size=12,
    unique_by=lambda photo: photo.source,
)


def _rows(photos: list[MadePhoto]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    made = [row for photo in photos for row in stylized_rows(photo)]
    return made, [row for photo in photos for row in attempt_rows(photo)]


def _build(
    photos: list[MadePhoto],
    made: list[dict[str, Any]],
    tried: list[dict[str, Any]],
    verdicts: Verdicts = MappingProxyType({}),
) -> pa.Table:
    catalog = as_table([catalog_row(photo) for photo in photos], schema.CATALOG)
    rows, _ = report_rows(
        catalog,
        with_verdicts(as_table(made, schema.STYLIZED), verdicts),
        with_verdicts(lineage(catalog, as_table(tried, schema.attempts_schema())), verdicts),
        style="vangogh",
        style_digest="ab" * 32,
    )
    return rows


def _one(outcome: str) -> SimpleNamespace:
    """The row of the only photo of a run."""
    photos = [MadePhoto(source="a/1.jpg", outcome=outcome)]
    return SimpleNamespace(**_build(photos, *_rows(photos)).to_pylist()[0])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(photos=_photos)
def test_every_source_has_exactly_one_row_with_the_status_of_its_outcome(photos):
    report = _build(photos, *_rows(photos))
    statuses = dict(zip(report["source"].to_pylist(), report["status"].to_pylist(), strict=True))
    assert report.num_rows == len(photos)
    assert statuses == {p.source: STATUS_OF.get(p.outcome, p.outcome) for p in photos}


@settings(deadline=None, derandomize=True, max_examples=40)
@given(photos=_photos, data=st.data())
def test_the_table_does_not_depend_on_order_or_on_rows_committed_twice(photos, data):
    made, tried = _rows(photos)
    shuffled = [
        data.draw(st.permutations(rows + rows[: data.draw(st.integers(0, len(rows)))]))
        for rows in (made, tried)
    ]
    assert _build(photos[::-1], *shuffled).equals(_build(photos, made, tried))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(photos=_photos)
def test_the_report_has_the_columns_of_the_contract_and_is_sorted_by_source(photos):
    report = _build(photos, *_rows(photos))
    assert report.schema.equals(schema.REPORT, check_metadata=True)
    sources = report["source"].to_pylist()
    assert sources == sorted(sources, key=lambda name: name.encode())


def test_the_file_is_the_same_bytes_however_the_parts_are_cut(tmp_path):
    photos = [MadePhoto(source=f"a/{i}.jpg", outcome=OUTCOMES[i % 9]) for i in range(27)]
    made, tried = _rows(photos)
    cuts = {
        "one": ([made], [tried]),
        "many": ([[row] for row in made[::-1]], [tried[5:], tried[:7]]),
    }
    written = []
    for name, (made_parts, tried_parts) in cuts.items():
        run = make_run(tmp_path / name, photos)
        write_parts(run, "stylize", made_parts)
        write_parts(run, "attempts", tried_parts)
        write_report(run)
        written.append(run.folder.report.read_bytes())
    assert written[0] == written[1]


def test_a_corrected_image_has_the_scores_of_what_is_delivered_and_the_reason_of_what_was_not():
    row = _one("corrected")
    assert (row.output, row.strategy, row.attempts) == ("images/a/1.jpg", "other_checkpoint", 3)
    assert (row.p_anomaly, row.flagged, row.was_flagged) == (0.4, False, True)
    assert (row.reason, row.reason_probability) == ("passthrough", 0.91)


def test_a_quarantined_image_is_named_where_it_lies_and_still_counts_as_flagged():
    row = _one("quarantined")
    assert (row.output, row.strategy, row.attempts) == ("quarantine/a/1.jpg", None, 2)
    assert (row.p_anomaly, row.flagged) == (0.01, True)


@pytest.mark.parametrize("outcome", ["rejected", "unstylizable"])
def test_a_rejected_file_has_an_error_and_no_output(outcome):
    row = _one(outcome)
    assert (row.output, row.attempts, row.flagged) == (None, 0, False)
    assert row.error.endswith(".")


@pytest.mark.parametrize("outcome", ["unscored", "unsupported"])
def test_an_image_without_a_score_is_delivered_and_says_that_it_has_none(outcome):
    row = _one(outcome)
    assert (row.status, row.output, row.attempts) == ("ok", "images/a/1.jpg", 1)
    assert row.p_anomaly is None
    assert row.evidence.startswith("not scored")


def test_scores_of_an_older_scorer_or_of_an_older_photo_do_not_count():
    photo = MadePhoto(source="a.jpg", outcome="ok")
    made, tried = _rows([photo])
    older = tried[0] | {"attempt_id": "f" * 32, "scorer_version": "0", "p_anomaly": 0.01}
    other = tried[0] | {"attempt_id": "e" * 32, "source_sha256": "0" * 64, "scorer_version": "9"}
    report = _build([photo], made, [older, *tried, other])
    assert report["p_anomaly"].to_pylist() == [0.5]
    assert report["attempts"].to_pylist() == [1]


def test_flagged_can_be_used_as_a_mask_in_pandas(tmp_path):
    photos = [MadePhoto(source=f"{o}.jpg", outcome=o, reason="blur") for o in OUTCOMES]
    run = _finished(tmp_path, photos)
    report = pd.read_parquet(str(run.folder.report))
    assert report[report.flagged].groupby("reason").size().to_dict() == {"blur": 2}


def test_the_file_says_its_schema_version_and_units(tmp_path):
    run = _finished(tmp_path, [MadePhoto(source="a.jpg")])
    written = pq.read_schema(str(run.folder.report))
    assert written.metadata[b"ganst.schema"] == schema.SCHEMA_VERSION.encode()
    assert written.field("p_anomaly").metadata[b"unit"] == b"0..1"


@settings(deadline=None, derandomize=True, max_examples=8)
@given(photos=_photos)
def test_the_counts_of_the_summary_add_up_to_the_number_of_sources(tmp_path_factory, photos):
    run = _finished(tmp_path_factory.mktemp("run"), photos, pictures=False)
    summary = json.loads(run.folder.summary.read_text())
    assert sum(summary["counts"].values()) == summary["sources"] == len(photos)
    assert tuple(summary["counts"]) == STATUSES
    assert sum(summary["reasons"].values()) == summary["flagged_first"]


def test_rates_are_shares_of_what_was_scored(tmp_path):
    outcomes = ["ok"] * 5 + ["corrected", "quarantined", "flagged", "unsupported", "rejected"]
    photos = [MadePhoto(source=f"{i}.jpg", outcome=o) for i, o in enumerate(outcomes)]
    summary = write_report(_parts_of(tmp_path, photos))
    assert (summary.scored, summary.flagged_first, summary.flag_rate) == (8, 3, 0.375)
    assert (summary.reject_rate, summary.correction_rate) == (0.1, 0.5)
    assert summary.correction_attempts == 3


def test_an_empty_catalog_gives_an_empty_report_with_all_columns(tmp_path):
    run = _finished(tmp_path, [])
    assert pq.read_table(str(run.folder.report)).schema.names == schema.REPORT.names
    assert json.loads(run.folder.summary.read_text())["flag_rate"] is None


def _stage(done: int, seconds: float) -> StageSummary:
    return StageSummary(
        stage="stylize",
        total=9,
        done=done,
        skipped=9 - done,
        rejected=0,
        failed=(),
        seconds=seconds,
    )


def test_a_resumed_run_tells_the_speed_of_the_whole_job(tmp_path):
    run = _parts_of(tmp_path, [MadePhoto(source="a.jpg")])
    write_report(run, [_stage(6, 2.0)])
    write_report(run, [_stage(3, 1.0)])
    assert write_report(run, [_stage(0, 0.5)]).stages == {"stylize": StageTime(images=9, seconds=3)}
    assert json.loads(run.folder.summary.read_text())["images_per_second"] == 3.0


def test_a_damaged_summary_is_written_anew(tmp_path):
    run = _finished(tmp_path, [MadePhoto(source="a.jpg")])
    run.folder.summary.write_text("{")
    assert write_report(run).sources == 1


def test_a_stage_that_did_nothing_at_all_still_shows_its_time():
    assert merge_times({}, [_stage(0, 0.2)]) == {"stylize": StageTime(images=0, seconds=0.2)}


def _parts_of(root: Path, photos: list[MadePhoto]) -> Run:
    run = make_run(root, photos)
    made, tried = _rows(photos)
    write_parts(run, "stylize", [made])
    write_parts(run, "attempts", [tried])
    return run


def _finished(root: Path, photos: list[MadePhoto], *, pictures: bool = True) -> Run:
    run = _parts_of(root, photos)
    if pictures:
        write_pictures(run, photos)
    write_report(run)
    return run
