import pytest
import torch

from tests.fake_gpu import GPU, fake_gpu


def test_operands_on_two_devices_are_refused_but_for_numbers():
    with fake_gpu():
        there = torch.ones(3).to(GPU)
        assert (there * torch.tensor(2.0)).tolist() == [2, 2, 2]
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)


def test_a_generator_of_the_cpu_is_refused(rng):
    with fake_gpu(), pytest.raises(RuntimeError, match="for generator but found 'cpu'"):
        torch.zeros(3, device=GPU).normal_(generator=rng)


def test_gradients_go_through_views_and_in_place_operations():
    weights = torch.arange(6.0).view(2, 3)
    here = weights.clone().requires_grad_()
    (here[:, 1:].square().sum() * 3).backward()
    with fake_gpu():
        there = weights.to(GPU).requires_grad_()
        (there[:, 1:].square().sum().mul_(3)).backward()
        assert here.grad is not None
        assert there.grad is not None
        assert there.grad.tolist() == here.grad.tolist()


def test_waiting_is_counted():
    with fake_gpu() as gpu:
        there = torch.ones(3).to(GPU, non_blocking=True)
        there.add_(1)
        assert not gpu.waits
        float(there.sum())
        there.cpu()
        torch.ones(3).to(GPU)
        assert gpu.waits.total() == 3
