"""What a GPU does for a whole batch, next to the code for single images; here on the CPU."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.training.augment import move_batch, rotate, translate
from ganst.training.bank import ImageBank
from ganst.training.batched import PackedImages
from tests.ganst.training.tiny import CPU


@given(seed=st.integers(0, 1000), size=st.integers(8, 40), zoom=st.floats(0.3, 3.0))
def test_crops_cut_together_are_those_cut_one_by_one(seed: int, size: int, zoom: float):
    rng = torch.Generator().manual_seed(seed)
    sizes = torch.randint(5, 90, (4, 2), generator=rng).tolist()
    images = [
        torch.randint(0, 256, (3, *sides), dtype=torch.uint8, generator=rng) for sides in sizes
    ]
    bank = ImageBank.of(images, CPU, 1024)
    windows = bank.draw(6, size, (zoom, 1.5 * zoom), rng)
    together = PackedImages.of(bank.images).cut(windows, size)
    torch.testing.assert_close(together, bank.cut(windows, size), rtol=0, atol=2e-5)


@pytest.mark.parametrize("probability", [0.0, 0.7, 1.0])
def test_a_batch_is_moved_as_its_images_are(probability: float):
    images = torch.randn(64, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    images.requires_grad_()
    one, other = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = translate(rotate(images, one), one, probability)
    moved = move_batch(images, other, probability)
    assert torch.equal(moved, expected)
    assert torch.equal(one.get_state(), other.get_state())
    weights = torch.randn(moved.shape, generator=one)
    for ours, theirs in zip(
        torch.autograd.grad((moved * weights).sum(), images),
        torch.autograd.grad((expected * weights).sum(), images),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
