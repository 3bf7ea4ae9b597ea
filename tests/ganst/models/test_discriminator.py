import math

import pytest
import torch
from torch import Tensor, nn

from ganst.models.discriminator import (
    DenseDiscriminatorConfig,
    DiscriminatorConfig,
    PatchDiscriminator,
    make_discriminator,
)
from ganst.models.presets import PRESETS


def test_three_layers_give_one_logit_for_each_70_pixel_patch():
    discriminator = PatchDiscriminator(DiscriminatorConfig(width=4)).eval()
    assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, 1, 30, 30)


def test_spectral_norm_holds_the_largest_singular_value_at_one(rng: torch.Generator):
    discriminator = PatchDiscriminator(DiscriminatorConfig(width=8, num_layers=2))
    images = torch.rand(1, 3, 64, 64, generator=rng)
    for _ in range(200):  # one step of the power iteration each; 50 are too few for some weights
        discriminator(images)
    for layer in discriminator.layers:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        largest = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        torch.testing.assert_close(largest, torch.tensor(1.0), rtol=0, atol=2e-2)


def test_the_cyclegan_discriminator_is_the_public_patchgan():
    discriminator = make_discriminator(PRESETS["cyclegan"].discriminator)
    assert sum(p.numel() for p in discriminator.parameters()) == 2_764_737
    assert not list(discriminator.buffers())


@pytest.mark.parametrize(("num_layers", "side_px"), [(1, 16), (2, 34), (3, 70)])
def test_one_logit_sees_the_patch_that_is_announced(num_layers: int, side_px: int):
    discriminator = PatchDiscriminator(
        DiscriminatorConfig(width=2, num_layers=num_layers, spectral_norm=False)
    )
    discriminator.set_submodule("norm", nn.Identity())  # its statistics see the whole image
    seen = _seen_by_one_logit(discriminator, 128)
    assert seen.any(0).sum() == seen.any(1).sum() == side_px


def test_a_dense_discriminator_sees_the_whole_crop():
    discriminator = make_discriminator(DenseDiscriminatorConfig(width=2, num_layers=2, crop_px=32))
    assert discriminator(torch.zeros(3, 3, 32, 32)).shape == (3, 1)
    assert _seen_by_one_logit(discriminator, 32).all()


def test_a_dense_discriminator_tells_one_place_from_another(rng: torch.Generator):
    discriminator = make_discriminator(DenseDiscriminatorConfig(width=4, num_layers=2, crop_px=32))
    images = torch.zeros(1, 3, 32, 32)
    images[..., 8:16, 8:16] = torch.rand(1, 3, 8, 8, generator=rng)
    moved = images.roll((8, 8), dims=(-2, -1))
    with torch.inference_mode():
        assert not torch.allclose(discriminator(images), discriminator(moved), rtol=0, atol=1e-4)


def test_a_dense_discriminator_refuses_another_crop_in_one_sentence():
    discriminator = make_discriminator(PRESETS["dagan"].discriminator)
    with pytest.raises(ValueError, match="judges crops of 128 x 128 pixels, got 96 x 128"):
        discriminator(torch.zeros(1, 3, 128, 96))


def test_a_crop_that_cannot_be_halved_so_often_is_refused():
    with pytest.raises(ValueError, match="a multiple of 16 pixels, got 100"):
        DenseDiscriminatorConfig(crop_px=100)


def _seen_by_one_logit(discriminator: nn.Module, side_px: int) -> Tensor:
    """Where (bool `[H, W]`) the pixels lie that one logit depends on."""
    images = torch.full((1, 3, side_px, side_px), 0.1, requires_grad=True)
    logits = discriminator(images).flatten(1)
    side = math.isqrt(logits.shape[1])
    logits[0, side // 2 * (side + 1)].backward()  # the middle one
    assert images.grad is not None
    return images.grad.abs().sum((0, 1)) > 0
