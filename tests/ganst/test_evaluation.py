import pytest
import torch

from ganst.evaluation import (
    content_distance,
    feature_scale,
    image_features,
    kernel_distance,
    style_gain,
)


def _features(rng: torch.Generator, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 10, generator=rng, dtype=torch.float64) + shift


def _brute_force(x: torch.Tensor, y: torch.Tensor) -> float:
    """KID as its paper writes it."""

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def within(rows: torch.Tensor) -> float:
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return sum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    across = [kernel(a, b) for a in x for b in y]
    return within(x) + within(y) - 2 * sum(across) / len(across)


def test_the_kernel_distance_is_that_of_kid(rng: torch.Generator):
    x, y = _features(rng, 7), _features(rng, 5, 0.5)
    unit = torch.stack([torch.zeros(10), torch.ones(10)]).double()
    assert kernel_distance(x, y, unit).value == pytest.approx(_brute_force(x, y))


def test_one_distribution_is_at_distance_zero_within_the_margin(rng: torch.Generator):
    inside = 0
    for _ in range(40):
        x, y = _features(rng, 30), _features(rng, 30)
        found = kernel_distance(x, y, feature_scale(x, y))
        inside += abs(found.value) <= found.margin
    assert inside >= 34


def test_a_shift_is_seen_beyond_the_margin(rng: torch.Generator):
    x, y = _features(rng, 30), _features(rng, 30, 1.0)
    found = kernel_distance(x, y, feature_scale(x, y))
    assert found.value > 2 * found.margin > 0


def test_features_see_colour_and_strokes(rng: torch.Generator):
    image = torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8, generator=rng)
    smooth = torch.nn.functional.avg_pool2d(image.float(), 5, 1, 2).to(torch.uint8)
    reddish = (image * torch.tensor([1.0, 0.7, 0.5])[:, None, None]).to(torch.uint8)
    rows = image_features([reddish, smooth, reddish[[2, 1, 0]]])
    colour, strokes = (rows[0] - rows[2])[:18].norm(), (rows[0] - rows[1])[18:].norm()
    assert colour > 0.3
    assert strokes > 2
    assert rows.shape == (3, 74)
    assert rows.isfinite().all()


def test_structure_counts_and_colour_does_not(rng: torch.Generator):
    image = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=rng)
    image = image.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    assert content_distance(image, image) == pytest.approx(0, abs=1e-6)
    tinted = (image * torch.tensor([1.0, 0.9, 0.8])[:, None, None]).to(torch.uint8)
    turned = image.rot90(1, (1, 2)).contiguous()
    assert content_distance(image, tinted) < 0.2 < content_distance(image, turned)


def test_gain_is_the_share_of_the_way():
    assert style_gain(2.0, 0.5) == 0.75
    assert style_gain(2.0, -0.1) == 1.0
