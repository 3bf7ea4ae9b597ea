import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ganst.scoring.canonical import (
    UnsupportedImageError,
    blur,
    canonical,
    check_supported,
    correlation,
    gradients,
    open_canvas,
    to_lab,
)


@given(st.integers(64, 400), st.integers(64, 400))
def test_the_canonical_copy_has_a_short_side_of_256_and_the_same_shape(height, width):
    if max(height, width) > 4 * min(height, width):
        return
    copy = canonical(torch.zeros(3, height, width, dtype=torch.uint8))
    assert min(copy.shape[1:]) == 256
    assert abs(copy.shape[2] / copy.shape[1] - width / height) < 0.02


@pytest.mark.parametrize("size", [(1100, 640), (640, 1100), (513, 300)])
def test_a_large_image_by_bands_is_the_image_at_once(size, rng):
    pixels = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=rng)
    copy = canonical(pixels)
    whole = F.interpolate(pixels[None], size=copy.shape[1:], mode="bicubic", antialias=True)[0]
    assert torch.equal(copy, whole)


@pytest.mark.parametrize(("size", "why"), [((63, 200), "under 64"), ((64, 257), "longer than 4")])
def test_images_too_small_or_too_long_are_refused_with_the_reason(size, why):
    with pytest.raises(UnsupportedImageError, match=why):
        check_supported(torch.zeros(3, *size, dtype=torch.uint8))


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="expected uint8"):
        check_supported(torch.zeros(3, 100, 100))


def test_lab_of_known_colours():
    rgb = torch.tensor([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=torch.uint8)
    lab = to_lab(rgb.T[:, :, None])[:, :, 0].T
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(lab.numpy(), expected, atol=0.05)


def test_the_blur_is_that_of_scipy(rng):
    planes = torch.rand(2, 40, 50, generator=rng)
    for sigma in (0.8, 2.0, 4.0):
        expected = [gaussian_filter(p.numpy(), sigma, mode="nearest", truncate=3) for p in planes]
        if round(3 * sigma) == int(3 * sigma + 0.5):
            np.testing.assert_allclose(blur(planes, sigma).numpy(), expected, atol=1e-5)


def test_a_ramp_has_a_constant_gradient():
    ramp = torch.arange(20.0)[None, :].expand(10, 20)
    across, down = gradients(ramp)
    torch.testing.assert_close(across[:, 1:-1], torch.ones(10, 18))
    torch.testing.assert_close(down, torch.zeros(10, 20))


@given(st.integers(0, 99))
def test_correlation_is_that_of_numpy(seed):
    a, b = torch.rand(2, 30, generator=torch.Generator().manual_seed(seed))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)


def test_a_constant_plane_correlates_with_nothing():
    assert correlation(torch.ones(9), torch.rand(9)) == 0.0


def test_native_tiles_reach_every_edge_and_stay_few():
    pixels = torch.zeros(3, 700, 1000, dtype=torch.uint8)
    pixels[:, -1, -1] = 255
    pixels[:, 0, 0] = 255
    tiles = open_canvas(pixels).tiles
    assert tiles.shape == (9, 256, 256)
    assert tiles[0, 0, 0] > 0.99
    assert tiles[-1, -1, -1] > 0.99
