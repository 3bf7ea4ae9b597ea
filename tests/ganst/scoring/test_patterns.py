import math

import pytest
import torch
from torch import Tensor

from ganst.scoring.patterns import pattern

DOWN, ACROSS = torch.arange(200.0)[:, None], torch.arange(240.0)[None, :]
WAVES = {
    "checkerboard": 1 - 2 * ((DOWN + ACROSS) % 2),
    "columns of 2 px": (1 - 2 * (ACROSS % 2)).expand(200, 240),
    "rows of 2 px": (1 - 2 * (DOWN % 2)).expand(200, 240),
    "a ripple of 8 px": torch.sin(DOWN * math.pi / 4) * torch.sin(ACROSS * math.pi / 4),
    "slanting lines of 15 px": torch.sin(0.37 * ACROSS + 0.2 * DOWN),
    "rows of 20 px": torch.sin(DOWN * math.pi / 10).expand(200, 240),
}


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + 0.05 * torch.randn(2, 200, 240, generator=generator)


@pytest.mark.parametrize("name", WAVES)
def test_anything_that_repeats_is_found_whatever_its_period_and_direction(name):
    plain = noise(0)
    assert pattern(noise(1), plain + 0.02 * WAVES[name]) > pattern(noise(1), plain) + 1.5


@pytest.mark.parametrize("name", WAVES)
def test_a_pattern_that_the_photo_has_too_is_none_of_the_output(name):
    photo, output = (noise(seed) + 0.02 * WAVES[name] for seed in (1, 2))
    assert pattern(photo, output) < 1.5 < pattern(noise(1), output)


def test_a_picture_of_one_level_has_no_pattern():
    assert pattern(noise(0), torch.full((1, 200, 240), 0.5).expand(2, -1, -1)) < 1
