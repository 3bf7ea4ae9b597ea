import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.inference import Precision, Stylizer
from ganst.lines import scaled
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.tiling import Tiling

# Few bytes: as many strips as the smallest strip allows, about 25,000 px each.
CUT = Tiling(max_bytes=1)
GENERATORS = sorted(PRESETS)


def make_generator(preset: str, seed: int = 1) -> ResnetGenerator:
    """The layers of a preset, but narrow and with two blocks only."""
    config = PRESETS[preset].generator
    config = replace(config, width=min(config.width, 16), num_blocks=2)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(seed)
        return ResnetGenerator(config)


def make_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=rng)


def exact_norm(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Over the whole map, in float64: torch sums channels-last maps in float32, one by one."""
    wide = x.double()
    mean = wide.mean((0, 2, 3))
    scale = ((wide.square().mean((0, 2, 3)) - mean**2).clamp(min=0) + 1e-5).rsqrt()
    shift = -mean * scale
    weight, bias = (getattr(norm, name, None) for name in ("weight", "bias"))
    if weight is not None and bias is not None:
        scale, shift = scale * weight, shift * weight + bias
    return scaled(x, scale.float(), shift.float())


@pytest.mark.parametrize("preset", GENERATORS)
@pytest.mark.parametrize(("height", "width"), [(330, 110), (100, 310)])
def test_strips_give_the_bits_of_the_whole_with_exact_norms(preset, height, width, monkeypatch):
    generator, image = make_generator(preset), make_image(height, width)
    in_strips = Stylizer(generator, "fp32", tiling=CUT).stylize([image])[0]
    monkeypatch.setattr(type(generator.stem.norm), "forward", exact_norm)
    whole = Stylizer(generator, "fp32").stylize([image])[0]
    assert (in_strips.int() - whole.int()).abs().max() == 0


@pytest.mark.parametrize("preset", GENERATORS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_bit_hangs_on_the_size_of_the_strips(preset: str, precision: Precision, monkeypatch):
    stylizer = Stylizer(make_generator(preset), precision)
    monkeypatch.setattr(stylizer, "activation_bytes", lambda *_: 10**18)
    image = make_image(130, 450)
    outputs = []
    for num_bytes in (1, 20 * 10**6, 10**12):
        stylizer.tiling = Tiling(max_bytes=num_bytes)
        outputs.append(stylizer.stylize([image])[0])
    assert all(torch.equal(outputs[0], output) for output in outputs[1:])


def test_strips_are_as_close_to_the_exact_result_as_the_whole_is():
    generator, image = make_generator("fast"), make_image(400, 300)
    x = image[None].double() / 127.5 - 1
    levels = (copy.deepcopy(generator).double()(x)[0] * 127.5 + 127.5).detach()
    whole, strips = (
        (Stylizer(generator, "fp32", tiling=tiling).stylize([image])[0] - levels).abs().max()
        for tiling in (None, CUT)
    )
    assert strips < 0.51
    assert strips <= whole + 0.001


@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 9))
def test_every_size_is_cut_and_put_together_again(height: int, width: int, seed: int):
    image = make_image(height, width, seed)
    generator = make_generator("tiny")
    in_strips = Stylizer(generator, "fp32", tiling=CUT).stylize([image])[0]
    whole = Stylizer(generator, "fp32").stylize([image])[0]
    assert in_strips.shape == image.shape
    assert (in_strips.int() - whole.int()).abs().max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 3000), (3000, 1), (70, 2500), (2501, 66)])
def test_panoramas_are_cut_across_their_long_side(height: int, width: int):
    image, generator = make_image(height, width), make_generator("tiny")
    tiled = Stylizer(generator, "fp32", tiling=CUT)
    output = tiled.stylize([image])[0]
    whole = Stylizer(generator, "fp32").stylize([image])[0]
    assert (output.int() - whole.int()).abs().max() <= 1


@given(st.floats(0, 1))
def test_strength_holds_in_strips(strength: float):
    image, generator = make_image(80, 64), make_generator("tiny")
    whole, strips = (
        Stylizer(generator, "fp32", strength=strength, tiling=tiling).stylize([image])[0].int()
        for tiling in (None, CUT)
    )
    assert (strips - whole).abs().max() <= 1
    if strength == 0:
        assert torch.equal(strips, image.int())


def test_only_an_image_that_would_not_fit_is_cut(monkeypatch):
    stylizer = Stylizer(make_generator("tiny"), "fp32")
    taken = stylizer.activation_bytes(100, 128)
    assert taken == 100 * 128 * 7 * 8 // 4 * 4
    monkeypatch.setattr(stylizer, "_stylize_in_strips", lambda *_: "in strips")
    outputs = []
    for max_bytes in (taken, taken - 1):
        stylizer.tiling = Tiling(max_bytes=max_bytes)
        outputs.append(stylizer.stylize([make_image(100, 128)])[0])
    assert isinstance(outputs[0], torch.Tensor)
    assert outputs[1] == "in strips"
