import math

import pytest
import torch

from ganst.scoring.canonical import UnsupportedImageError, open_canvas
from ganst.scoring.columns import COLUMN_NAMES, COLUMNS
from ganst.scoring.content import gradient_similarity, measure_content
from ganst.scoring.measuring import measure
from ganst.scoring.passthrough import affine_r2, measure_passthrough


def test_every_column_is_named_once_and_every_family_has_some():
    assert len(set(COLUMN_NAMES)) == len(COLUMN_NAMES) >= 24
    families = {column.family for column in COLUMNS}
    assert families == {"content", "passthrough", "style", "artifact", "color", "source"}
    assert all(column.floor > 0 for column in COLUMNS)


def test_a_row_has_every_column_in_order_and_every_value_is_finite(stand_in):
    row = stand_in.columns(0, stand_in.calibration.reference)
    assert tuple(row) == COLUMN_NAMES
    assert all(math.isfinite(value) for value in row.values())


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_output_still_has_finite_columns(stand_in, level):
    photo, _ = stand_in.pair(0)
    row = measure(photo, torch.full_like(photo, level), stand_in.calibration.reference)
    assert all(math.isfinite(value) for value in row.values())


@pytest.mark.parametrize("size", [(64, 64), (64, 256), (256, 64), (65, 131), (300, 1100)])
def test_every_supported_size_can_be_measured(stand_in, size):
    noise = torch.randint(256, (3, *size), generator=torch.Generator().manual_seed(1))
    pixels = noise.to(torch.uint8)
    row = measure(pixels, pixels.flip(2), stand_in.calibration.reference)
    assert all(math.isfinite(value) for value in row.values())


def test_the_same_pair_gives_the_same_numbers_again(stand_in):
    reference = stand_in.calibration.reference
    assert stand_in.columns(3, reference) == stand_in.columns(3, reference)


def test_pairs_of_two_sizes_are_refused(stand_in):
    photo, output = stand_in.pair(0)
    with pytest.raises(ValueError, match="source is"):
        measure(photo, output[:, :-1], stand_in.calibration.reference)


def test_tiny_images_are_refused(stand_in):
    tiny = torch.zeros(3, 1, 1, dtype=torch.uint8)
    with pytest.raises(UnsupportedImageError):
        measure(tiny, tiny, stand_in.calibration.reference)


def test_a_copy_of_the_source_has_the_extreme_of_every_passthrough_column(stand_in):
    photo, output = stand_in.pair(1)
    canvas, other = open_canvas(photo), open_canvas(output)
    same, real = measure_passthrough(canvas, canvas), measure_passthrough(canvas, other)
    assert same["p_delta"] == pytest.approx(math.log(0.1))
    assert same["p_affine"] < real["p_affine"] - 1
    assert same["p_fine"] == pytest.approx(math.atanh(0.999))
    assert same["p_middle"] == pytest.approx(math.atanh(0.999))


def test_content_columns_of_a_copy_are_zero_and_of_the_negative_are_not(stand_in):
    photo, _ = stand_in.pair(1)
    canvas = open_canvas(photo)
    same = measure_content(canvas, canvas)
    negative = measure_content(canvas, open_canvas(255 - photo))
    assert same["c_gms"] == pytest.approx(0, abs=1e-6)
    assert same["c_hog"] == pytest.approx(0, abs=1e-6)
    assert same["c_selfsim"] == pytest.approx(0, abs=1e-6)
    assert negative["c_lumcorr"] > 0 > same["c_lumcorr"]
    assert negative["c_gradcorr"] > 0 > same["c_gradcorr"]


def test_gradient_similarity_is_its_formula():
    a, b = torch.zeros(5, 5), torch.zeros(5, 5)
    a[:, 3:], b[:, 3:] = 1.0, 0.5
    map_ = gradient_similarity(a, b)
    at = (2 * 0.5 * 0.25 + 0.0026) / (0.5**2 + 0.25**2 + 0.0026)
    assert float(map_.min()) == pytest.approx(at, abs=1e-6)
    assert float(map_[:, 0].min()) == 1.0


def test_an_affine_colour_map_of_the_source_is_fully_explained(rng):
    source = 50 * torch.rand(3, 64, 64, generator=rng)
    mapped = torch.einsum("ij,jhw->ihw", torch.rand(3, 3, generator=rng), source) + 7
    assert affine_r2(source, mapped) > 0.99
    assert affine_r2(source, 50 * torch.rand(3, 64, 64, generator=rng)) < 0.05
