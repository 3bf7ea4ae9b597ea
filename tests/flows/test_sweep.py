"""The sweep in Prefect's harness: corrections are started once, and again when they have ended."""

from typing import Any

import pytest

from pipelines.backlog import Backlog

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_harness", "in_home")]


@pytest.fixture
def deployment() -> str:
    from prefect.client.orchestration import get_client

    from flows.correct import correct

    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow(correct), name="swept")
    return "correct/swept"


@pytest.fixture
def sweep(monkeypatch) -> Any:  # noqa: ANN401 a flow, less Prefect's overloads
    from flows import sweep as module

    waiting = [
        Backlog(run="/runs/a", num_flagged=2),
        Backlog(run="/runs/b", num_flagged=9, left_alone="it is flagged as a whole"),
    ]
    monkeypatch.setattr(module, "find_backlogs", lambda *_: waiting)
    return module.sweep


def _started(name: str) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    wanted = DeploymentFilter(name=DeploymentFilterName(any_=[name]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(deployment_filter=wanted)


def _end_all(name: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    with get_client(sync_client=True) as client:
        for run in _started(name):
            client.set_flow_run_state(run.id, Failed(), force=True)


def test_a_correction_is_started_once_and_again_when_it_has_ended_in_vain(sweep, deployment):
    from flows.sweep import runs_under_way

    assert sweep("/runs", deployment) == ["/runs/a"]
    (first,) = _started("swept")
    assert first.parameters == {"run": "/runs/a"}
    assert first.parent_task_run_id is None
    assert runs_under_way() == {"/runs/a"}
    assert sweep("/runs", deployment) == []
    assert len(_started("swept")) == 1
    _end_all("swept")
    assert sweep("/runs", deployment) == ["/runs/a"]
    assert len(_started("swept")) == 2
    _end_all("swept")


def test_what_was_left_alone_is_told_with_its_reason(sweep, deployment):
    from prefect.client.orchestration import get_client

    sweep("/runs", deployment)
    with get_client(sync_client=True) as client:
        wanted = {"artifacts": {"key": {"any_": ["ganst-sweep"]}}}
        (told,) = client.request("POST", "/artifacts/latest/filter", json=wanted).json()
    assert "left alone: it is flagged as a whole" in told["data"]
    _end_all("swept")


def test_without_a_deployment_the_sweep_says_how_to_make_one(sweep):
    state = sweep("/runs", "correct/none", return_state=True)
    assert state.is_failed()
    assert "there is no deployment correct/none: prefect --no-prompt deploy" in state.message


def test_a_folder_that_is_not_there_fails_the_sweep(tmp_path):
    from flows import sweep as module

    flow: Any = module.sweep
    state = flow(str(tmp_path / "nowhere"), return_state=True)
    assert state.is_failed()
    assert "nowhere is not a folder of runs" in state.message
