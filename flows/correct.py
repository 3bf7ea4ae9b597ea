"""The correct flow: started by hand, by a schedule, or by the event `ganst.score.flagged`."""

from prefect import flow

from flows.publish import announce_corrected
from flows.run import check, run_tasks
from flows.stages import DEFAULT_COMPUTE, Outcome
from pipelines.config import ComputeConfig


@flow(name="correct", validate_parameters=True, persist_result=False)
def correct(run: str, compute: ComputeConfig = DEFAULT_COMPUTE) -> Outcome:
    """Mend what is flagged in a RUN, or quarantine it; what has been tried is not tried again.

    Args:
        run: The RUN folder.
        compute: Where the work is done.

    """
    outcome = run_tasks(run, compute, ("correct",))
    announce_corrected(outcome)
    return check(outcome)
