"""The stages as Prefect tasks. A stage is minutes of work; shards and images are none of Prefect's."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run

from flows import stages
from flows.datasets import DatasetOutcome, bring_up_to_date
from flows.progress import ProgressArtifact
from pipelines.config import ComputeConfig, DatasetConfig, RunConfig
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


# Done work is known by its files: a cached result would skip a stage that has new photos.
_UNCACHED: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
_RETRIED: dict[str, Any] = _UNCACHED | {
    "retries": RETRIES,
    "retry_delay_seconds": RETRY_DELAY_S,
    "retry_condition_fn": is_worth_a_retry,
}


def _retry_failed_shards(summary: StageSummary) -> None:
    if summary.failed and task_run.run_count <= RETRIES:
        raise ShardsFailedError(summary.failed[0])


def _stage_task(name: str) -> StageTask:
    @task(name=name, **_RETRIED)
    def stage_task(
        out: str,
        compute: ComputeConfig,
        **options: Any,  # noqa: ANN401 of that stage
    ) -> StageSummary:
        summary = stages.STAGES[name](out, compute, ProgressArtifact(name), **options)
        _retry_failed_shards(summary)
        return summary

    return stage_task


TASKS: Mapping[str, StageTask] = {name: _stage_task(name) for name in stages.STAGES}


@task(name="open", **_UNCACHED)
def open_task(config: RunConfig) -> str:
    """Create the RUN folder or go on with it; gives its path."""
    return stages.open_stage(config)


@task(name="ingest", **_RETRIED)
def dataset_task(config: DatasetConfig, compute: ComputeConfig) -> DatasetOutcome:
    """Create a dataset or go on with it."""
    outcome = bring_up_to_date(config, compute, ProgressArtifact("ingest"))
    _retry_failed_shards(outcome.stage)
    return outcome


@task(name="report", **_RETRIED)
def report_task(out: str, summaries: Sequence[StageSummary]) -> Any:  # noqa: ANN401 a Summary
    """Write report.parquet, summary.json, the page and the contact sheets."""
    return stages.report_stage(out, summaries)
