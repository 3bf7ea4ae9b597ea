"""The pool of earlier fakes that CycleGAN's discriminators also see (Shrivastava 2017, arXiv:1612.07828)."""

import torch
from torch import Tensor


class ReplayPool:
    """At most `size` fakes. Half of the time a new one takes the place of an old one, which is judged."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor, generator: torch.Generator) -> Tensor:
        """New fakes `[N, 3, H, W]` -> as many to judge. Until it is full, the pool only takes."""
        return torch.stack([self._swap(fake, generator) for fake in fakes.detach()])

    def _swap(self, fake: Tensor, generator: torch.Generator) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(fake)
            return fake
        if self.size == 0 or torch.rand((), generator=generator) <= 0.5:
            return fake
        place = int(torch.randint(self.size, (), generator=generator))
        old, self.images[place] = self.images[place], fake
        return old
