import copy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ganst.models import copies
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.layers import Conv, InstanceNorm, ResidualBlock
from ganst.models.presets import PRESETS
from ganst.models.stylepack import load_generator, load_stylepack

UPS = ["bilinear", "nearest", "transposed"]
# Mean, standard deviation and two pixels, taken before the family grew beyond the cards of format 1.
GOLDEN = [-0.1888929, 0.4866928, 0.9125830, -0.2917718]
PACKS = Path(__file__).parents[3] / "pipelines" / "stylepacks"


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_frames_change_no_bit(
    name: str, layout: torch.memory_format, dtype: torch.dtype, rng: torch.Generator
):
    generator = ResnetGenerator(PRESETS[name].generator).to(dtype)
    generator.to(memory_format=layout)  # pyrefly: ignore[no-matching-overload]
    images = (torch.rand(1, 3, 64, 96, generator=rng) * 2 - 1).to(dtype)
    plain = copy.deepcopy(generator)
    plain._room = 0
    for layer in plain.modules():
        if isinstance(layer, Conv | ResidualBlock):
            layer.room = 0
    with torch.inference_mode():
        for given in (images, images.contiguous(memory_format=torch.channels_last)):
            assert torch.equal(generator(given), plain(given))
        if layout is torch.channels_last:  # planes are laid out anew, once
            seen: list[int] = []
            generator.stem.register_forward_pre_hook(lambda _, args: seen.append(args[0].stride(1)))
            generator(images)
            assert seen == [1]


def test_what_relu_and_sum_wrote_is_not_copied_to_be_mirrored(monkeypatch: pytest.MonkeyPatch):
    pads: list[int] = []
    pad = F.pad
    monkeypatch.setattr(
        copies.F, "pad", lambda x, *rest, **named: pads.append(x.shape[1]) or pad(x, *rest, **named)
    )
    generator = ResnetGenerator(PRESETS["fast"].generator)
    with torch.inference_mode():
        generator(torch.zeros(1, 3, 64, 64))
    assert pads == [64, 64]  # behind the blurred down, and behind the enlargement of the up
    pads.clear()
    generator(torch.zeros(1, 3, 64, 64))
    assert len(pads) > 10  # trained: with a gradient for each


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


@pytest.fixture
def shuffling(rng: torch.Generator) -> ResnetGenerator:
    """A network whose head paints blocks of 2 x 2 pixels, with random weights."""
    config = GeneratorConfig(width=4, num_blocks=1, num_downs=1, shuffle=2, stem_kernel=3)
    generator = ResnetGenerator(config).requires_grad_(requires_grad=False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=rng)
    return generator


def test_aligned_subpixels_leave_no_checkerboard(shuffling: ResnetGenerator, rng: torch.Generator):
    shuffling.align_subpixels()
    output = shuffling(torch.rand(1, 3, 16, 16, generator=rng))
    blocks = output.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)  # [1, 3, 8, 8, 4]
    torch.testing.assert_close(blocks, blocks[..., :1].expand_as(blocks))


def _unevenness(generator: ResnetGenerator, rng: torch.Generator) -> float:
    """Range of a plain area in the output, in levels of 255."""
    images = torch.rand(1, 3, 64, 256, generator=rng)
    images[..., :224] = torch.tensor([0.1, 0.4, 0.8])[:, None, None]
    with torch.inference_mode():
        plain = generator(images)[..., :128]
    return 127.5 * float((plain.amax((2, 3)) - plain.amin((2, 3))).max())


def test_even_subpixels_leave_what_is_plain_plain(shuffling: ResnetGenerator, rng: torch.Generator):
    assert _unevenness(shuffling, rng) > 1
    shuffling.even_subpixels()
    assert _unevenness(shuffling, rng) < 0.01


@pytest.mark.parametrize("checkpoint", ["final", "early"])
@pytest.mark.parametrize("name", ["vangogh", "ukiyoe"])
def test_bundled_styles_leave_what_is_plain_plain(name: str, checkpoint: str, rng: torch.Generator):
    generator = load_generator(load_stylepack(PACKS / name), checkpoint)
    assert _unevenness(generator, rng) < 0.01


def test_even_subpixels_leave_the_mean_of_every_block(
    shuffling: ResnetGenerator, rng: torch.Generator
):
    images = torch.rand(1, 3, 32, 32, generator=rng) * 2 - 1
    before = shuffling.paint(images)
    shuffling.even_subpixels()
    after = shuffling.paint(images)
    assert (after - before).abs().max() > 0.01
    torch.testing.assert_close(F.avg_pool2d(after, 2), F.avg_pool2d(before, 2))


