"""The correct flow: started by hand, by a schedule, or by the event `ganst.score.flagged`."""

from functools import partial
from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from flows.publish import announce_corrected
from flows.run import check, run_tasks
from flows.stages import DEFAULT_COMPUTE, Outcome
from flows.tasks import TASKS
from pipelines.config import ComputeConfig


@flow(name="correct", validate_parameters=True, persist_result=False)
def correct(
    run: str,
    compute: ComputeConfig = DEFAULT_COMPUTE,
    reasons: tuple[str, ...] = (),
    only: Literal["flagged", "quarantined"] | None = None,
    share: Annotated[float, Field(ge=0)] = 0.25,
) -> Outcome:
    """Mend what is flagged in a RUN, or quarantine it; what has been tried is not tried again.

    Args:
        run: The RUN folder.
        compute: Where the work is done.
        reasons: Only outputs that were flagged for one of these; none: for any.
        only: flagged: what nobody has tried to mend yet; quarantined: what was given up.
        share: Largest share of the run's work to spend; small runs may use 100 megapixels of it.

    """
    from pipelines.selection import Selection

    selection = Selection(reasons=reasons, only=only)
    tasks = {"correct": partial(TASKS["correct"], only=selection, share=share)}
    outcome = run_tasks(run, compute, ("correct",), tasks=tasks)
    announce_corrected(outcome)
    return check(outcome)
