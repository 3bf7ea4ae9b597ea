"""How much of the photo is in an output; the other guards are tested with `try_candidate`."""

import pytest
import torch
from torch import Tensor

from ganst.correction.photo_share import (
    detail_given_back,
    detail_kept,
    little_of_the_way,
    photo_in_one_place,
)
from ganst.correction.strategies import to_pixels
from ganst.scoring.canonical import blur, canonical
from tests.ganst.correction.bad_candidates import pasted


def changes(photo: Tensor, *images: Tensor) -> list[Tensor]:
    return [canonical(image).float() - canonical(photo).float() for image in images]


def noise(like: Tensor, amplitude: float, seed: int = 0) -> Tensor:
    return amplitude * torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def photo() -> Tensor:
    """Coloured detail between the limits, so that nothing is clipped."""
    rough = noise(torch.empty(3, 128, 160), 60.0)
    return to_pixels(128 + rough.clamp(-70, 70))


@pytest.fixture
def output(photo) -> Tensor:
    """Strokes of its own on the photo's coarse light, and a fifth of its detail."""
    detail = photo.float() - blur(photo.float(), 1.5)
    strokes = blur(noise(photo, 120.0, seed=1), 1.5)
    colours = torch.tensor([25.0, 0.0, -25.0])[:, None, None]
    return to_pixels(128 + 0.2 * detail + strokes + colours)


def blend(photo: Tensor, output: Tensor, share: float) -> Tensor:
    return to_pixels(torch.lerp(output.float(), photo.float(), share))


def test_the_photo_has_all_of_its_detail_and_its_negative_less_than_none(photo):
    assert detail_kept(photo, photo) == pytest.approx(1.0)
    assert detail_kept(photo, 255 - photo) == pytest.approx(-1.0)
    assert detail_kept(photo, torch.full_like(photo, 90)) == 0.0
    assert detail_kept(torch.full_like(photo, 90), photo) == 0.0


@pytest.mark.parametrize("level", [0, 17, 90, 255])
def test_a_plain_photo_has_no_detail_to_keep_and_one_spot_is_enough(photo, level: int):
    plain = torch.full_like(photo, level)
    assert detail_kept(plain, photo) == 0.0
    plain[:, 20, 30] += 1 if level < 255 else -1
    assert detail_kept(plain, plain) == pytest.approx(1.0)


def test_a_blend_has_its_share_of_it_and_noise_over_it_changes_nothing(photo, output):
    plain = blend(photo, output, 0.5)
    expected = 0.5 + 0.5 * detail_kept(photo, output)
    assert detail_kept(photo, plain) == pytest.approx(expected, abs=0.01)
    nudged = to_pixels(plain.float() + noise(photo, 15.0, seed=2))
    assert detail_kept(photo, nudged) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("share", "is_refused"), [(0.0, False), (0.2, False), (0.5, True)])
def test_a_blend_with_the_photo_is_refused_however_it_was_nudged(photo, output, share, is_refused):
    candidate = blend(photo, output, share)
    nudged = to_pixels(candidate.float() + noise(photo, 12.0, seed=2))
    for one in (candidate, nudged):
        told = detail_given_back(photo, one, output)
        assert (told is not None) == is_refused
        assert not is_refused or "of the detail that the network takes out of it is back" in str(
            told
        )


def test_edges_given_back_in_light_alone_are_no_blend(photo, output):
    light = photo.float().mean(dim=0, keepdim=True)
    candidate = to_pixels(output.float() + 0.7 * (light - blur(light, 2.0)))
    assert detail_kept(photo, candidate) > detail_kept(photo, output) + 0.4
    assert detail_given_back(photo, candidate, output) is None
    colourful = to_pixels(torch.lerp(candidate.float(), photo.float(), 0.4))
    assert detail_given_back(photo, colourful, output) is not None


def test_where_there_are_no_colours_to_tell_by_a_blend_is_refused(photo, output):
    grey, painted = (
        to_pixels(image.float().mean(dim=0, keepdim=True).expand(3, -1, -1))
        for image in (photo, output)
    )
    assert detail_given_back(grey, blend(grey, painted, 0.5), painted) is not None
    assert detail_given_back(grey, blend(grey, output, 0.5), output) is not None
    assert detail_given_back(grey, painted, painted) is None


def test_beside_a_faulty_rendering_what_other_outputs_keep_is_usual(photo, output):
    rich = blend(photo, output, 0.4)
    blank = torch.full_like(photo, 128)
    assert detail_given_back(photo, rich, blank) is not None
    assert detail_given_back(photo, rich, blank, [(photo, rich)]) is None
    assert detail_given_back(photo, blend(photo, rich, 0.5), blank, [(photo, rich)]) is not None


def test_where_the_network_takes_nothing_out_nothing_can_be_given_back(photo):
    close = to_pixels(128 + 0.97 * (photo.float() - 128))
    assert detail_given_back(photo, photo, close) is None


@pytest.mark.parametrize(
    ("share", "start"), [(0.5, 0.0), (0.5, 0.3), (0.5, 0.5), (0.35, 0.15), (0.35, 0.6)]
)
def test_the_photo_left_in_one_place_is_seen_wherever_it_is(photo, output, share, start):
    told = photo_in_one_place(*changes(photo, pasted(output, photo, share, start), output))
    assert "changed by" in str(told)
    slightly = to_pixels(pasted(output, photo, share, start).float() + noise(photo, 3.0, seed=2))
    assert photo_in_one_place(*changes(photo, slightly, output)) is not None


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_what_is_changed_alike_everywhere_shows_the_photo_in_no_place(photo, output, share):
    assert photo_in_one_place(*changes(photo, blend(photo, output, share), output)) is None


def test_a_place_that_the_network_leaves_as_it_is_may_stay_so(photo, output):
    kept = pasted(output, photo, 0.5)
    assert photo_in_one_place(*changes(photo, kept, kept)) is None
    assert photo_in_one_place(*changes(photo, photo, photo)) is None


@pytest.mark.parametrize(("share", "is_refused"), [(0.0, False), (0.3, False), (0.4, True)])
def test_a_mix_goes_little_of_the_way_however_far_it_is_nudged(photo, output, share, is_refused):
    mixed = blend(photo, output, share)
    nudged = to_pixels(mixed.float() + noise(photo, 25.0, seed=2))
    for one in (mixed, nudged):
        told = little_of_the_way(*changes(photo, one, output))
        assert (told is not None) == is_refused
        assert not is_refused or "60% of the way" in str(told)


def test_a_dull_photo_that_loses_no_detail_is_told_by_the_way(photo):
    dull = to_pixels(128 + 0.1 * (photo.float() - 128))
    painted = to_pixels(dull.float() + blur(noise(photo, 200.0, seed=1), 1.5))
    mixed = blend(dull, painted, 0.5)
    assert detail_given_back(dull, mixed, painted) is None
    assert little_of_the_way(*changes(dull, mixed, painted)) is not None


def test_other_strokes_go_the_way_where_they_take_the_same_colours(photo):
    colours = torch.tensor([60.0, 0.0, -60.0])[:, None, None]
    painted, other = (
        to_pixels(128 + colours + blur(noise(photo, 40.0, seed=seed), 1.5)) for seed in (3, 4)
    )
    assert little_of_the_way(*changes(photo, other, painted)) is None
    assert little_of_the_way(*changes(photo, photo + 1, photo)) is None
