import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.pixels import pad_to_stride, painted, reflect_indices, to_model, to_pixels


def test_every_level_survives_the_round_trip():
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    assert torch.equal(to_pixels(to_model(levels)), levels)


def test_values_between_two_levels_go_to_the_nearest():
    between = torch.arange(255) + torch.tensor([[0.4], [0.6]])  # [2, 255]
    pixels = to_pixels(between / 127.5 - 1)
    assert torch.equal(pixels[0], torch.arange(255).to(torch.uint8))
    assert torch.equal(pixels[1], torch.arange(1, 256).to(torch.uint8))


def test_values_out_of_range_are_clamped():
    assert to_pixels(torch.tensor([-1.2, 1.2])).tolist() == [0, 255]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_painting_has_the_levels_of_its_tanh_and_lies_as_its_values_do(layout):
    every = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    values = every[every.isfinite()].view(2, 3, -1, 5 * 17).contiguous(memory_format=layout)
    levels = painted(values)
    assert torch.equal(levels, to_pixels(torch.tanh(values)))
    assert levels.is_contiguous(memory_format=layout)


@given(size=st.integers(2, 12), before=st.integers(0, 11), after=st.integers(0, 11))
def test_mirrored_indices_are_numpys_reflect_pad(size: int, before: int, after: int):
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    assert reflect_indices(size, before, after).tolist() == expected.tolist()


def test_a_line_of_one_pixel_is_repeated():
    assert reflect_indices(1, 3, 2).tolist() == [0] * 6


@given(height=st.integers(1, 40), width=st.integers(1, 40), stride=st.sampled_from([1, 2, 4, 8]))
def test_padding_reaches_the_stride_and_keeps_the_image_inside(
    height: int, width: int, stride: int
):
    image = torch.arange(height * width).view(1, 1, height, width)
    padded, (top, left) = pad_to_stride(image, stride, smallest=16)
    assert padded.shape[-2] % stride == padded.shape[-1] % stride == 0
    assert min(padded.shape[-2:]) >= 16
    assert torch.equal(padded[..., top : top + height, left : left + width], image)
