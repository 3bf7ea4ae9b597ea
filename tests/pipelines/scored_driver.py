"""The fused pass as a command of its own, which kills itself at its nth write: RUN N."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

from pipelines import score as score_module
from pipelines import stylizing
from pipelines.config import ComputeConfig
from pipelines.runs import load_run
from pipelines.scored import stylize_scored


def main(out: str, writes: str) -> None:
    numbers = count()

    def counted(write: Callable[..., None]) -> Callable[..., None]:
        def write_or_die(*arguments: object) -> None:
            if next(numbers) == int(writes):
                os.kill(os.getpid(), signal.SIGKILL)
            write(*arguments)

        return write_or_die

    stylizing.place_bytes = counted(stylizing.place_bytes)
    stylizing.commit_table = counted(stylizing.commit_table)
    score_module.commit_table = counted(score_module.commit_table)
    stylize_scored(load_run(out, None), ComputeConfig(workers=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
