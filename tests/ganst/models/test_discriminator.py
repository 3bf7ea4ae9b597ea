import torch

from ganst.models.discriminator import DiscriminatorConfig, PatchDiscriminator


def test_three_layers_give_one_logit_for_each_70_pixel_patch():
    discriminator = PatchDiscriminator(DiscriminatorConfig(width=4)).eval()
    assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, 1, 30, 30)


def test_spectral_norm_holds_the_largest_singular_value_at_one(rng: torch.Generator):
    discriminator = PatchDiscriminator(DiscriminatorConfig(width=8, num_layers=2))
    images = torch.rand(1, 3, 64, 64, generator=rng)
    for _ in range(50):  # the power iteration makes one step a forward pass
        discriminator(images)
    for layer in discriminator.layers:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        largest = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        torch.testing.assert_close(largest, torch.tensor(1.0), rtol=0, atol=2e-2)
