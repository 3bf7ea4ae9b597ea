import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ganst.models.backward import convolve, reflect_pad


def _gradients(compute, *leaves: torch.Tensor) -> list[torch.Tensor]:
    """Output and gradients of a sum whose terms all weigh differently."""
    output = compute(*leaves)
    weights = torch.rand(output.shape, generator=torch.Generator().manual_seed(1))
    grads = torch.autograd.grad((output.float() * weights).sum(), leaves)
    return [output.detach(), *grads]


@given(
    pad=st.integers(1, 4),
    more=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    is_last=st.booleans(),
)
def test_a_pad_and_its_gradient_are_torchs(pad: int, more: tuple[int, int], is_last: bool):
    rng = torch.Generator().manual_seed(pad)
    x = torch.randn(2, 3, pad + more[0], pad + more[1], generator=rng)
    if is_last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    ours = _gradients(lambda image: reflect_pad(image, pad), x)
    theirs = _gradients(lambda image: F.pad(image, (pad,) * 4, mode="reflect"), x)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_narrow_convolution_and_its_gradients_are_torchs(has_bias: bool, rng: torch.Generator):
    leaves = [torch.randn(2, 6, 13, 11, generator=rng), torch.randn(3, 6, 7, 5, generator=rng)]
    leaves += [torch.randn(3, generator=rng)] if has_bias else []
    for leaf in leaves:
        leaf.requires_grad_()
    ours = _gradients(lambda x, w, b=None: convolve(x, w, b, (1, 1)), *leaves)
    theirs = _gradients(F.conv2d, *leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_pad_keeps_bf16_under_autocast_and_changes_no_bit(rng: torch.Generator):
    x = torch.randn(1, 2, 6, 6, generator=rng).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        padded = reflect_pad(x, 2)
    assert padded.dtype == torch.bfloat16
    assert torch.equal(padded, F.pad(x, (2,) * 4, mode="reflect"))


def test_inference_computes_with_torchs_own_layers(rng: torch.Generator):
    x, weight = torch.randn(1, 6, 9, 9, generator=rng), torch.randn(3, 6, 7, 7, generator=rng)
    assert torch.equal(convolve(x, weight, None, (1, 1)), F.conv2d(x, weight))
