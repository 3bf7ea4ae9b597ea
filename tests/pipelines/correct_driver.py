"""Correct as a command of its own, which kills itself: RUN WRITES OUTCOME WORKERS.

WRITES: how many files it writes before SIGKILL; 0: it does not kill itself. OUTCOME "refused":
every candidate comes out negative, so that all of them are refused.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from pipelines import candidates, placing
from pipelines import correct as correct_module
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig
from pipelines.correct import correct
from pipelines.images import DecodedImage, decode
from pipelines.report import write_report
from pipelines.runs import load_run


def main(out: str, writes: str, outcome: str, workers: str) -> None:
    if int(writes):
        kill_after(int(writes))
    if outcome == "refused":
        candidates.decode = negative_decode
    run = load_run(out, None)
    with shared_cluster(ComputeConfig(workers=int(workers))) as compute:
        correct(run, compute)
    write_report(run)


def kill_after(writes: int) -> None:
    numbers = count()

    def counted(write: Callable[..., None]) -> Callable[..., None]:
        def write_or_die(*arguments: object) -> None:
            if next(numbers) == writes:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*arguments)

        return write_or_die

    placing.commit_bytes = counted(placing.commit_bytes)
    correct_module.commit_table = counted(correct_module.commit_table)
    placing.copy_file = counted(placing.copy_file)


def negative_decode(data: bytes, *, max_pixels: int, max_side: int | None = None) -> DecodedImage:
    image = decode(data, max_pixels=max_pixels, max_side=max_side)
    return replace(image, pixels=255 - image.pixels)


if __name__ == "__main__":
    main(*sys.argv[1:])
