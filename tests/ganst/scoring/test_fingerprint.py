import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ganst.scoring import fingerprint as fingerprint_module
from ganst.scoring.canonical import native_light
from ganst.scoring.fingerprint import OTHER, SAME, fingerprint, twins
from ganst.scoring.jpeg_blocks import as_jpeg
from tests.ganst.stand_in import make_photo


def bits(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def test_a_copy_in_another_size_or_file_has_nearly_the_same_print():
    for seed in range(6):
        photo = make_photo(seed)
        smaller = F.interpolate(photo[None].float(), scale_factor=0.6, mode="area")[0]
        assert bits(fingerprint(photo), fingerprint(smaller.to(torch.uint8))) <= SAME
        assert bits(fingerprint(photo), fingerprint(as_jpeg(photo, 30.0))) <= SAME


def test_the_light_plane_is_made_line_by_line_and_is_that_of_the_whole(monkeypatch):
    seen = []
    real = fingerprint_module._line
    monkeypatch.setattr(
        fingerprint_module, "_line", lambda pixels: seen.append(real(pixels)) or seen[-1]
    )
    photo = make_photo(3, (361, 719))
    fingerprint(photo)
    whole = F.interpolate(native_light(photo)[None, None], size=(32, 32), mode="area")[0, 0]
    assert torch.equal(torch.cat(seen), whole)


def test_two_photos_have_different_prints():
    prints = [fingerprint(make_photo(seed)) for seed in range(12)]
    assert min(bits(a, b) for i, a in enumerate(prints) for b in prints[:i]) >= OTHER


def test_one_picture_delivered_for_many_photos_is_found_for_all_but_the_first():
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 2**63, 50).tolist()
    assert twins([7] * 50, photos) == [None, *[0] * 49]


def test_copies_of_one_photo_are_no_twins():
    assert twins([7, 7, 7], [1, 1, 3]) == [None, None, None]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(flips=st.sets(st.integers(0, 63), max_size=6), base=st.integers(0, 2**64 - 1))
def test_a_twin_is_what_differs_in_three_bits_at_most(flips, base):
    other = base ^ sum(1 << flip for flip in flips)
    found = twins([base, other], [0, 2**64 - 1])[1]
    assert (found == 0) == (len(flips) <= SAME)


def test_a_run_in_which_all_differ_has_no_twins():
    rng = np.random.default_rng(1)
    outputs, photos = rng.integers(0, 2**63, (2, 3000)).tolist()
    assert set(twins(outputs, photos)) == {None}
