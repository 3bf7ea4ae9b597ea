import pytest
import torch
from torch import Tensor

from ganst.scoring.canonical import open_canvas
from ganst.scoring.jpeg_blocks import as_jpeg
from ganst.scoring.seams import MOVED_LINES, SAME_LINES, SeamRule, blocks, measure_seams


def seams(photo: Tensor, output: Tensor, rule: SeamRule = MOVED_LINES) -> dict[str, float]:
    return measure_seams(open_canvas(photo), open_canvas(output), rule)


def brighter(output: Tensor, rows: slice, cols: slice, gain: float = 1.15) -> Tensor:
    image = output.float()
    image[:, rows, cols] *= gain
    return image.round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize(
    ("rows", "cols", "column"),
    [
        (slice(None), slice(90, None), "a_seam"),
        (slice(70, None), slice(None), "a_seam"),
        (slice(60, 130), slice(80, 150), "a_join"),
        (slice(60, 130), slice(80, 150), "a_edge"),
    ],
)
def test_a_step_along_a_straight_line_raises_its_column(stand_in, rows, cols, column):
    photo, output = stand_in.pair(0)
    before = seams(photo, output)[column]
    assert seams(photo, brighter(output, rows, cols, 1.3))[column] > before + 0.2


def test_a_line_that_the_photo_has_too_is_no_seam(stand_in):
    photo, output = stand_in.pair(1)
    halves = (slice(None), slice(90, None))
    split_photo, split_output = brighter(photo, *halves, 0.6), brighter(output, *halves, 0.6)
    assert seams(split_photo, split_output)["a_seam"] < seams(photo, split_output)["a_seam"] - 0.3


@pytest.mark.parametrize("column", ["a_seam", "a_join", "a_edge"])
@pytest.mark.parametrize(("moved", "gain"), [(0, 0.5), (1, 0.6)])
def test_a_line_of_the_photo_may_be_moved_a_little_and_drawn_harder(stand_in, column, moved, gain):
    photo, output = stand_in.pair(1)
    marked = brighter(photo, slice(None), slice(90, None), 0.6)
    painted = brighter(output, slice(None), slice(90 + moved, None), gain)
    assert seams(marked, painted)[column] < seams(marked, painted, SAME_LINES)[column] - 0.3


@pytest.mark.parametrize("column", ["a_seam", "a_join", "a_edge"])
def test_a_line_farther_from_one_of_the_photo_is_all_of_it_a_seam(stand_in, column):
    photo, output = stand_in.pair(1)
    marked = brighter(photo, slice(None), slice(90, None), 0.6)
    other = brighter(output, slice(None), slice(94, None), 0.6)
    assert seams(marked, other)[column] == seams(marked, other, SAME_LINES)[column]


def test_a_picture_turned_by_a_quarter_has_the_same_seams(stand_in):
    photo, output = stand_in.pair(2)
    square = (slice(None), slice(0, 160), slice(0, 160))
    a, b = photo[square], output[square]
    turned = seams(a.transpose(1, 2), b.transpose(1, 2))
    assert turned == pytest.approx(seams(a, b), abs=0.15)


def test_blocks_of_jpeg_raise_their_column_and_noise_does_not(stand_in):
    _, output = stand_in.pair(3)
    rough = output.int() + torch.randint(
        -9, 10, output.shape, generator=torch.Generator().manual_seed(0)
    )
    before = blocks(open_canvas(output).tiles)
    assert blocks(open_canvas(as_jpeg(output, 15.0)).tiles) > before + 0.5
    assert blocks(open_canvas(rough.clamp(0, 255).to(torch.uint8)).tiles) < before + 0.3


@pytest.mark.parametrize("period", [5, 7, 8, 12])
def test_lines_at_any_regular_distance_are_found(period):
    generator = torch.Generator().manual_seed(period)
    tiles = 0.5 + 0.05 * torch.randn(1, 200, 200, generator=generator)
    lined = tiles.clone()
    lined[:, :, ::period] += 0.05
    assert blocks(lined) > blocks(tiles) + 0.5
