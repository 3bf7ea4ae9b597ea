"""The stages as Prefect tasks. A stage is minutes of work; shards and images are none of Prefect's."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run

from flows import stages
from flows.progress import ProgressArtifact
from pipelines.config import ComputeConfig, RunConfig
from pipelines.errors import ClusterError, GanstError
from pipelines.progress import StageSummary

StageTask = Task[..., StageSummary]

RETRIES = 2
RETRY_DELAY_S = 5


class ShardsFailedError(GanstError):
    """Shards of a stage failed; the next try of the task does only those."""


async def is_worth_a_retry(_task: Any, _run: TaskRun, state: State) -> bool:  # noqa: ANN401
    """True for what another moment may mend: storage, the cluster, shards. False for a bad input."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, OSError | ClusterError | ShardsFailedError)


def _run_stage(name: str, out: str, compute: ComputeConfig) -> StageSummary:
    stage: Any = stages.STAGES[name]
    summary: StageSummary = stage(out, compute, ProgressArtifact(name))
    if summary.failed and task_run.run_count <= RETRIES:
        raise ShardsFailedError(summary.failed[0])
    return summary


def _stage_task(name: str) -> StageTask:
    # Done work is known by its files: a cached result would skip a stage that has new photos.
    @task(
        name=name,
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAY_S,
        retry_condition_fn=is_worth_a_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def stage_task(out: str, compute: ComputeConfig) -> StageSummary:
        return _run_stage(name, out, compute)

    return stage_task


TASKS: Mapping[str, StageTask] = {name: _stage_task(name) for name in stages.STAGES}


@task(name="open", cache_policy=NO_CACHE, persist_result=False)
def open_task(config: RunConfig) -> str:
    """Create the RUN folder or go on with it; gives its path."""
    return stages.open_stage(config)


@task(
    name="report",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY_S,
    retry_condition_fn=is_worth_a_retry,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def report_task(out: str, summaries: Sequence[StageSummary]) -> Any:  # noqa: ANN401 a Summary
    """Write report.parquet, summary.json, the page and the contact sheets."""
    return stages.report_stage(out, summaries)
