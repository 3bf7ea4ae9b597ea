"""What every flow over a RUN does: its stages as tasks, the report, artifacts, and a clear end."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from flows.datasets import DatasetOutcome
from flows.notify import notify
from flows.publish import publish
from flows.stages import IncompleteRunError, Outcome, Stage, run_through
from flows.tasks import TASKS, report_task
from pipelines.config import ComputeConfig

T = TypeVar("T", Outcome, DatasetOutcome)


def run_tasks(
    out: str,
    compute: ComputeConfig,
    names: Sequence[str],
    *,
    tasks: Mapping[str, Stage] = TASKS,
    webhook: str | None = None,
) -> Outcome:
    """Run the named stages and the report as tasks of the current flow, and publish the result.

    `webhook` is called where the run needs people, see `notify`; that it failed is published, too.
    """
    outcome = run_through(out, compute, names, stages=tasks, report=report_task)
    publish(outcome, notify(outcome, webhook))
    return outcome


def check(outcome: T) -> T:
    """End the flow as failed if anything in the run or dataset failed.

    Raises:
        IncompleteRunError: Shards failed, or too many files were rejected.

    """
    if outcome.problems:
        raise IncompleteRunError(outcome)
    return outcome
