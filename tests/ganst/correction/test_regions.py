import pytest
import torch
from torch import Tensor

from ganst.correction.regions import RegionRepair, repair_mask
from ganst.correction.strategies import NotApplicableError, Subject
from ganst.scoring.cells import measure_cells
from ganst.scoring.heatmap import LocalScale
from tests.ganst.correction.stylists import FakeStylist
from tests.ganst.stand_in import make_photo, stylize

SIZE = (256, 320)
GOOD = tuple(
    (make_photo(seed, SIZE), stylize(make_photo(seed, SIZE), seed)) for seed in (21, 22, 23)
)

USUAL = LocalScale.fit([measure_cells(*pair) for pair in GOOD])


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


def test_only_the_damaged_place_is_painted_anew(pair):
    photo, output = pair
    flagged = holed(output)
    other_strokes = stylize(photo, 77)
    fresh = FakeStylist(lambda _image, _checkpoint: other_strokes)
    candidate = RegionRepair().produce(subject(photo, flagged), fresh)
    assert torch.equal(candidate[:, 50:80, 210:240], other_strokes[:, 50:80, 210:240])
    unchanged = (candidate == output).all(dim=0).float()
    assert unchanged.mean() > 0.6
    assert unchanged[:, :100].mean() == 1


def test_the_borders_of_the_repair_are_soft(pair):
    photo, output = pair
    mask = repair_mask(photo, holed(output), USUAL)[0]
    assert mask.max() == 1
    assert mask.min() == 0
    for steps in (mask.diff(dim=0), mask.diff(dim=1)):
        assert steps.abs().max() < 0.25


def test_where_the_network_fails_again_the_run_that_does_not_is_taken(pair):
    photo, output = pair
    seen = []

    @FakeStylist
    def stuck(image: Tensor, _checkpoint: str) -> Tensor:
        """Fails in that place whatever the photo is; mirrored left to right in another one."""
        seen.append(image)
        flips = next(f for f in ((), (2,), (1,)) if torch.equal(image, photo.flip(f)))
        return holed(output.flip(flips))

    candidate = RegionRepair().produce(subject(photo, holed(output)), stuck)
    assert len(seen) >= 2
    assert torch.equal(seen[1], photo.flip(2))
    assert torch.equal(candidate[:, 50:80, 210:240], output[:, 50:80, 210:240])


def test_an_output_without_a_damaged_place_is_no_case_for_repair(pair):
    photo, output = pair
    with pytest.raises(NotApplicableError, match="no single place"):
        repair_mask(photo, output, USUAL)


def test_a_fault_all_over_is_no_case_for_repair(pair):
    photo, output = pair
    with pytest.raises(NotApplicableError, match="no single place"):
        repair_mask(photo, 255 - output, USUAL)


def test_without_an_output_there_is_nothing_to_repair(pair):
    photo, output = pair
    fresh = FakeStylist(lambda image, _checkpoint: image)
    for flagged in (None, output[:, :100]):
        with pytest.raises(NotApplicableError, match="no output of the photo's size"):
            RegionRepair().produce(subject(photo, flagged), fresh)
