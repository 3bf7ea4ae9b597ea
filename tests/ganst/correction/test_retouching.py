import pytest
import torch
from torch import Tensor

from ganst.correction.retouching import (
    STRENGTH_FLOOR,
    RestoredStructure,
    StrengthBlend,
)
from ganst.correction.strategies import Subject
from ganst.scoring.canonical import blur, correlation
from tests.ganst.correction.stylists import FakeStylist
from tests.ganst.stand_in import make_photo


@pytest.fixture
def photo() -> Tensor:
    return make_photo(1)


def pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


@FakeStylist
def copied(image: Tensor, _checkpoint: str) -> Tensor:
    return image.clone()


@FakeStylist
def blurred(image: Tensor, _checkpoint: str) -> Tensor:
    """A stylist that loses the edges and lowers the contrast."""
    return pixels(blur(image.float() * 0.6 + 60, 4.0))


def plain(stylist: FakeStylist, photo: Tensor) -> Tensor:
    return stylist(photo, checkpoint="final", precision="fp32")


def on(photo: Tensor) -> Subject:
    return Subject(source=photo)


def detail(image: Tensor) -> Tensor:
    light = image.float().mean(dim=0, keepdim=True)
    return light - blur(light, 4.0)


def distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).abs().mean())


ALL = (RestoredStructure(), StrengthBlend())


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
def test_a_candidate_has_the_size_of_the_source_and_is_the_same_every_time(strategy, photo):
    first, again = (strategy.produce(on(photo), blurred) for _ in range(2))
    assert first.shape == photo.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_photo_of_one_colour_is_no_trouble(strategy, level):
    flat = torch.full((3, 64, 70), level, dtype=torch.uint8)
    assert strategy.produce(on(flat), copied).float().std() < 1


def test_lost_edges_come_back_where_the_photo_has_them(photo):
    lost = correlation(detail(plain(blurred, photo)), detail(photo))
    found = correlation(detail(RestoredStructure().produce(on(photo), blurred)), detail(photo))
    assert found > lost + 0.1


def test_edges_come_back_in_the_contrast_of_the_output(photo):
    @FakeStylist
    def faint(image: Tensor, _checkpoint: str) -> Tensor:
        return pixels(blur(255 - image.float(), 3.0))

    restored = RestoredStructure().produce(on(photo), faint)
    assert correlation(detail(restored), detail(photo)) < -0.3


def test_an_output_that_lost_nothing_is_left_alone(photo):
    restored = RestoredStructure().produce(on(photo), copied)
    assert distance(restored, photo) < 1.5


def test_a_blend_brings_shapes_back_and_leaves_the_colours(photo):
    candidate = StrengthBlend().produce(on(photo), blurred)
    lost = plain(blurred, photo)
    assert correlation(detail(candidate), detail(photo)) > correlation(detail(lost), detail(photo))
    coarse = [blur(image.float(), 16.0) for image in (candidate, lost)]
    assert distance(*coarse) < 0.5
    assert distance(candidate, lost) > distance(*coarse)


def test_a_blend_of_full_strength_is_the_output_itself(photo):
    assert torch.equal(
        StrengthBlend(strength=1.0).produce(on(photo), blurred), plain(blurred, photo)
    )


@pytest.mark.parametrize("strength", [0.0, 0.5, STRENGTH_FLOOR - 0.01, 1.1])
def test_a_blend_below_the_floor_is_refused(strength):
    with pytest.raises(ValueError, match="strength must be in"):
        StrengthBlend(strength=strength)
