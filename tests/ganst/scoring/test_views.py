import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganst.scoring import views
from ganst.scoring.canonical import check_supported
from ganst.scoring.views import enlarge, widen


@given(st.integers(0, 200), st.tuples(st.integers(64, 500), st.integers(64, 500)))
def test_every_view_can_be_scored_and_the_first_is_the_photo(seed, size):
    generator = torch.Generator().manual_seed(seed)
    photo = torch.randint(256, (3, *size), generator=generator).to(torch.uint8)
    views = widen(photo, 4, generator)
    assert torch.equal(views[0], photo)
    assert len(views) == 4
    for view in views[1:]:
        check_supported(view)
        assert view.shape[1] * view.shape[2] <= 1_000_000


@settings(max_examples=15)
@given(st.integers(0, 200), st.tuples(st.integers(64, 250), st.integers(64, 250)))
def test_a_large_view_has_the_size_of_a_camera_file_and_can_be_scored(seed, size):
    generator = torch.Generator().manual_seed(seed)
    photo = torch.randint(256, (3, *size), generator=generator).to(torch.uint8)
    view = enlarge(photo, generator)
    check_supported(view)
    assert 800 <= min(view.shape[1:]) <= 1700
    assert view.shape[1] * view.shape[2] <= 3_010_000
    assert (view.shape[1] > view.shape[2]) == (photo.shape[1] > photo.shape[2])


def test_the_same_seed_gives_the_same_views():
    photo = torch.arange(3 * 90 * 120).reshape(3, 90, 120).to(torch.uint8)
    first, again = (widen(photo, 5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_views_differ_in_size_and_light():
    photo = torch.arange(3 * 90 * 120).reshape(3, 90, 120).to(torch.uint8)
    views = widen(photo, 12, torch.Generator().manual_seed(3))
    assert len({view.shape for view in views}) == 12


@pytest.mark.parametrize("hand", ["_type", "_handwriting"])
def test_writing_covers_a_part_of_a_view_and_leaves_the_rest(hand: str, monkeypatch):
    monkeypatch.setattr(views, "_CHANGES", ((views._lettered, 1.0),))
    for name in ("_type", "_handwriting"):
        monkeypatch.setattr(views, name, getattr(views, hand))
    photo = torch.full((3, 90, 120), 128, dtype=torch.uint8)
    written = widen(photo, 8, torch.Generator().manual_seed(3))[2:]
    for view in written:
        assert view.min() < 30
        assert view.max() > 225
    assert any((view[:, 0] == 128).all() for view in written)


def test_no_view_at_all_is_refused():
    photo = torch.zeros(3, 90, 120, dtype=torch.uint8)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        widen(photo, 0, torch.Generator())
