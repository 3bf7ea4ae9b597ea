import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganst.scoring.canonical import blur
from ganst.video.flow import Sight, chained, flow, made_ready, warped, warped_sharply

HEIGHT, WIDTH = 240, 320
WAYS = st.floats(-12, 12)


def scene(*, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (128 + 300 * blur(torch.randn(3, 400, 480, generator=rng), 3.0)).clamp(0, 255)


SCENE = scene()


def view(right: float, down: float, zoom: float = 1.0, seed: int | None = None) -> Tensor:
    """A scene in which everything has moved by that much, and grown around the middle; with noise."""
    tall, wide = SCENE.shape[1:]
    across, along = WIDTH / wide / zoom, HEIGHT / tall / zoom
    matrix = torch.tensor([[across, 0.0, -2 * right / wide], [0.0, along, -2 * down / tall]])
    grid = F.affine_grid(matrix[None], [1, 3, HEIGHT, WIDTH], align_corners=False)
    image = SCENE if seed is None else scene(seed=seed)
    frame = F.grid_sample(image[None], grid, mode="bicubic", align_corners=False)[0]
    noise = torch.randn(frame.shape, generator=torch.Generator().manual_seed(int(1e3 * right)))
    return (frame + 1.5 * noise).round().clamp(0, 255).to(torch.uint8)


def in_pixels(field: Tensor) -> Tensor:
    """`[2, h, w]`, (right, down)."""
    return field[0] * torch.tensor([WIDTH, HEIGHT]).reshape(2, 1, 1)


def way(a: Tensor, b: Tensor) -> Tensor:
    return flow(Sight.of(a), Sight.of(b))


@given(WAYS, WAYS)
def test_a_camera_that_pans_is_followed_between_pixels(right, down):
    found = in_pixels(way(view(0, 0), view(right, down)))
    inside = found[:, 2:-2, 2:-2]
    assert inside[0].flatten().tolist() == pytest.approx([right] * inside[0].numel(), abs=0.35)
    assert inside[1].flatten().tolist() == pytest.approx([down] * inside[1].numel(), abs=0.35)


@pytest.mark.parametrize("zoom", [0.98, 1.004, 1.03])
def test_a_zoom_is_followed(zoom):
    found = in_pixels(way(view(0, 0), view(0, 0, zoom)))
    rows, cols = found.shape[1:]
    places = ((torch.arange(cols) + 0.5) / cols - 0.5) * WIDTH * (zoom - 1)
    assert (found[0] - places).abs().mean() < 0.15
    places = ((torch.arange(rows) + 0.5) / rows - 0.5) * HEIGHT * (zoom - 1)
    assert (found[1] - places[:, None]).abs().mean() < 0.15


def test_where_there_is_nothing_to_see_the_surroundings_tell():
    before, after = view(0, 0), view(5, 0)
    before[:, 100:140, 100:220] = after[:, 100:140, 100:220] = 90
    found = in_pixels(way(before, after))
    rows, cols = found.shape[1:]
    middle = found[0, int(rows * 0.5), int(cols * 0.5)]
    assert middle == pytest.approx(5, abs=1.0)


def test_a_thing_that_moves_alone_is_followed_where_it_is():
    before, after = view(0, 0), view(0, 0)
    thing = view(0, 0, seed=3)[:, 60:180, 60:180]
    before[:, 60:180, 100:220] = thing
    after[:, 60:180, 106:226] = thing
    found = in_pixels(way(before, after))
    rows, cols = found.shape[1:]
    assert found[0, rows // 2, cols // 2] == pytest.approx(6, abs=0.3)
    assert found[0, rows // 2, 1].abs() < 0.3


def test_fields_can_be_chained():
    first, then = way(view(0, 0), view(3, 1)), way(view(3, 1), view(5, -2))
    found = in_pixels(chained(first, then))[:, 2:-2, 2:-2].mean(dim=(1, 2))
    assert found.tolist() == pytest.approx([5, -2], abs=0.1)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_field_takes_a_picture_back(right, down):
    image = torch.arange(40.0 * 60).reshape(1, 1, 40, 60)
    field = torch.tensor([right / 60, down / 40]).reshape(1, 2, 1, 1)
    made = warped(torch.roll(image, (down, right), (2, 3)), field)
    assert torch.allclose(made[..., 9:-9, 9:-9], image[..., 9:-9, 9:-9], atol=0.02)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_by_whole_pixels_a_sharp_picture_is_moved_as_it_is(right, down):
    image = 255 * torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    field = torch.tensor([right / 60, down / 40]).reshape(1, 2, 1, 1)
    made = warped_sharply(made_ready(image), field)
    wanted = torch.roll(image, (-down, -right), (2, 3))
    assert torch.allclose(made[..., 9:-9, 9:-9], wanted[..., 9:-9, 9:-9], atol=0.1)
    assert torch.allclose(warped_sharply(made_ready(image), 0 * field), image, atol=0.1)


@pytest.mark.parametrize("part", [0.25, 0.5])
def test_between_pixels_less_is_lost_than_on_a_straight_line(part):
    image = SCENE[None, :, :200, :240]
    field = torch.tensor([part / 240, part / 200]).reshape(1, 2, 1, 1)
    there = F.affine_grid(
        torch.tensor([[[1.0, 0, 2 * part / 240], [0, 1, 2 * part / 200]]]),
        [1, 3, 200, 240],
        align_corners=False,
    )
    cubic = F.grid_sample(image, there, "bicubic", align_corners=False)
    inside = (..., slice(9, -9), slice(9, -9))
    sharp, straight = warped_sharply(made_ready(image), field), warped(image, field)
    lost, lost_straight = ((x - cubic)[inside].std() for x in (sharp, straight))
    assert lost < 0.8 * lost_straight


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
def test_every_size_can_be_moved_sharply(size):
    image = torch.full((1, 3, *size), 77.0)
    made = warped_sharply(made_ready(image), torch.zeros(1, 2, 1, 1))
    assert torch.allclose(made, image, atol=0.01)


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 1, 40), (3, 5, 3), (3, 33, 2000)])
def test_every_size_has_a_field_and_nothing_to_see_does_not_move(size):
    image = torch.full(size, 9, dtype=torch.uint8)
    assert way(image, image).abs().max() < 1e-6
