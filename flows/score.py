"""The score flow: a verdict for every output of a RUN that has none."""

from prefect import flow

from flows.publish import announce_flagged
from flows.run import check, run_tasks
from flows.stages import DEFAULT_COMPUTE, Outcome
from pipelines.config import ComputeConfig


@flow(name="score", validate_parameters=True, persist_result=False)
def score(run: str, compute: ComputeConfig = DEFAULT_COMPUTE) -> Outcome:
    """Score, report, and announce what was flagged."""
    outcome = run_tasks(run, compute, ("score",))
    announce_flagged(outcome)
    return check(outcome)
