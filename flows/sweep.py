"""The sweep: runs whose event was lost are corrected all the same."""

from collections.abc import Iterable, Sequence

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.settings import styles_home
from pipelines.backlog import Backlog, find_backlogs
from pipelines.errors import GanstError

DEPLOYMENT = "correct/on-flagged"
_FLOW = "correct"
_PAGE = 200  # as many as Prefect gives at once
_NOT_ENDED = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED)


class SweepError(GanstError):
    """There is no deployment that corrects a run."""


@flow(name="sweep", validate_parameters=True, persist_result=False)
def sweep(root: str, deployment: str = DEPLOYMENT) -> list[str]:
    """Start a correction for every run below `root` with flagged images that nobody corrected.

    Events can be lost: a server that restarts, a flow that is killed between its report and its
    event. The corrections are runs of a deployment, whose limit of one keeps them apart.

    Args:
        root: A folder of RUN folders: a path or an fsspec URL.
        deployment: FLOW/NAME of what corrects one run.

    Returns:
        The RUN folders for which a correction was started.

    Raises:
        SweepError: There is no such deployment.

    """
    backlogs = find_backlogs(root, styles_home())
    under_way = runs_under_way() if backlogs else set()
    rows = [_tell(backlog, deployment, under_way) for backlog in backlogs]
    publish_sweep(root, rows)
    return [row["run"] for row in rows if row["came to"] == "started"]


def _tell(backlog: Backlog, deployment: str, under_way: Iterable[str]) -> dict[str, str]:
    """Start what is to be started; gives a row for people."""
    if backlog.left_alone:
        came_to = f"left alone: {backlog.left_alone}"
    elif backlog.run in under_way:
        came_to = "left alone: a correction is under way"
    else:
        _start(backlog.run, deployment)
        came_to = "started"
    return {"run": backlog.run, "flagged": str(backlog.num_flagged), "came to": came_to}


def _start(run: str, deployment: str) -> None:
    try:
        run_deployment(deployment, parameters={"run": run}, timeout=0, as_subflow=False)
    except ObjectNotFound as error:
        raise SweepError(
            f"there is no deployment {deployment}: prefect --no-prompt deploy --all"
        ) from error


def runs_under_way() -> set[str]:
    """RUN folders that a flow run of `correct` is working on, or is about to."""
    not_ended = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_NOT_ENDED)))
    )
    correcting = FlowFilter(name=FlowFilterName(any_=[_FLOW]))
    found: set[str] = set()
    offset = 0
    with get_client(sync_client=True) as client:
        while True:
            page = client.read_flow_runs(
                flow_filter=correcting, flow_run_filter=not_ended, limit=_PAGE, offset=offset
            )
            found |= {str(run.parameters.get("run")) for run in page}
            offset += len(page)
            if len(page) < _PAGE:
                return found


def publish_sweep(root: str, rows: Sequence[dict[str, str]]) -> None:
    """One artifact: a table of runs, or a sentence that there is nothing to do."""
    if rows:
        create_table_artifact(list(rows), key="ganst-sweep", description=root)
    else:
        create_markdown_artifact("Nothing is waiting.", key="ganst-sweep", description=root)
