import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.overlap import one_by_one, overlap


class Steps:
    """Notes what happens; an item is a number, a large one is over 99."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.at: list[tuple[int, ...]] = []

    def read(self, item: int) -> str:
        self.events.append(("read", item))
        return f"r{item}"

    def work(self, item: int, found: str) -> str:
        self.events.append(("work", item))
        return f"{found}w"

    def write(self, item: int, made: str) -> tuple[int, str]:
        self.events.append(("write", item))
        return item, made

    def run(self, items: list[int]) -> list[tuple[int, str]]:
        steps = (self.read, self.work, self.write)
        return list(
            overlap(
                items,
                *steps,
                is_large=lambda item: item > 99,
                on_step=lambda *at: self.at.append(at),
            )
        )


@given(st.lists(st.integers(0, 120), unique=True, max_size=12))
def test_overlapping_gives_what_one_thread_gives(items: list[int]):
    steps, serial = Steps(), Steps()
    expected = list(
        one_by_one(items, serial.read, serial.work, serial.write, on_step=lambda *_: None)
    )
    assert steps.run(items) == expected
    assert sorted(steps.events) == sorted(serial.events)


@given(st.lists(st.integers(0, 120), unique=True, max_size=12))
def test_a_large_item_is_alone_and_no_more_than_three_are_in_work(items: list[int]):
    steps = Steps()
    steps.run(items)
    assert all(len(at) == 1 for at in steps.at if max(at) > 99)
    assert all(len(at) <= 3 for at in steps.at)


def test_the_next_one_is_read_while_one_is_worked_on():
    read_two = threading.Event()
    steps = Steps()

    def read(item: int) -> str:
        if item == 2:
            read_two.set()
        return ""

    def work(item: int, _found: str) -> str:
        assert item != 1 or read_two.wait(20)
        return ""

    rows = overlap(
        [1, 2], read, work, steps.write, is_large=lambda _: False, on_step=lambda *_: None
    )
    assert [item for item, _ in rows] == [1, 2]


@pytest.mark.parametrize("where", ["read", "work", "write"])
def test_an_error_of_any_step_ends_the_work(where: str, monkeypatch):
    steps = Steps()
    real = getattr(steps, where)

    def fail(item: int, *rest: str) -> object:
        if item == 2:
            raise OSError("No space left on device")
        return real(item, *rest)

    monkeypatch.setattr(steps, where, fail)
    with pytest.raises(OSError, match="No space left"):
        steps.run([1, 2, 3, 4, 5])
    assert ("work", 5) not in steps.events
