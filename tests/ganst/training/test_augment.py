import torch

from ganst.training.augment import augment, recolour, rotate, translate


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
