import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.batches import FullBatches
from ganst.inference import Precision, Stylizer, blend
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.tiling import Tiling


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer(_generator(), "fp32")


def _generator() -> ResnetGenerator:
    generator = ResnetGenerator(PRESETS["tiny"].generator)
    rng = torch.Generator().manual_seed(1)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2, generator=rng)
    return generator


def _image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=rng)


@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_every_size_comes_back_as_it_went_in(height: int, width: int):
    (output,) = Stylizer(_generator(), "fp32").stylize([_image(height, width)])
    assert output.shape == (3, height, width)
    assert output.dtype == torch.uint8


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batch_mates_change_no_bit(precision: Precision):
    stylizer = Stylizer(_generator(), precision)
    images = [_image(40, 30, seed) for seed in range(4)]
    together = stylizer.stylize(images)
    alone = [stylizer.stylize([image])[0] for image in reversed(images)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_a_device_that_takes_several_images_at_a_time_gives_what_the_network_gives(monkeypatch):
    """The way of a GPU, with the network computed here."""
    images = [_image(40, 30, 0), _image(90, 70, 1), _image(38, 30, 2), _image(200, 190, 3)]
    plain = Stylizer(_generator(), "fp32", strength=0.5, tiling=Tiling(max_bytes=10**6))
    batched = Stylizer(_generator(), "fp32", strength=0.5, tiling=Tiling(max_bytes=10**6))
    monkeypatch.setattr(batched, "_batches", FullBatches(lambda _shape: batched._forward))
    assert [batched.cuts(*image.shape[1:]) for image in images] == [False, False, False, True]
    for one, other in zip(batched.stylize(images), plain.stylize(images), strict=True):
        assert one.shape == other.shape
        assert (one.int() - other.int()).abs().max() <= 1


def test_bf16_stays_close_to_fp32(stylizer: Stylizer):
    image = _image(64, 64)
    exact = stylizer.stylize([image])[0].float()
    rounded = Stylizer(_generator(), "bf16").stylize([image])[0].float()
    assert (exact - rounded).abs().mean() < 4


def test_padding_is_cut_off_where_it_was_added(stylizer: Stylizer):
    image = _image(64, 64)
    full = stylizer.generator(image[None].float() / 127.5 - 1)[0]
    expected = (full * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    assert torch.equal(stylizer.stylize([image])[0], expected)


def test_strength_zero_is_the_source_and_one_the_stylized_image():
    source, styled = _image(8, 8, 0), _image(8, 8, 1)
    assert torch.equal(blend(source, styled, 0.0), source)
    assert torch.equal(blend(source, styled, 1.0), styled)


def test_half_strength_is_half_way():
    source, styled = torch.full((3, 2, 2), 10), torch.full((3, 2, 2), 21)
    mixed = blend(source.to(torch.uint8), styled.to(torch.uint8), 0.5)
    assert mixed.unique().tolist() == [16]


def test_a_strength_out_of_range_is_refused_with_its_value():
    with pytest.raises(ValueError, match=r"got 1\.5"):
        Stylizer(_generator(), "fp32", strength=1.5)
