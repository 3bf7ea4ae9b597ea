"""Read ahead, work, write behind: one item each, so that no step waits for a disk or a network."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


def overlap(
    items: Sequence[T],
    read: Callable[[T], A],
    work: Callable[[T, A], B],
    write: Callable[[T, B], R],
    *,
    is_large: Callable[[T], bool],
    on_step: Callable[..., None],
) -> Iterator[R]:
    """Yield `write(item, work(item, read(item)))` in the order of the items.

    `work` runs in the calling thread. While it is at an item, the next one is read and the last one
    written, but a large item has the memory to itself. `on_step` is called with all items that are
    being worked on, whenever one is added. What a step raises ends the loop.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        reading: Future[A] | None = None
        writing: Future[R] | None = None
        last: tuple[T, ...] = ()
        for index, item in enumerate(items):
            following = items[index + 1 : index + 2]  # none, or one
            if writing and is_large(item):
                yield writing.result()
                writing, last = None, ()
            if reading is None:
                on_step(*last, item)
                reading = reader.submit(read, item)
            found = reading.result()
            reading = None
            if following and not is_large(item) and not is_large(following[0]):
                on_step(*last, item, *following)
                reading = reader.submit(read, following[0])
            made = work(item, found)
            del found
            if writing:
                yield writing.result()
            writing, last = writer.submit(write, item, made), (item,)
            del made
            if is_large(item):
                yield writing.result()
                writing, last = None, ()
        if writing:
            yield writing.result()


def one_by_one(
    items: Sequence[T],
    read: Callable[[T], A],
    work: Callable[[T, A], B],
    write: Callable[[T, B], R],
    *,
    on_step: Callable[..., None],
) -> Iterator[R]:
    """The same in one thread: what overlapping has to give, and who it was when a process died."""
    for item in items:
        on_step(item)
        yield write(item, work(item, read(item)))
