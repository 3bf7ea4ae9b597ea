import pytest
import torch
from torch import Tensor

from ganst.correction.retouching import (
    CheckpointColours,
    NormalisedInput,
    RestoredStructure,
    transport_colours,
)
from ganst.scoring.canonical import blur, correlation
from tests.ganst.stand_in import make_photo


@pytest.fixture
def photo() -> Tensor:
    return make_photo(1)


def pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


def copied(image: Tensor, **_: str) -> Tensor:
    return image.clone()


def blurred(image: Tensor, **_: str) -> Tensor:
    """A stylist that loses the edges and lowers the contrast."""
    return pixels(blur(image.float() * 0.6 + 60, 4.0))


def detail(image: Tensor) -> Tensor:
    light = image.float().mean(dim=0, keepdim=True)
    return light - blur(light, 4.0)


def distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).abs().mean())


ALL = (NormalisedInput(), RestoredStructure(), CheckpointColours())


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
def test_a_candidate_has_the_size_of_the_source_and_is_the_same_every_time(strategy, photo):
    first, again = (strategy.produce(photo, blurred) for _ in range(2))
    assert first.shape == photo.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)


@pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_photo_of_one_colour_is_no_trouble(strategy, level):
    flat = torch.full((3, 64, 70), level, dtype=torch.uint8)
    assert strategy.produce(flat, copied).float().std() < 1


@pytest.mark.parametrize(("factor", "offset"), [(0.15, 0), (0.3, 170), (0.25, 100)])
def test_the_network_gets_dark_bright_and_flat_photos_in_usual_light(photo, factor, offset):
    odd = pixels(photo.float() * factor + offset)
    seen = NormalisedInput().produce(odd, copied).float() / 255
    assert 0.3 < float(seen.median()) < 0.6
    assert seen.std() > 1.5 * (odd.float() / 255).std()


def test_a_photo_in_usual_light_hardly_changes(photo):
    dark = pixels(photo.float() * 0.5)
    once = NormalisedInput().produce(dark, copied)
    again = NormalisedInput().produce(once, copied)
    assert distance(again, once) < 0.25 * distance(once, dark)


def test_lost_edges_come_back_where_the_photo_has_them(photo):
    lost = correlation(detail(blurred(photo)), detail(photo))
    found = correlation(detail(RestoredStructure().produce(photo, blurred)), detail(photo))
    assert found > lost + 0.1


def test_edges_come_back_in_the_contrast_of_the_output(photo):
    def faint(image: Tensor, **_: str) -> Tensor:
        return pixels(blur(255 - image.float(), 3.0))

    restored = RestoredStructure().produce(photo, faint)
    assert correlation(detail(restored), detail(photo)) < -0.3


def test_an_output_that_lost_nothing_is_left_alone(photo):
    restored = RestoredStructure().produce(photo, copied)
    assert distance(restored, photo) < 1.5


def test_strokes_stay_and_colours_come_from_the_other_checkpoint(photo):
    def stylist(image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        del precision
        return pixels(image.float() * 0.5 + 50) if checkpoint == "early" else image.flip(0)

    candidate = CheckpointColours().produce(photo, stylist).float()
    wanted = stylist(photo, checkpoint="early", precision="fp32").float()
    for moment in (torch.Tensor.mean, torch.Tensor.std):
        assert torch.allclose(moment(candidate, dim=(1, 2)), moment(wanted, dim=(1, 2)), atol=2)
    assert correlation(detail(candidate), detail(photo.flip(0))) > 0.95


def test_transport_to_its_own_colours_changes_nothing(photo):
    moved = transport_colours(photo.float(), photo.float())
    assert torch.allclose(moved, photo.float(), atol=0.05)
