import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from ganst.models.generator import GeneratorConfig, InstanceNorm, ResnetGenerator
from ganst.models.presets import PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_output_has_the_shape_and_range_of_the_input(name: str, rng: torch.Generator):
    generator = ResnetGenerator(PRESETS[name].generator)
    images = torch.rand(2, 3, 32, 48, generator=rng) * 2 - 1
    with torch.inference_mode():
        outputs = generator(images)
    assert outputs.shape == images.shape
    assert outputs.abs().max() <= 1


def test_the_preset_that_ships_costs_at_most_6_gflop_at_256_pixels():
    generator = ResnetGenerator(PRESETS["fast"].generator)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator(torch.zeros(1, 3, 256, 256))
    assert 4e9 < counter.get_total_flops() < 6e9


def test_the_default_preset_has_the_documented_size():
    generator = ResnetGenerator(PRESETS["default"].generator)
    assert sum(p.numel() for p in generator.parameters()) == pytest.approx(1.97e6, rel=0.01)


def test_instance_norm_is_torchs(rng: torch.Generator):
    x = torch.randn(2, 5, 7, 9, generator=rng) * 3 + 1
    torch.testing.assert_close(InstanceNorm()(x), F.instance_norm(x), rtol=0, atol=1e-5)


def test_an_image_does_not_depend_on_its_batch_mates(rng: torch.Generator):
    generator = ResnetGenerator(PRESETS["tiny"].generator)
    images = torch.rand(5, 3, 16, 16, generator=rng) * 2 - 1
    with torch.inference_mode():
        together = generator(images)
        alone = torch.cat([generator(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_features_come_with_the_channels_that_are_announced(rng: torch.Generator):
    for preset in PRESETS.values():
        generator = ResnetGenerator(preset.generator)
        images = torch.rand(1, 3, 32, 32, generator=rng)
        features, outputs = generator.encode_and_generate(images)
        assert [f.shape[1] for f in features] == generator.feature_channels
        torch.testing.assert_close(outputs, generator(images))


def test_the_lowpass_skip_hands_on_colour_but_no_detail():
    config = GeneratorConfig(width=4, num_blocks=1, num_downs=1, skip="lowpass")
    generator = ResnetGenerator(config)
    for parameter in generator.head.parameters():
        torch.nn.init.zeros_(parameter)
    flat, stripes = torch.full((1, 3, 32, 32), 0.3), torch.full((1, 3, 32, 32), 0.3)
    stripes[..., ::2] += 0.2
    stripes[..., 1::2] -= 0.2
    with torch.inference_mode():
        torch.testing.assert_close(generator(stripes), generator(flat))
        assert generator(flat).mean() > 0.3


def test_aligned_subpixels_leave_no_checkerboard(rng: torch.Generator):
    generator = ResnetGenerator(
        GeneratorConfig(width=4, num_blocks=1, num_downs=1, shuffle=2, stem_kernel=3)
    )
    generator.align_subpixels()
    with torch.inference_mode():
        output = generator(torch.rand(1, 3, 16, 16, generator=rng))
    blocks = output.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)  # [1, 3, 8, 8, 4]
    torch.testing.assert_close(blocks, blocks[..., :1].expand_as(blocks))
