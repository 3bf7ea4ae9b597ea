import torch

from ganst.training.sorting import ascending


def test_rows_are_sorted_and_their_gradient_goes_back_where_they_came_from(rng: torch.Generator):
    rows = torch.randn(5, 200, generator=rng).requires_grad_()
    weights = torch.randn(5, 200, generator=rng)
    found, expected = ascending(rows), rows.sort(dim=1).values
    assert torch.equal(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), rows),
        torch.autograd.grad((expected * weights).sum(), rows),
        strict=True,
    ):
        assert torch.equal(one, other)
    assert torch.equal(ascending(rows.detach()), expected)