def test_a_head_that_shuffles_nothing_has_no_subpixels_to_even():
    generator = ResnetGenerator(PRESETS["default"].generator)
    generator.requires_grad_(requires_grad=False).head.conv.weight[0] += 0.1
    before = copy.deepcopy(generator.state_dict())
    generator.even_subpixels()
    assert all(torch.equal(before[name], now) for name, now in generator.state_dict().items())


@pytest.mark.parametrize("checkpoint", ["final", "early"])
@pytest.mark.parametrize("name", ["vangogh", "ukiyoe"])
def test_the_packs_of_format_1_give_the_same_bits_as_ever(
    name: str, checkpoint: str, rng: torch.Generator
):
    generator = load_generator(load_stylepack(PACKS / name), checkpoint)
    images = torch.rand(2, 3, 48, 32, generator=rng) * 2 - 1
    with torch.inference_mode():
        outputs = generator(images)
    assert torch.equal(outputs, _format_1(generator.state_dict(), images))


def test_a_seeded_network_gives_the_golden_numbers(rng: torch.Generator):
    generator = ResnetGenerator(GeneratorConfig(width=8, num_blocks=2, skip="lowpass"))
    for parameter in generator.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng) * 0.05
    with torch.inference_mode():
        outputs = generator(torch.rand(1, 3, 32, 32, generator=rng) * 2 - 1)
    seen = torch.stack([outputs.mean(), outputs.std(), outputs[0, 0, 5, 7], outputs[0, 2, 31, 0]])
    torch.testing.assert_close(seen, torch.tensor(GOLDEN), rtol=0, atol=1e-5)


def test_the_public_cyclegan_generator_has_11_378_179_parameters():
    generator = ResnetGenerator(PRESETS["cyclegan"].generator)
    assert sum(p.numel() for p in generator.parameters()) == 11_378_179


@pytest.mark.parametrize("fields", list(product(["blur", "stride"], UPS, ["affine", "none"])))
def test_every_member_of_the_family_keeps_the_shape(
    fields: tuple[str, str, str], rng: torch.Generator
):
    chosen = dict[str, Any](zip(("down", "up", "norm"), fields, strict=True))
    config = GeneratorConfig(width=4, num_blocks=1, block="plain", border="zero", **chosen)
    images = torch.rand(1, 3, 16, 24, generator=rng)
    assert ResnetGenerator(config)(images).shape == images.shape


def test_an_affine_norm_scales_and_moves_what_a_plain_one_gives(rng: torch.Generator):
    x = torch.randn(2, 3, 5, 4, generator=rng)
    weight, bias = torch.rand(2, 3, generator=rng)
    norm = InstanceNorm(3)
    norm.load_state_dict({"weight": weight, "bias": bias})
    expected = InstanceNorm()(x) * weight.view(3, 1, 1) + bias.view(3, 1, 1)
    torch.testing.assert_close(norm(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 0}, "width must be a whole number from 1 to 1024, got 0"),
        ({"width": 10**9}, "width must be a whole number from 1 to 1024, got 1000000000"),
        ({"num_blocks": 2.5}, "num_blocks must be a whole number from 1 to 64, got 2.5"),
        ({"stem_kernel": 4}, "stem_kernel must be odd, got 4"),
        ({"up": "pixelshuffle"}, "up must be one of 'bilinear', 'nearest', 'transposed', got 'pix"),
        ({"down_kernel": 4}, "down_kernel 4 needs down 'stride', got 'blur'"),
        ({"down_slope": -0.1}, "down_slope must be from 0 to below 1, got -0.1"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_in_one_sentence(fields: dict, message: str):
    with pytest.raises(ValueError, match=message):
        GeneratorConfig(**dict[str, Any](width=8, num_blocks=1) | fields)


def _format_1(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """What the six fields of a first card mean, written down once more: the `fast` architecture."""

    def conv(key: str, x: Tensor, *, bare: bool = False) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, state[f"{key}.conv.weight"], state[f"{key}.conv.bias"])
        return x if bare else F.relu(F.group_norm(x, x.shape[1]))

    x = conv("downs.0.0", conv("stem", F.pixel_unshuffle(images, 2)))
    taps = torch.tensor([1.0, 2.0, 1.0])
    blur = (torch.outer(taps, taps) / 16).expand(64, 1, 3, 3).contiguous()
    x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), blur, stride=2, groups=64)
    for block in range(5):
        hidden = conv(f"blocks.{block}.first", x)
        x = x + F.group_norm(conv(f"blocks.{block}.second", hidden, bare=True), 64)
    x = conv("ups.0", F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
    x = F.pixel_shuffle(conv("head", x, bare=True), 2)
    size = (images.shape[-2], images.shape[-1])
    small = F.interpolate(images, size=(size[0] // 8, size[1] // 8), mode="area")
    low = 1.5 * F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return torch.tanh(x + low)
