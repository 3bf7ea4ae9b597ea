import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.training.losses import (
    PatchNCE,
    blotch_loss,
    colour_loss,
    discriminator_loss,
    flat_loss,
    generator_loss,
    palette_loss,
    patch_distribution_loss,
    patch_nce,
)


def test_a_perfect_discriminator_has_no_loss():
    assert discriminator_loss(torch.ones(4), torch.zeros(4)) == 0
    assert generator_loss(torch.ones(4)) == 0


def test_least_squares_by_hand():
    assert discriminator_loss(torch.tensor([0.5]), torch.tensor([2.0])) == pytest.approx(2.125)
    assert generator_loss(torch.tensor([-1.0])) == 4


def test_patch_nce_equals_the_formula_written_out(rng: torch.Generator):
    q, k = (F.normalize(torch.randn(2, 5, 8, generator=rng), dim=-1) for _ in range(2))
    expected = []
    for n in range(2):
        for p in range(5):
            similarities = np.exp((k[n] @ q[n, p]).double().numpy() / 0.07)
            expected.append(-np.log(similarities[p] / similarities.sum()))
    assert patch_nce(q, k).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_patch_nce_teaches_the_queries_only(rng: torch.Generator):
    q, k = (torch.randn(1, 4, 8, generator=rng, requires_grad=True) for _ in range(2))
    patch_nce(F.normalize(q, dim=-1), F.normalize(k, dim=-1)).backward()
    assert q.grad is not None
    assert k.grad is None


def test_matching_features_cost_less_than_shuffled_ones(rng: torch.Generator):
    nce = PatchNCE([6], num_patches=16, size=8)
    features = [torch.randn(2, 6, 5, 5, generator=rng)]
    shuffled = [features[0].flip(-1)]
    same = nce(features, features, torch.Generator().manual_seed(1))
    other = nce(shuffled, features, torch.Generator().manual_seed(1))
    assert same < other


def test_colour_loss_ignores_detail_and_sees_casts():
    source = torch.zeros(1, 3, 32, 32)
    detail = source.clone()
    detail[..., ::2], detail[..., 1::2] = 0.5, -0.5
    cast = source + torch.tensor([0.3, 0.0, 0.0])[:, None, None]
    assert colour_loss(source, detail) == 0
    assert colour_loss(source, cast).item() == pytest.approx(0.1)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def _opponent(images: Tensor) -> np.ndarray:
    red, green, blue = images.double().numpy().swapaxes(0, 1)
    channels = (
        (red + green + blue) / 3**0.5,
        3 * (red - green) / 2**0.5,
        3 * (red + green - 2 * blue) / 6**0.5,
    )
    return np.stack(channels, axis=1)


def test_patch_distributions_equal_a_sort_written_out(rng: torch.Generator):
    fakes, reals = (torch.rand(2, 3, 9, 9, generator=rng) for _ in range(2))
    weights = torch.randn(4, 3, 7, 7, generator=_seeded()).numpy()
    weights -= weights.mean(axis=(2, 3), keepdims=True)
    distances = []
    for weight in weights / np.linalg.norm(weights.reshape(4, -1), axis=1)[:, None, None, None]:
        lines = [
            np.sort([(weight * image[:, i : i + 7, j : j + 7]).sum() for image in _opponent(images)
                     for i in range(3) for j in range(3)])
            for images in (fakes, reals)
        ]  # fmt: skip
        distances.append(np.abs(lines[0] - lines[1]).mean())
    loss = patch_distribution_loss(fakes, reals, _seeded(), scales=1, filters=4)
    assert loss.item() == pytest.approx(np.mean(distances), rel=1e-4)


def test_patch_distributions_ignore_place_and_palette_and_see_contrast(rng: torch.Generator):
    images = torch.rand(2, 3, 32, 32, generator=rng)
    same = patch_distribution_loss(images.flip(0) + 0.3, images, _seeded())
    flatter = patch_distribution_loss(images * 0.5, images, _seeded())
    assert same.item() == pytest.approx(0, abs=1e-6)
    assert flatter > 0.01


def test_few_patches_stand_for_all(rng: torch.Generator):
    fakes, reals = (torch.rand(2, 3, 64, 64, generator=rng) * contrast for contrast in (0.4, 1))
    whole = patch_distribution_loss(fakes, reals, _seeded(), samples=10**6)
    some = patch_distribution_loss(fakes, reals, _seeded())
    assert some.item() == pytest.approx(whole.item(), rel=0.1)


def test_strokes_of_colour_cost_three_times_what_strokes_of_light_do(rng: torch.Generator):
    strokes = torch.randn(2, 1, 32, 32, generator=rng) * torch.ones(1, 3, 1, 1) / 3**0.5
    fringes = torch.randn(2, 1, 32, 32, generator=rng) * torch.tensor([1, -1, 0])[:, None, None]
    plain = torch.zeros_like(strokes)
    light, colour = (
        patch_distribution_loss(images, plain, _seeded(), filters=500).item()
        for images in (strokes, fringes / 2**0.5)
    )
    assert colour == pytest.approx(3 * light, rel=0.1)


@pytest.mark.parametrize(
    ("moved_by", "seen"), [((1, 1, 1), 3**0.5), ((1, -1, 0), 3 * 2**0.5), ((1, 1, -2), 3 * 6**0.5)]
)
def test_the_palette_is_compared_and_not_where_its_colours_are(
    rng: torch.Generator, moved_by: tuple[int, int, int], seen: float
):
    reals = torch.rand(2, 3, 32, 32, generator=rng)
    assert palette_loss(reals.flip(0), reals, _seeded()).item() == pytest.approx(0, abs=1e-6)
    # All colours moved by d along one axis: a direction w sees |w_axis| d, d / 2 in the mean of a sphere.
    moved = reals + torch.tensor(moved_by)[:, None, None]
    loss = palette_loss(moved, reals, _seeded(), directions=4000)
    assert loss.item() == pytest.approx(seen / 2, rel=0.05)


def test_detail_costs_only_where_the_source_is_flat(rng: torch.Generator):
    busy = torch.rand(1, 3, 32, 32, generator=rng) * 2 - 1
    flat = torch.zeros(1, 3, 32, 32)
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., ::2] = 0.2
    assert flat_loss(flat, stripes).item() == pytest.approx(0.1, rel=0.15)
    assert flat_loss(busy, stripes) < 1e-6
    assert flat_loss(flat, flat + 0.5).item() == pytest.approx(0, abs=1e-6)


def test_a_cloud_of_another_colour_costs_where_the_photo_is_plain_and_strokes_do_not():
    plain = torch.zeros(1, 3, 160, 160)
    cloud, strokes = plain.clone(), plain.clone()
    cloud[:, 0, 60:100, 60:100] = 0.8
    strokes[..., ::2, :], strokes[..., 1::2, :] = 0.4, -0.4
    assert blotch_loss(plain, cloud) > 0.01
    assert blotch_loss(plain, strokes) < 1e-6
    assert blotch_loss(plain, plain + 0.5).item() == pytest.approx(0, abs=1e-6)
    assert blotch_loss(cloud, cloud) < 0.2 * blotch_loss(plain, cloud)


def test_a_texture_that_averages_out_is_plain(rng: torch.Generator):
    water = (torch.rand(1, 3, 160, 160, generator=rng) - 0.5) * 0.6
    cloud = water.clone()
    cloud[:, 0, 60:100, 60:100] += 0.8
    assert blotch_loss(water, cloud) > 0.01


def test_images_too_small_for_an_octave_have_no_blotches():
    image = torch.rand(1, 3, 24, 24)
    assert blotch_loss(image, 1 - image) == 0
