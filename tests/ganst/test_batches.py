import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganst import batches
from ganst.batches import (
    LARGEST_BATCH,
    FullBatches,
    batch_size,
    mates_change_nothing,
    plan_batches,
)

SHAPE = (4, 3, 8, 6)


def each_by_itself(images: Tensor) -> Tensor:
    return 255 - images


def by_its_batch(images: Tensor) -> Tensor:
    """Like a batch norm: what an image becomes hangs on the others."""
    return images - images.float().mean(0).to(torch.uint8)


def by_its_place(images: Tensor) -> Tensor:
    return images + torch.arange(len(images), dtype=torch.uint8)[:, None, None, None]


def noise(num: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, *SHAPE[1:]), dtype=torch.uint8, generator=rng)


@given(st.lists(st.integers(1, 4), max_size=40))
def test_every_position_is_in_one_batch_with_its_equals(keys: list[int]):
    found = plan_batches(keys, lambda key: key)
    assert sorted(place for batch in found for place in batch) == list(range(len(keys)))
    assert all(len({keys[place] for place in batch}) == 1 for batch in found)
    assert all(len(batch) <= keys[batch[0]] for batch in found)
    assert found == sorted(found)


@given(st.lists(st.integers(1, 4), max_size=40))
def test_only_the_last_batch_of_a_key_is_not_full(keys: list[int]):
    found = plan_batches(keys, lambda _: 3)
    for key in set(keys):
        lengths = [len(batch) for batch in found if keys[batch[0]] == key]
        assert all(length == 3 for length in lengths[:-1])


@pytest.mark.parametrize(
    ("shape", "size"),
    [((512, 512), 16), ((3, 720, 360), 16), ((1, 1), LARGEST_BATCH), ((9999, 9999), 1)],
)
def test_the_size_of_a_batch_hangs_on_the_shape_alone(shape, size):
    assert batch_size(shape) == size


@pytest.mark.parametrize(
    ("network", "certified"),
    [(each_by_itself, True), (by_its_batch, False), (by_its_place, False)],
)
def test_the_certificate_is_for_networks_that_take_each_image_by_itself(network, certified):
    assert mates_change_nothing(network, SHAPE) == certified


@pytest.mark.parametrize("network", [each_by_itself, by_its_batch, by_its_place])
@pytest.mark.parametrize("num", [1, 4, 7])
def test_batch_mates_change_nothing_whatever_the_network_does_with_them(monkeypatch, network, num):
    monkeypatch.setattr(batches, "batch_size", lambda _shape: 4)
    images = noise(num)
    together = FullBatches(lambda _shape: network)(images)
    one_by_one = [FullBatches(lambda _shape: network)(image[None])[0] for image in images]
    assert torch.equal(together, torch.stack(one_by_one))


def test_a_network_sees_full_batches_only(monkeypatch):
    monkeypatch.setattr(batches, "batch_size", lambda _shape: 4)
    seen = []

    def network(images: Tensor) -> Tensor:
        seen.append(len(images))
        return each_by_itself(images)

    run = FullBatches(lambda _shape: network)
    for num in (1, 4, 6):
        run(noise(num))
    assert set(seen) == {4}


def test_a_shape_is_made_ready_once_and_forgotten_when_many_others_came(monkeypatch):
    monkeypatch.setattr(batches, "batch_size", lambda _shape: 2)
    asked = []
    run = FullBatches(lambda shape: asked.append(shape[3]) or each_by_itself)
    for width in (1, 2, 1, 3, 4, 1, 5, 2, 1):
        run(torch.zeros(1, 3, 2, width, dtype=torch.uint8))
    assert asked == [1, 2, 3, 4, 5, 2]
