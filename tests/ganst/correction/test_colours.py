import pytest
import torch
from torch import Tensor

from ganst.correction.colours import (
    CheckpointColours,
    ExpectedColours,
    expected_colours,
    transport_colours,
)
from ganst.correction.strategies import NotApplicableError, Subject
from ganst.scoring.canonical import blur, correlation
from tests.ganst.correction.stylists import FakeStylist
from tests.ganst.stand_in import make_photo


def pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


def detail(image: Tensor) -> Tensor:
    light = image.float().mean(dim=0, keepdim=True)
    return light - blur(light, 4.0)


def toned(image: Tensor) -> Tensor:
    """What the style does to colours: a map that has nothing to do with any single photo."""
    red, green, blue = image.float()
    return pixels(torch.stack([0.6 * red + 60, 0.7 * green + 20, 0.4 * blue + 0.2 * red]))


def cast(image: Tensor) -> Tensor:
    """The same with a fault: half of the blue is gone."""
    return pixels(toned(image).float() * torch.tensor([1.2, 1.0, 0.5])[:, None, None])


GOOD = tuple((make_photo(seed), toned(make_photo(seed))) for seed in (11, 12, 13))


@pytest.fixture
def photo() -> Tensor:
    return make_photo(1)


def means(image: Tensor) -> Tensor:
    return image.float().mean(dim=(1, 2))


def test_a_cast_gives_way_to_the_colours_of_good_outputs_given_the_photo(photo):
    stylist = FakeStylist(lambda image, _checkpoint: cast(image))
    candidate = ExpectedColours().produce(Subject(source=photo, good=lambda: GOOD), stylist)
    off, left = (
        float((means(x) - means(toned(photo))).abs().max()) for x in (cast(photo), candidate)
    )
    assert off > 20
    assert left < 0.2 * off
    assert correlation(detail(candidate), detail(cast(photo))) > 0.9


def test_the_colours_expected_follow_the_photo_not_the_mean_of_the_good_ones(photo):
    dark, light = (pixels(photo.float() * gain) for gain in (0.3, 1.0))
    expected = [expected_colours(x, GOOD).mean(dim=1) for x in (dark, light)]
    for image, colours in zip((dark, light), expected, strict=True):
        assert torch.allclose(colours.float(), means(toned(image)), atol=6)


def test_without_a_good_output_there_are_no_colours_to_expect(photo):
    stylist = FakeStylist(lambda image, _checkpoint: image)
    with pytest.raises(NotApplicableError, match="no good output"):
        ExpectedColours().produce(Subject(source=photo), stylist)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_photo_of_one_colour_is_no_trouble(level):
    flat = torch.full((3, 64, 70), level, dtype=torch.uint8)
    stylist = FakeStylist(lambda image, _checkpoint: image.clone())
    good = ((flat, flat),)
    for strategy in (ExpectedColours(), CheckpointColours()):
        candidate = strategy.produce(Subject(source=flat, good=lambda: good), stylist)
        assert candidate.float().std() < 1


def test_strokes_stay_and_colours_come_from_the_other_checkpoint(photo):
    @FakeStylist
    def stylist(image: Tensor, checkpoint: str) -> Tensor:
        return pixels(image.float() * 0.5 + 50) if checkpoint == "early" else image.flip(0)

    candidate = CheckpointColours().produce(Subject(source=photo), stylist).float()
    wanted = stylist(photo, checkpoint="early", precision="fp32").float()
    for moment in (torch.Tensor.mean, torch.Tensor.std):
        assert torch.allclose(moment(candidate, dim=(1, 2)), moment(wanted, dim=(1, 2)), atol=2)
    assert correlation(detail(candidate), detail(photo.flip(0))) > 0.95


def test_transport_to_its_own_colours_changes_nothing(photo):
    moved = transport_colours(photo.float(), photo.float())
    assert torch.allclose(moved, photo.float(), atol=0.05)
