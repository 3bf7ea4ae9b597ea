"""The photo's own colours; the other guards are tested with `try_candidate`."""

import torch

from ganst.correction.likeness import chroma_share, in_the_photos_colours


def test_greys_that_differ_by_the_rounding_of_a_level_are_not_in_the_photos_colours():
    photo = torch.full((3, 256, 256), 90, dtype=torch.uint8)
    candidate, other = photo + 80, photo + 80
    other[2, :, ::4] += 1
    assert 0.0 < 0.5 * chroma_share(photo, other) < 0.01
    assert chroma_share(photo, candidate) < 0.25 * chroma_share(photo, other)
    assert in_the_photos_colours(photo, candidate, [(photo, other)]) is None
