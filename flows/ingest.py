"""The ingest flow: a folder of photos in, a named catalog out, which runs start from."""

from prefect import flow

from flows.datasets import DatasetOutcome
from flows.publish import publish_dataset
from flows.run import check
from flows.stages import DEFAULT_COMPUTE
from flows.tasks import dataset_task
from pipelines.config import ComputeConfig, DatasetConfig


@flow(name="ingest", validate_parameters=True, persist_result=False)
def ingest(config: DatasetConfig, compute: ComputeConfig = DEFAULT_COMPUTE) -> DatasetOutcome:
    """Bring a dataset up to date with its folder; only what is new is read.

    Args:
        config: Photos and the dataset's name, and everything that decides the rows.
        compute: Where the work is done.

    """
    outcome = dataset_task(config, compute)
    publish_dataset(outcome)
    return check(outcome)
