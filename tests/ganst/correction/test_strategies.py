import pytest
import torch
from torch import Tensor

from ganst.correction.strategies import (
    STRENGTH_FLOOR,
    OtherCheckpoint,
    Rerun,
    SecondPass,
    ShiftAverage,
    StrengthBlend,
)

ALL = (Rerun(), OtherCheckpoint(), ShiftAverage(), StrengthBlend(), SecondPass())


def brighten(image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
    """A stylist that commutes with shifts and mirrors."""
    assert precision == "fp32"
    return (image.int() + (10 if checkpoint == "final" else 20)).clamp(0, 255).to(torch.uint8)


@pytest.fixture
def photo(rng):
    return torch.randint(200, (3, 40, 50), generator=rng).to(torch.uint8)


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
def test_a_candidate_has_the_size_of_the_source_and_is_the_same_every_time(strategy, photo):
    first, again = (strategy.produce(photo, brighten) for _ in range(2))
    assert first.shape == photo.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)


def test_shifts_and_mirrors_are_undone_before_averaging(photo):
    candidate = ShiftAverage().produce(photo, brighten)
    assert torch.equal(candidate, brighten(photo, checkpoint="final", precision="fp32"))


def test_a_grid_of_the_network_is_averaged_away(photo):
    def gridded(image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        del checkpoint, precision
        output = image.clone()
        output[:, ::2] += 40
        return output

    def contrast(image: Tensor) -> float:
        added = image.float() - photo.float()
        return float((added[:, ::2].mean() - added[:, 1::2].mean()).abs())

    once = gridded(photo, checkpoint="final", precision="fp32")
    assert contrast(ShiftAverage().produce(photo, gridded)) < 0.3 * contrast(once)


def test_a_second_pass_changes_twice_as_much(photo):
    candidate = SecondPass().produce(photo, brighten)
    assert torch.equal(candidate, (photo.int() + 20).to(torch.uint8))


def test_a_blend_lies_between_photo_and_output(photo):
    candidate = StrengthBlend(strength=0.8).produce(photo, brighten)
    assert torch.equal(candidate, (photo.int() + 8).to(torch.uint8))


@pytest.mark.parametrize("strength", [0.0, 0.5, STRENGTH_FLOOR - 0.01, 1.1])
def test_a_blend_below_the_floor_is_refused(strength):
    with pytest.raises(ValueError, match="strength must be in"):
        StrengthBlend(strength=strength)
