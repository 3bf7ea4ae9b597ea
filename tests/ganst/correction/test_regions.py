import pytest
import torch
from torch import Tensor

from ganst.correction.regions import RegionRepair, repair_mask
from ganst.correction.strategies import NotApplicableError, Subject
from tests.ganst.correction.stylists import FakeStylist
from tests.ganst.stand_in import make_photo, stylize

SIZE = (256, 320)
GOOD = tuple(
    (make_photo(seed, SIZE), stylize(make_photo(seed, SIZE), seed)) for seed in (21, 22, 23)
)


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    photo = make_photo(20, SIZE)
    return photo, stylize(photo, 20)


def holed(output: Tensor, top: int = 40, left: int = 200) -> Tensor:
    damaged = output.clone()
    damaged[:, top : top + 48, left : left + 48] = torch.tensor([250, 10, 200])[:, None, None]
    return damaged.to(torch.uint8)


def subject(photo: Tensor, flagged: Tensor | None) -> Subject:
    return Subject(source=photo, flagged=flagged, good=lambda: GOOD)


@FakeStylist
def stuck(image: Tensor, _checkpoint: str) -> Tensor:
    """A network that fails in one place of its output, whatever the photo is."""
    return holed(stylize(image, 20))


def mirrored(photo: Tensor, seeds: tuple[int, int, int] = (77, 78, 79)) -> Tensor:
    """Three sound outputs with strokes of their own."""
    return torch.stack([stylize(photo, seed) for seed in seeds]).float()


def test_a_fault_that_the_network_makes_in_one_place_is_painted_over(pair):
    photo, output = pair
    flagged = stuck(photo, checkpoint="final", precision="fp32")
    candidate = RegionRepair().produce(subject(photo, flagged), stuck)
    hole = (slice(None), slice(44, 84), slice(204, 244))
    before, after = ((x[hole].float() - output[hole]).abs().mean() for x in (flagged, candidate))
    assert after < before / 4
    assert (candidate == output).all(dim=0).float().mean() > 0.8


def test_only_the_damaged_place_is_painted_anew(pair):
    photo, output = pair
    others = mirrored(photo)
    mask = repair_mask(holed(output).float(), others)[0]
    assert mask[44:84, 204:244].mean() > 0.95
    assert mask[:, :150].max() == 0
    assert mask.mean() < 0.1


def test_a_place_where_one_of_the_mirrored_runs_fails_is_left_alone(pair):
    photo, output = pair
    others = mirrored(photo)
    others[1] = holed(others[1], left=40).float()
    mask = repair_mask(holed(output).float(), others)[0]
    assert mask[:, :150].max() == 0
    assert mask[44:84, 204:244].mean() > 0.95


def test_the_borders_of_the_repair_are_soft(pair):
    photo, output = pair
    mask = repair_mask(holed(output).float(), mirrored(photo))[0]
    assert mask.max() == 1
    assert mask.min() == 0
    for steps in (mask.diff(dim=0), mask.diff(dim=1)):
        assert steps.abs().max() < 0.25


def test_an_output_without_a_damaged_place_is_no_case_for_repair(pair):
    photo, output = pair
    with pytest.raises(NotApplicableError, match="no single place"):
        repair_mask(output.float(), output.float().expand(3, -1, -1, -1))
    with pytest.raises(NotApplicableError, match="no single place"):
        repair_mask(output.float(), mirrored(photo))


def test_a_fault_of_half_the_picture_is_no_case_for_repair(pair):
    photo, output = pair
    half = output.clone()
    half[:, :, :140] = 255 - half[:, :, :140]
    with pytest.raises(NotApplicableError, match="no single place"):
        repair_mask(half.float(), mirrored(photo))


def test_without_an_output_there_is_nothing_to_repair(pair):
    photo, output = pair
    fresh = FakeStylist(lambda image, _checkpoint: image)
    for flagged in (None, output[:, :100]):
        with pytest.raises(NotApplicableError, match="no output of the photo's size"):
            RegionRepair().produce(subject(photo, flagged), fresh)
