import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganst.training.losses import (
    PatchNCE,
    colour_loss,
    discriminator_loss,
    generator_loss,
    patch_nce,
)


def test_a_perfect_discriminator_has_no_loss():
    assert discriminator_loss(torch.ones(4), torch.zeros(4)) == 0
    assert generator_loss(torch.ones(4)) == 0


def test_least_squares_by_hand():
    assert discriminator_loss(torch.tensor([0.5]), torch.tensor([2.0])) == pytest.approx(2.125)
    assert generator_loss(torch.tensor([-1.0])) == 4


def test_patch_nce_equals_the_formula_written_out(rng: torch.Generator):
    q, k = (F.normalize(torch.randn(2, 5, 8, generator=rng), dim=-1) for _ in range(2))
    expected = []
    for n in range(2):
        for p in range(5):
            similarities = np.exp((k[n] @ q[n, p]).double().numpy() / 0.07)
            expected.append(-np.log(similarities[p] / similarities.sum()))
    assert patch_nce(q, k).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_patch_nce_teaches_the_queries_only(rng: torch.Generator):
    q, k = (torch.randn(1, 4, 8, generator=rng, requires_grad=True) for _ in range(2))
    patch_nce(F.normalize(q, dim=-1), F.normalize(k, dim=-1)).backward()
    assert q.grad is not None
    assert k.grad is None


def test_matching_features_cost_less_than_shuffled_ones(rng: torch.Generator):
    nce = PatchNCE([6], num_patches=16, size=8)
    features = [torch.randn(2, 6, 5, 5, generator=rng)]
    shuffled = [features[0].flip(-1)]
    same = nce(features, features, torch.Generator().manual_seed(1))
    other = nce(shuffled, features, torch.Generator().manual_seed(1))
    assert same < other


def test_colour_loss_ignores_detail_and_sees_casts():
    source = torch.zeros(1, 3, 32, 32)
    detail = source.clone()
    detail[..., ::2], detail[..., 1::2] = 0.5, -0.5
    cast = source + torch.tensor([0.3, 0.0, 0.0])[:, None, None]
    assert colour_loss(source, detail) == 0
    assert colour_loss(source, cast).item() == pytest.approx(0.1)
