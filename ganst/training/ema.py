"""Exponential moving average of the generator: what is shipped."""

import copy

import torch
from torch import Tensor, nn


class Ema:
    """Averaged copy of a network; its half-life is counted in images, not in steps."""

    def __init__(self, model: nn.Module, half_life_images: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        self.half_life_images = half_life_images
        self.num_images = 0

    @torch.no_grad()
    def update(self, model: nn.Module, batch_size: int) -> None:
        """Take in `model` after a step on `batch_size` images."""
        self.num_images += batch_size
        # Early on the average must forget the random start quickly (StyleGAN2-ADA's ramp-up).
        half_life = min(self.half_life_images, 0.05 * self.num_images)
        beta = 0.5 ** (batch_size / max(half_life, 1e-8))
        averaged: list[Tensor] = list(self.model.parameters())
        current: list[Tensor] = list(model.parameters())
        if beta == 0:
            torch._foreach_copy_(averaged, current)
        else:
            torch._foreach_lerp_(averaged, current, 1 - beta)
