"""Retries, progress artifacts and words: everything of the flows that needs no server."""

import asyncio
from dataclasses import replace

import pytest
from prefect.client.schemas.objects import State, StateType
from prefect.states import exception_to_failed_state

from flows import progress as progress_module
from flows.progress import ProgressArtifact, listening, tell_listener
from flows.publish import as_markdown, resource
from flows.stages import Outcome
from flows.tasks import ShardsFailedError, is_worth_a_retry
from flows.wording import outcome_lines
from pipelines.errors import ClusterError, EmptyFolderError
from pipelines.progress import Progress, StageSummary
from pipelines.summary import STATUSES, StageTime, Summary


def _progress(done: int, total: int = 10) -> Progress:
    return Progress(stage="score", done=done, total=total, rejected=0, elapsed_s=1.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("no space left"), True),
        (ClusterError("gone"), True),
        (ShardsFailedError("shard 1"), True),
        (EmptyFolderError("empty"), False),
        (ValueError("a bug"), False),
    ],
)
def test_a_stage_is_tried_again_only_where_time_may_mend_it(error, expected):
    async def ask() -> bool:
        state: State = await exception_to_failed_state(error)
        assert state.type == StateType.FAILED
        return await is_worth_a_retry(None, None, state)  # pyrefly: ignore[bad-argument-type]

    assert asyncio.run(ask()) is expected


def test_an_artifact_is_updated_every_two_seconds_and_at_the_end(monkeypatch):
    put, now = [], [0.0]
    monkeypatch.setattr(ProgressArtifact, "_put", lambda _self, percent: put.append(percent))
    artifact = ProgressArtifact("score", clock=lambda: now[0])
    for done in range(1, 10):
        artifact(_progress(done))
        now[0] += 0.5
    artifact(_progress(10))
    assert put == [10.0, 50.0, 90.0, 100.0]


def test_nothing_to_do_is_all_done(monkeypatch):
    put = []
    monkeypatch.setattr(ProgressArtifact, "_put", lambda _self, percent: put.append(percent))
    ProgressArtifact("score")(_progress(0, 0))
    assert put == [100.0]


def test_progress_is_heard_only_inside_of_the_block(monkeypatch):
    heard = []
    monkeypatch.setattr(progress_module.ProgressArtifact, "_put", lambda _self, _percent: None)
    with listening(heard.append):
        ProgressArtifact("score")(_progress(1))
        tell_listener(_progress(2))
    tell_listener(_progress(3))
    assert [p.done for p in heard] == [1, 2]


def _outcome() -> Outcome:
    counts = dict.fromkeys(STATUSES, 0) | {"ok": 3, "flagged": 1}
    summary = Summary(
        style="vangogh",
        style_digest="ab" * 32,
        calibration_id=None,
        alpha=0.05,
        sources=4,
        counts=counts,
        scored=4,
        flagged_first=1,
        flag_rate=0.25,
        reject_rate=0.0,
        correction_attempts=0,
        correction_rate=None,
        reasons={"blur": 1},
        images_per_second=2.0,
        stages={"stylize": StageTime(images=4, seconds=2.0)},
    )
    return Outcome(run="/runs/1", summary=summary, stages=(), problems=())


def test_the_markdown_says_counts_reasons_and_where_the_page_is():
    text = as_markdown(_outcome())
    for part in ("3 ok, 1 flagged", "| blur | 1 |", "/runs/1/report.html", "(25.0%)"):
        assert part in text


def test_the_markdown_links_the_contact_sheets(tmp_path):
    (tmp_path / "sheets").mkdir()
    for name in ("ok-01.jpg", "flagged-01.jpg", "notes.txt"):
        (tmp_path / "sheets" / name).touch()
    text = as_markdown(replace(_outcome(), run=str(tmp_path)))
    flagged, ok = (
        (tmp_path / "sheets" / name).as_uri() for name in ("flagged-01.jpg", "ok-01.jpg")
    )
    assert f"Contact sheets: [flagged-01.jpg]({flagged}), [ok-01.jpg]({ok})\n" in text
    assert "Contact sheets" not in as_markdown(_outcome())


def test_what_is_flagged_and_not_corrected_is_said_with_the_way_to_correct_it():
    sentence = "1 flagged outputs are not corrected"
    assert sentence in outcome_lines(_outcome())
    assert "ganst correct /runs/1" in outcome_lines(_outcome())
    stage = StageSummary(
        stage="correct", total=1, done=0, skipped=0, rejected=0, failed=(), seconds=0.0
    )
    assert sentence not in outcome_lines(replace(_outcome(), stages=(stage,)))


def test_a_run_that_corrects_after_its_scores_says_that_it_did_so_in_line():
    sentence = "1 flagged output was seen to in line"
    stages = tuple(
        StageSummary(stage=name, total=1, done=1, skipped=0, rejected=0, failed=(), seconds=0.0)
        for name in ("score", "correct")
    )
    outcome = replace(_outcome(), stages=stages)
    assert sentence in outcome_lines(outcome)
    assert sentence in as_markdown(outcome)
    assert sentence not in outcome_lines(replace(outcome, stages=stages[1:]))
    assert sentence not in outcome_lines(_outcome())


def test_a_run_is_one_resource_whatever_its_path_looks_like():
    first, second = resource("/runs/ä b"), resource("/runs/2")
    assert first["prefect.resource.id"] != second["prefect.resource.id"]
    assert first == resource("/runs/ä b")
    assert first["prefect.resource.id"].startswith("ganst.report.")
