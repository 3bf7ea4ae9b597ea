import pytest
import torch
import torch.nn.functional as F

from ganst.models import copies
from ganst.models.backward import reflect_pad
from ganst.models.copies import framed, framed_like, mirrored, shuffled, unshuffled
from ganst.pixels import painted, to_pixels

LAST, PLANES = torch.channels_last, torch.contiguous_format


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [LAST, PLANES])
@pytest.mark.parametrize("factor", [1, 2, 4])
@torch.inference_mode()
def test_pixels_become_channels_and_back_as_in_torch(dtype, layout, factor):
    images = torch.randn(2, 3, 24, 32).to(dtype).contiguous(memory_format=layout)
    folded = unshuffled(images, factor, layout)
    assert torch.equal(folded, F.pixel_unshuffle(images, factor))
    back = shuffled(folded, factor)
    assert torch.equal(back, images)
    assert back.is_contiguous()
    # A network in planes stays one: its norms are summed in another order where channels lie last.
    assert folded.is_contiguous(memory_format=layout)


@torch.inference_mode()
def test_planes_are_folded_into_the_layout_and_the_frame_of_what_is_to_come():
    images = torch.randn(2, 3, 24, 32)
    folded = unshuffled(images, 2, LAST, room=3)
    expected = F.pixel_unshuffle(images, 2)
    assert torch.equal(folded, expected)
    padded = mirrored(folded, 3)
    assert padded.is_contiguous(memory_format=LAST)
    assert torch.equal(padded, F.pad(expected, (3,) * 4, mode="reflect"))


@pytest.mark.parametrize("layout", [LAST, PLANES])
@pytest.mark.parametrize("channels", [3, 64])
@torch.inference_mode()
def test_what_was_written_into_a_frame_is_mirrored_in_place(layout, channels):
    values = torch.randn(2, channels, 9, 13).contiguous(memory_format=layout)
    x = framed_like(values, 2).copy_(values)
    padded = mirrored(x, 2)
    assert torch.equal(padded, F.pad(values, (2,) * 4, mode="reflect"))
    assert padded.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert padded.is_contiguous(memory_format=layout)


@torch.inference_mode()
def test_a_frame_is_of_one_map_and_one_width():
    x = framed((1, 64, 9, 13), 2, torch.float32, LAST).copy_(torch.randn(1, 64, 9, 13))
    for other, pad in ((x, 1), (x, 3), (x.clone(), 2), (x[:, :, 1:-1], 2), (-x, 2)):
        expected = F.pad(other.contiguous(), (pad,) * 4, mode="reflect")
        assert torch.equal(mirrored(other, pad), expected)
    small = framed((1, 4, 2, 9), 2, torch.float32, LAST).zero_()
    with pytest.raises(RuntimeError, match="less than"):  # as torch refuses it
        mirrored(small, 2)


def test_in_training_gradients_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(copies.torch, "empty", lambda *_, **__: pytest.fail("no copies here"))
    images = torch.ones(1, 3, 8, 8, requires_grad=True)
    shuffled(unshuffled(images, 2, LAST), 2).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, torch.ones(1, 3, 8, 8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [LAST, PLANES])
@pytest.mark.parametrize(("channels", "pad"), [(3, 3), (12, 1), (16, 2), (17, 1)])
@torch.inference_mode()
def test_few_channels_are_mirrored_as_in_torch(dtype, layout, channels, pad):
    x = torch.randn(2, channels, 9, 13).to(dtype).contiguous(memory_format=layout)
    padded, expected = reflect_pad(x, pad), F.pad(x, (pad,) * 4, mode="reflect")
    assert torch.equal(padded, expected)
    assert padded.stride() == expected.stride()


@torch.inference_mode()
def test_every_value_of_bf16_becomes_the_level_of_its_tanh():
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    values = bits[~bits.isnan()][: 3 * 5 * 4000].reshape(3, 5, 4000)
    assert torch.equal(painted(values), to_pixels(torch.tanh(values)))
    turned = values.permute(0, 2, 1)
    assert torch.equal(painted(turned), to_pixels(torch.tanh(turned)))
    exact = values.float()
    assert torch.equal(painted(exact), to_pixels(torch.tanh(exact)))
