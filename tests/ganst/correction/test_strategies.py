import pytest
import torch
from torch import Tensor

from ganst.correction.strategies import (
    BestCheckpoint,
    OtherCheckpoint,
    Rerun,
    SecondPass,
    ShiftAverage,
    Subject,
)
from tests.ganst.correction.stylists import FakeStylist

ALL = (Rerun(), OtherCheckpoint(), BestCheckpoint(), ShiftAverage(), SecondPass())


@FakeStylist
def brighten(image: Tensor, checkpoint: str) -> Tensor:
    """Commutes with shifts."""
    return (image.int() + (10 if checkpoint == "final" else 20)).clamp(0, 255).to(torch.uint8)


@pytest.fixture
def photo(rng):
    return torch.randint(200, (3, 40, 50), generator=rng).to(torch.uint8)


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
def test_a_candidate_has_the_size_of_the_source_and_is_the_same_every_time(strategy, photo):
    first, again = (strategy.produce(Subject(source=photo), brighten) for _ in range(2))
    assert first.shape == photo.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)


def test_shifts_are_undone_before_averaging(photo):
    candidate = ShiftAverage().produce(Subject(source=photo), brighten)
    assert torch.equal(candidate, brighten(photo, checkpoint="final", precision="fp32"))


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("kind", ["rows", "columns", "checkerboard"])
def test_a_grid_of_the_network_is_averaged_away(photo, period, kind):
    @FakeStylist
    def gridded(image: Tensor, checkpoint: str) -> Tensor:
        del checkpoint
        row, col = (torch.arange(length) // (period // 2) for length in image.shape[1:])
        places = {"rows": row[:, None], "columns": col[None, :], "checkerboard": row[:, None] + col}
        board = (places[kind] % 2 * 2 - 1).expand(image.shape[1:])
        return (image.int() + 20 + 20 * board).clamp(0, 255).to(torch.uint8)

    added = ShiftAverage().produce(Subject(source=photo), gridded).int() - photo.int()
    inside = added[:, 4:, 4:]  # where a shifted copy repeats the border, it is another photo
    assert inside.float().std() <= 0.5


def test_a_second_pass_changes_twice_as_much(photo):
    candidate = SecondPass().produce(Subject(source=photo), brighten)
    assert torch.equal(candidate, (photo.int() + 20).to(torch.uint8))
