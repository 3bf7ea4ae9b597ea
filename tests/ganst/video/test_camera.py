import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganst.scoring.canonical import blur
from ganst.video.camera import camera_shift, spectrum_of

STEPS = st.integers(-9, 9)


def scene(seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (128 + 300 * blur(torch.randn(3, 120, 150, generator=rng), 2.0)).clamp(0, 255)


def window(down: int, right: int, seed: int = 0) -> torch.Tensor:
    """80 x 100 of a scene, which moves by that much."""
    return scene(seed)[:, 20 - down : 100 - down, 25 - right : 125 - right].to(torch.uint8)


def seen(image: Tensor) -> tuple[Tensor, Tensor]:
    light = image.float().mean(dim=0)
    return light, spectrum_of(light)


@given(STEPS, STEPS)
def test_a_moving_camera_is_followed(down, right):
    across, along = camera_shift(seen(window(0, 0)), seen(window(down, right)))
    assert (along * 80, across * 100) == pytest.approx((down, right), abs=0.5)


def test_another_scene_is_no_movement():
    assert camera_shift(seen(window(0, 0)), seen(window(0, 0, seed=7))) == (0.0, 0.0)


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 1, 40), (3, 5, 3)])
def test_the_smallest_pictures_do_not_move(size):
    image = torch.full(size, 9, dtype=torch.uint8)
    assert camera_shift(seen(image), seen(image)) == (0.0, 0.0)
