"""The nightly flow in Prefect's harness: stages as tasks, states, artifacts, events."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows import publish as publish_module
from flows import stages
from pipelines.config import ComputeConfig, RunConfig
from pipelines.progress import OnProgress, StageSummary

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_harness", "in_home")]
SERIAL = ComputeConfig(workers=0)


def _config(photos: Path, **changes: object) -> RunConfig:
    out = str(photos.parent / "run")
    values = {"photos": str(photos), "style": "tiny", "out": out, "max_reject_share": 0.5}
    return RunConfig.model_validate(values | changes)


def _call(config: RunConfig) -> Any:  # noqa: ANN401 a state of Prefect
    from flows import nightly

    flow: Any = nightly.nightly  # Prefect's overloads do not know `return_state`
    return flow(config, SERIAL, return_state=True)


def _artifacts() -> list[dict[str, object]]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"sort": "UPDATED_DESC"}).json()
    return [a for a in found if (a["key"] or "").startswith("ganst-")]


def test_one_flow_goes_from_photos_to_a_report_and_a_second_one_redoes_nothing(photos):
    config = _config(photos)
    state = _call(config)
    assert state.is_completed(), state.message
    outcome = state.result()
    report = pd.read_parquet(f"{config.out}/report.parquet")
    assert sorted(report.source) == ["1.jpg", "a b/2.png", "empty.jpg", "näme & <b>.jpg"]
    assert sorted(report.status) == ["ok", "ok", "ok", "rejected"]
    assert [stage.done for stage in outcome.stages] == [4, 3, 0, 0]
    assert outcome.stages[2].skipped == 3  # scored in the pass of stylize
    before = (Path(config.out) / "report.parquet").read_bytes()
    again = _call(config).result()
    assert [stage.done for stage in again.stages] == [0, 0, 0, 0]
    assert (Path(config.out) / "report.parquet").read_bytes() == before
    kinds = {artifact["key"]: artifact["type"] for artifact in _artifacts()}
    assert kinds["ganst-run"] == "markdown"
    assert kinds["ganst-stylize"] == "progress"


def test_the_ingest_flow_brings_a_dataset_up_to_date_and_says_so(photos, in_home):
    from flows import ingest

    flow: Any = ingest.ingest
    values = {"photos": str(photos), "dataset": "night", "max_reject_share": 0.5}
    state = flow(values, SERIAL, return_state=True)
    assert state.is_completed(), state.message
    assert state.result().counts == {"ok": 3, "rejected": 1}
    assert (in_home / "datasets" / "night" / "catalog.parquet").exists()
    told = {artifact["key"]: artifact["data"] for artifact in _artifacts()}
    assert "4 files: 3 ok, 1 rejected" in str(told["ganst-dataset"])
    assert "ganst-ingest" in told
    state = flow(values | {"max_reject_share": 0.1}, SERIAL, return_state=True)
    assert state.is_failed()
    assert "1 of 4 files were rejected" in state.message
    # A run of the nightly flow may name the dataset.
    config = _config(Path("dataset:night"), out=str(photos.parent / "run"))
    assert _call(config).result().stages[0].skipped == 4


def test_too_many_rejects_fail_the_flow_after_the_good_photos_are_delivered(photos):
    config = _config(photos, max_reject_share=0.1)
    state = _call(config)
    assert state.is_failed()
    assert "1 of 4 files were rejected (25%)" in state.message
    assert pd.read_parquet(f"{config.out}/report.parquet").output.notna().sum() == 3
    assert any("rejected" in str(a["data"]) for a in _artifacts() if a["type"] == "table")


def test_a_failed_shard_fails_the_flow_and_the_other_stages_still_run(photos, monkeypatch):
    from flows import tasks

    real: Any = stages.STAGES["score"]

    def broken(out: str, compute: ComputeConfig, on_progress: OnProgress) -> StageSummary:
        summary = real(out, compute, on_progress)
        return StageSummary(
            **{f: getattr(summary, f) for f in summary.__slots__}
            | {"failed": ("score shard 1: x",)}
        )

    monkeypatch.setattr(stages, "STAGES", {**stages.STAGES, "score": broken})
    monkeypatch.setattr(tasks, "RETRIES", 0)
    state = _call(_config(photos))
    assert state.is_failed()
    assert "score shard 1" in state.message
    assert (photos.parent / "run" / "report.html").exists()


def test_what_is_flagged_and_not_corrected_is_announced_with_plain_json(photos, monkeypatch):
    sent = []
    monkeypatch.setattr(publish_module, "emit_event", lambda **event: sent.append(event))
    _call(_config(photos))
    assert sent == []
    outcome = stages.run_through(str(photos.parent / "run"), SERIAL, ())
    outcome.summary.counts["flagged"] = 2
    publish_module.announce_flagged(outcome)
    assert sent[0]["event"] == "ganst.score.flagged"
    payload = sent[0]["payload"]
    assert json.loads(json.dumps(payload)) == payload
    assert (payload["run"], payload["n_flagged"]) == (outcome.run, 2)


@pytest.mark.parametrize("change", [{"strength": 2}, {"no_such_option": 1}, {"format": "gif"}])
def test_wrong_parameters_are_refused_before_anything_is_written(photos, change):
    from flows import nightly

    flow: Any = nightly.nightly
    values = {"photos": str(photos), "style": "tiny", "out": str(photos.parent / "run")} | change
    state = flow(values, return_state=True)
    assert state.is_failed()
    assert not (photos.parent / "run").exists()
