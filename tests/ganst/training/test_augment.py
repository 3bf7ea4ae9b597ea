import torch

from ganst.training.augment import augment, grade, recolour, rotate, translate


def test_rotation_reaches_all_eight_orientations_and_moves_no_value(rng: torch.Generator):
    image = torch.arange(12.0).view(3, 2, 2)
    turned = rotate(image.expand(200, 3, 2, 2), rng)
    assert len({tuple(t.flatten().tolist()) for t in turned}) == 8
    assert torch.equal(turned.flatten(2).sort().values[0], image.flatten(1).sort().values)


def test_translation_shifts_the_whole_image_by_at_most_an_eighth(rng: torch.Generator):
    columns = torch.arange(32.0).expand(50, 3, 32, 32)
    shifted = translate(columns, rng, probability=1.0)
    offsets = shifted[:, 0, 0, 16] - 16
    assert offsets.abs().max() == 4
    assert offsets.unique().numel() > 5


def test_probability_zero_leaves_place_and_colour_alone(rng: torch.Generator):
    images = torch.rand(4, 3, 16, 16, generator=rng)
    torch.testing.assert_close(translate(images, rng, 0.0), images)
    torch.testing.assert_close(recolour(images, rng, 0.0), images)


def test_brightness_and_saturation_stay_in_their_bounds(rng: torch.Generator):
    grey = torch.full((100, 3, 4, 4), 0.1)
    assert (recolour(grey, rng, 1.0) - 0.1).abs().max() <= 0.2 + 1e-6
    red = torch.tensor([0.6, 0.0, 0.0])[:, None, None].expand(100, 3, 4, 4)
    spread = recolour(red, rng, 1.0)
    ratio = (spread[:, 0] - spread[:, 1]) / 0.6
    assert ratio.min() >= 0.6 - 1e-5
    assert ratio.max() <= 1.4 + 1e-5


def test_the_generator_learns_through_augmentation(rng: torch.Generator):
    images = torch.rand(2, 3, 16, 16, generator=rng, requires_grad=True)
    augment(images, rng, 1.0).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_the_same_seed_draws_the_same(rng: torch.Generator):
    images = torch.rand(3, 3, 16, 16, generator=rng)
    first, second = (augment(images, torch.Generator().manual_seed(7), 0.6) for _ in range(2))
    assert torch.equal(first, second)


def test_graded_photos_are_colder_or_warmer_within_their_bounds(rng: torch.Generator):
    graded = (grade(torch.zeros(400, 3, 2, 2), rng, 0.5) + 1).mean(dim=(2, 3))  # of mid grey
    red, green, blue = graded.unbind(1)
    assert (green == 1).all()
    warmth = (red - blue) / 2
    assert -0.1 <= warmth.min() < -0.09
    assert 0.19 < warmth.max() <= 0.2
    assert 150 < (warmth == 0).sum() < 250


def test_graded_photos_are_paler_or_more_colourful_within_their_bounds(rng: torch.Generator):
    photos = torch.tensor([0.1, 0.0, -0.1])[:, None, None].expand(400, 3, 2, 2)
    graded = grade(photos, rng, 0.5).mean(dim=(2, 3))
    unwarmed = graded[(graded[:, 1] == 0) & (graded[:, 0] + graded[:, 2]).abs().lt(1e-6)]
    saturation = unwarmed[:, 0] / 0.1
    assert 0.7 - 1e-4 <= saturation.min() < 0.8
    assert 1.65 < saturation.max() <= 1.8 + 1e-4
    assert 60 < (saturation - 1).abs().lt(1e-4).sum() < 140


def test_graded_photos_keep_their_range_and_without_chance_everything(rng: torch.Generator):
    photos = torch.rand(50, 3, 8, 8, generator=rng) * 2 - 1
    graded = grade(photos, rng, 1.0)
    assert graded.min() >= -1
    assert graded.max() <= 1
    torch.testing.assert_close(grade(photos, rng, 0.0), photos)
