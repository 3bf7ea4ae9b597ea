"""The hot patch lies over a local fault, and a good output stays cool."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.canonical import UnsupportedImageError, blur
from ganst.scoring.cells import measure_cells
from ganst.scoring.faults import FAULTS
from ganst.scoring.heatmap import (
    MIN_PAIRS,
    LocalScale,
    excess_map,
    measures_in_words,
    place_in_words,
    to_heat,
)

_PATCH = (slice(30, 80), slice(90, 140))  # rows and columns of a 160 x 168 output


@pytest.fixture(scope="module")
def usual(stand_in) -> LocalScale:
    return LocalScale.fit([measure_cells(*stand_in.pair(100 + k)) for k in range(MIN_PAIRS)])


def _with_patch(output: Tensor, patch: Tensor) -> Tensor:
    damaged = output.clone()
    damaged[:, *_PATCH] = patch.round().clamp(0, 255).to(torch.uint8)
    return damaged


def _blanked(output: Tensor) -> Tensor:
    return _with_patch(output, torch.zeros(3, 50, 50))


def _blurred(output: Tensor) -> Tensor:
    return _with_patch(output, blur(output.float(), 5.0)[:, *_PATCH])


def _noisy(output: Tensor) -> Tensor:
    noise = torch.randn(3, 50, 50, generator=torch.Generator().manual_seed(1))
    return _with_patch(output, output[:, *_PATCH] + 40 * noise)


def _gridded(output: Tensor) -> Tensor:
    board = (torch.arange(50)[:, None] + torch.arange(50)[None, :]) % 2 * 2.0 - 1
    return _with_patch(output, output[:, *_PATCH] + 30 * board)


def _recoloured(output: Tensor) -> Tensor:
    return _with_patch(output, 255.0 - output[:, *_PATCH].float())


def _share_inside(heat: Tensor, damaged: Tensor, output: Tensor) -> float:
    """Share of all heat that lies on what was changed, a cell of margin around it."""
    changed = (damaged != output).any(dim=0).float()
    near = F.max_pool2d(changed[None, None], 17, 1, 8)
    inside = F.adaptive_avg_pool2d(near, (heat.shape[0], heat.shape[1]))[0, 0] > 0.5
    return float(heat[inside].sum() / heat.sum())


@pytest.mark.parametrize("with_scale", [True, False], ids=["usual", "itself"])
@pytest.mark.parametrize("damage", [_blanked, _blurred, _noisy, _gridded, _recoloured])
def test_the_heat_lies_over_a_damaged_patch(stand_in, usual, damage, with_scale):
    for index in range(3):
        photo, output = stand_in.pair(index)
        damaged = damage(output)
        heat = to_heat(excess_map(photo, damaged, usual if with_scale else None), output.shape[1:])
        assert float(heat[_PATCH].mean()) > (0.1 if with_scale else 0.01)
        assert _share_inside(heat, damaged, output) > 0.7


@pytest.mark.parametrize("name", ["blank", "blob"])
def test_the_heat_lies_over_an_injected_local_fault(stand_in, usual, name):
    for index in range(3):
        case = stand_in.case(index)
        damaged = FAULTS[name](case, 4.0)
        heat = to_heat(excess_map(case.source, damaged, usual), case.output.shape[1:])
        assert _share_inside(heat, damaged, case.output) > 0.7


@pytest.mark.parametrize("with_scale", [True, False], ids=["usual", "itself"])
def test_a_good_output_is_cool(stand_in, usual, with_scale):
    shares = []
    for index in range(6):
        photo, output = stand_in.pair(index)
        excess = excess_map(photo, output, usual if with_scale else None)
        shares.append(float((excess.abs().amax(dim=0) > 0).float().mean()))
    assert sum(shares) / len(shares) < 0.03


def test_a_grid_all_over_is_hot_beside_good_outputs_and_not_beside_itself(stand_in, usual):
    case = stand_in.case(0)
    damaged = FAULTS["grid"](case, 5.0)
    excess = excess_map(case.source, damaged, usual)
    assert measures_in_words(excess)[0] in ("a regular grid", "noisy")
    assert place_in_words(to_heat(excess, (64, 64))).startswith("all over")
    own = to_heat(excess_map(case.source, damaged), (64, 64))
    assert not place_in_words(own).startswith("all over")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_gridded, "a regular grid"),
        (_blurred, "blurred"),
        (_noisy, "noisy"),
        (_blanked, "too dark"),
    ],
)
def test_the_words_name_what_was_done_to_the_patch(stand_in, usual, damage, words):
    photo, output = stand_in.pair(0)
    assert words in measures_in_words(excess_map(photo, damage(output), usual))


def test_nothing_hot_has_no_words():
    assert measures_in_words(torch.zeros(7, 4, 4)) == ()


@pytest.mark.parametrize(
    ("rows", "cols", "words"),
    [
        (slice(0, 6), slice(0, 6), "upper left, 4 % of the picture"),
        (slice(12, 18), slice(24, 30), "middle right, 4 % of the picture"),
        (slice(12, 18), slice(12, 18), "middle, 4 % of the picture"),
        (slice(24, 30), slice(12, 18), "lower middle, 4 % of the picture"),
        (slice(0, 30), slice(0, 20), "all over, 67 % of the picture"),
        (slice(0, 0), slice(0, 0), "no single place stands out"),
    ],
)
def test_the_place_of_the_heat_in_words(rows, cols, words):
    heat = torch.zeros(30, 30)
    heat[rows, cols] = 1.0
    assert place_in_words(heat) == words


def test_a_fault_may_not_change_what_is_expected_of_the_rest(stand_in):
    photo, output = stand_in.pair(1)
    clean, damaged = (
        LocalScale.fit([measure_cells(photo, made)]) for made in (output, _blanked(output))
    )
    shift = (clean.weights - damaged.weights) @ measure_cells(photo, output).features.flatten(1)
    assert float((shift.abs().median(dim=1).values / clean.spread).max()) < 1.0


def test_what_cannot_be_compared_is_refused(stand_in):
    photo, output = stand_in.pair(0)
    with pytest.raises(ValueError, match="source is"):
        excess_map(photo, output[:, :-1])
    with pytest.raises(UnsupportedImageError):
        excess_map(photo[:, :40], output[:, :40])
    with pytest.raises(ValueError, match="at least one output"):
        LocalScale.fit([])
