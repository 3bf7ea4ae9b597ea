"""Progress on a terminal as a bar with images a second and the time left, in a log as lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from flows.progress import listening
from pipelines.progress import Progress

LINE_EVERY_S = 10.0


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show the progress of every stage of this block on standard error."""
    console = Console(stderr=True)
    if console.is_terminal:
        with _bars(console) as bars, listening(BarProgress(bars)):
            yield
    else:
        with listening(LineProgress()):
            yield


class BarProgress:
    """One bar per stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        """Move the stage's bar."""
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(progress.stage, speed="")
        self._bars.update(
            self._tasks[progress.stage],
            total=progress.total,
            completed=progress.done,
            speed=speed_words(progress),
        )


class LineProgress:
    """A line at the end of a stage, and every ten seconds of it."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Write a line if it is time for one."""
        now = time.monotonic()
        last = self._told_at.setdefault(progress.stage, now - progress.elapsed_s)
        if progress.done < progress.total and now - last < LINE_EVERY_S:
            return
        self._told_at[progress.stage] = now
        sys.stderr.write(line_of(progress) + "\n")
        sys.stderr.flush()


def line_of(progress: Progress) -> str:
    """`stylize 64/400, 3.1 images/s, 108 s left, 2 rejected`."""
    words = [f"{progress.stage} {progress.done}/{progress.total}", speed_words(progress)]
    if 0 < progress.done < progress.total:
        left_s = progress.elapsed_s / progress.done * (progress.total - progress.done)
        words.append(f"{left_s:.0f} s left")
    if progress.rejected:
        words.append(f"{progress.rejected} rejected")
    return ", ".join(word for word in words if word)


def speed_words(progress: Progress) -> str:
    """Images, or what the stage counts, a second so far; nothing before the first."""
    if not progress.done or progress.elapsed_s <= 0:
        return ""
    speed = progress.done / progress.elapsed_s
    return f"{speed:{'.1f' if speed >= 1 else '.2g'}} {progress.unit}/s"


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:>14}"),
        TimeRemainingColumn(),
        console=console,
    )
