"""The nightly flow: new photos in, a report out."""

from prefect import flow

from flows.publish import announce_flagged
from flows.run import check, run_tasks
from flows.stages import DEFAULT_COMPUTE, Outcome
from flows.tasks import open_task
from pipelines.config import ComputeConfig, RunConfig


@flow(name="nightly", validate_parameters=True, persist_result=False)
def nightly(
    config: RunConfig,
    compute: ComputeConfig = DEFAULT_COMPUTE,
    correct: bool = True,
    notify: str | None = None,
) -> Outcome:
    """Ingest, stylize, score, correct and report; only what is missing is done.

    Args:
        config: Photos, style and RUN folder, and everything that decides the pixels.
        compute: Where the work is done.
        correct: Mend or quarantine flagged outputs here. False leaves them to the correct flow,
            which the event `ganst.score.flagged` starts.
        notify: Name of a Webhook block that is called where the run as a whole is at fault, or too
            many files were rejected.

    """
    out = open_task(config)
    names = ("ingest", "stylize", "score", *(("correct",) if correct else ()))
    outcome = run_tasks(out, compute, names, webhook=notify)
    announce_flagged(outcome)
    return check(outcome)
