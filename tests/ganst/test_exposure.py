"""Dark photos: what a network is shown of them, and how dark their paintings are."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganst.batches import FullBatches
from ganst.exposure import brightened, darkened, exposure_of
from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.tiling import Tiling


def make_stylizer(
    exposure: Literal["kept", "ignored"] = "kept",
    strength: float = 1.0,
    tiling: Tiling | None = None,
) -> Stylizer:
    """With strokes strong enough to be seen."""
    generator = ResnetGenerator(replace(PRESETS["tiny"].generator, exposure=exposure))
    rng = torch.Generator().manual_seed(1)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1, generator=rng)
    return Stylizer(generator, "fp32", strength=strength, tiling=tiling)


def make_scene(height: int, width: int, brightest: int, seed: int = 0) -> Tensor:
    """Levels up to `brightest`; the same scene for each."""
    rng = torch.Generator().manual_seed(seed)
    light = torch.rand(3, height, width, generator=rng)
    return (light * brightest).round().to(torch.uint8)


@pytest.mark.parametrize(("level", "exposure"), [(255, 1), (179, 1), (119, 2 / 3), (45, 0.25)])
def test_the_exposure_is_what_the_lightest_twentieth_reaches_of_a_bright_photo(level, exposure):
    photo = torch.zeros(3, 100, 100, dtype=torch.uint8)
    photo[:, :6] = level
    assert exposure_of(photo) == pytest.approx(exposure, rel=0.01)


def test_a_few_lamps_do_not_make_a_bright_photo():
    night = make_scene(400, 300, brightest=40)
    with_lamps = night.clone()
    with_lamps[:, 10:40, 10:90] = 255
    assert exposure_of(with_lamps) == pytest.approx(exposure_of(night), rel=0.1)
    assert exposure_of(night) < 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (2000, 1500)])
def test_every_size_has_an_exposure_and_nothing_is_darker_than_the_darkest(size):
    assert exposure_of(torch.zeros(3, *size, dtype=torch.uint8)) == 0.15
    assert exposure_of(torch.full((3, *size), 255, dtype=torch.uint8)) == 1.0


@given(seed=st.integers(0, 50), brightest=st.integers(0, 255), lamps=st.booleans())
def test_a_network_that_paints_nothing_gives_back_the_photo(seed, brightest, lamps):
    photo = make_scene(300, 20, brightest, seed)
    if lamps:
        photo[:, ::7, :3] = 255
    exposure = exposure_of(photo)
    back = darkened(brightened(photo, exposure), photo, exposure).int()
    assert (back >= photo.int() - 1).all()
    assert (back <= (photo.int() + 1).clamp_min(4)).all()  # what is nearly black is lifted to 4


def test_lamps_in_the_night_stay_white_whatever_is_painted_there():
    photo = torch.full((3, 40, 40), 30, dtype=torch.uint8)
    photo[:, 5, 5] = 255
    exposure = exposure_of(photo)
    painting = torch.full_like(photo, 255)
    painting[:, 20:] = 0
    output = darkened(painting, photo, exposure)
    assert output[:, 5, 5].tolist() == [255, 255, 255]
    assert output[0, 6, 6] == pytest.approx(255 * exposure, abs=1)
    assert output[0, 30, 30] == 0


def test_strokes_in_the_shadows_do_not_drown_in_black():
    photo = torch.full((3, 32, 32), 6, dtype=torch.uint8)
    painting = torch.arange(32, dtype=torch.uint8).expand(3, 32, 32)
    output = darkened(painting, photo, exposure_of(photo))
    assert output[0, 0, :7].tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert output[0, 0].max() == 5  # 31 at an exposure of 0.15


def test_the_painting_of_a_dimmer_scene_is_a_dimmer_painting():
    day, night = make_scene(64, 64, brightest=190), make_scene(64, 64, brightest=48)
    assert exposure_of(day) == 1.0
    wanted = exposure_of(night) * make_stylizer().stylize([day])[0].float()
    kept, ignored = (
        make_stylizer(choice).stylize([night])[0].float() for choice in ("kept", "ignored")
    )
    assert (kept - wanted).abs().mean() < 2
    assert (ignored - wanted).abs().mean() > 10


def test_what_is_bright_enough_is_painted_as_if_nobody_asked():
    photo = make_scene(70, 50, brightest=255)
    kept, ignored = (make_stylizer(choice).stylize([photo])[0] for choice in ("kept", "ignored"))
    assert torch.equal(kept, ignored)


def test_bright_mates_change_no_bit_of_a_dark_photo():
    photos = [make_scene(40, 30, brightest) for brightest in (255, 40, 90)]
    together = make_stylizer().stylize(photos)
    alone = [make_stylizer().stylize([photo])[0] for photo in photos]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_a_device_that_takes_several_at_a_time_knows_which_are_dark(monkeypatch):
    photos = [make_scene(40, 30, brightest, seed=brightest) for brightest in (255, 40, 90)]
    batched = make_stylizer(strength=0.5)
    monkeypatch.setattr(batched, "_batches", FullBatches(lambda _shape: batched._forward))
    plain = make_stylizer(strength=0.5).stylize(photos)
    for one, other in zip(batched.stylize(photos), plain, strict=True):
        assert (one.int() - other.int()).abs().max() <= 1


@pytest.mark.parametrize("size", [(300, 110), (100, 900)])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_a_dark_photo_in_strips_is_the_one_in_a_piece(size, strength):
    photo = make_scene(*size, brightest=60)
    photo[:, 50:60, 50:60] = 255
    whole = make_stylizer(strength=strength).stylize([photo])[0]
    cut = make_stylizer(strength=strength, tiling=Tiling(max_bytes=1)).stylize([photo])[0]
    assert (cut.int() - whole.int()).abs().max() <= 1
    assert cut.float().mean() < 80


def test_strength_zero_is_the_dark_photo_itself():
    photo = make_scene(40, 30, brightest=50)
    assert torch.equal(make_stylizer(strength=0.0).stylize([photo])[0], photo)
