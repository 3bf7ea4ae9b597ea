"""The stylize flow: photos in, images out, no scores yet."""

from prefect import flow

from flows.run import check, run_tasks
from flows.stages import DEFAULT_COMPUTE, Outcome
from flows.tasks import open_task
from pipelines.config import ComputeConfig, RunConfig


@flow(name="stylize", validate_parameters=True, persist_result=False)
def stylize(config: RunConfig, compute: ComputeConfig = DEFAULT_COMPUTE) -> Outcome:
    """Ingest and stylize what is new in the photo folder."""
    return check(run_tasks(open_task(config), compute, ("ingest", "stylize")))
