"""What every flow over a RUN does: its stages as tasks, the report, artifacts, and a clear end."""

from collections.abc import Sequence
from typing import TypeVar

from flows.datasets import DatasetOutcome
from flows.publish import publish
from flows.stages import IncompleteRunError, Outcome, run_through
from flows.tasks import TASKS, report_task
from pipelines.config import ComputeConfig

T = TypeVar("T", Outcome, DatasetOutcome)


def run_tasks(out: str, compute: ComputeConfig, names: Sequence[str]) -> Outcome:
    """Run the named stages and the report as tasks of the current flow, and publish the result."""
    outcome = run_through(out, compute, names, stages=TASKS, report=report_task)
    publish(outcome)
    return outcome


def check(outcome: T) -> T:
    """End the flow as failed if anything in the run or dataset failed.

    Raises:
        IncompleteRunError: Shards failed, or too many files were rejected.

    """
    if outcome.problems:
        raise IncompleteRunError(outcome)
    return outcome
