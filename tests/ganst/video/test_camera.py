import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.scoring.canonical import blur
from ganst.video.blend import Blending, TemporalBlend
from ganst.video.camera import View, camera_shift, overlap

STEPS = st.integers(-9, 9)


def scene(seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (128 + 300 * blur(torch.randn(3, 120, 150, generator=rng), 2.0)).clamp(0, 255)


def window(down: int, right: int, seed: int = 0) -> torch.Tensor:
    """80 x 100 of a scene, which moves by that much."""
    return scene(seed)[:, 20 - down : 100 - down, 25 - right : 125 - right].to(torch.uint8)


@given(STEPS, STEPS)
def test_a_moving_camera_is_followed(down, right):
    found = camera_shift(View.of(window(0, 0)), View.of(window(down, right)))
    assert found == pytest.approx((down, right), abs=0.5)


@given(STEPS, STEPS)
def test_what_both_frames_show_is_the_same_in_both(down, right):
    first, second = window(0, 0), window(down, right)
    earlier, later = overlap(first[0], down, right)
    assert torch.equal(first[:, *earlier], second[:, *later])


def test_another_scene_is_no_movement():
    assert camera_shift(View.of(window(0, 0)), View.of(window(0, 0, seed=7))) == (0.0, 0.0)


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 1, 40), (3, 5, 3)])
def test_the_smallest_pictures_do_not_move(size):
    image = torch.full(size, 9, dtype=torch.uint8)
    assert camera_shift(View.of(image), View.of(image)) == (0.0, 0.0)


def test_noise_of_the_output_is_averaged_along_the_way_of_the_camera():
    rng = torch.Generator().manual_seed(0)
    blend = TemporalBlend(Blending())
    clean = [window(0, 3 * n) for n in range(5)]
    noisy = [
        (frame + 12 * torch.randn(frame.shape, generator=rng)).clamp(0, 255).to(torch.uint8)
        for frame in clean
    ]
    for position, pair in enumerate(zip(clean, noisy, strict=True)):
        blend.add(position, *pair)
    inside = (slice(None), slice(8, -8), slice(14, -14))
    made, given_, wanted = (x[inside].float() for x in (blend.at(2), noisy[2], clean[2]))
    assert (made - wanted).std() < 0.55 * (given_ - wanted).std()
