"""Stylists without a network, for strategies that only run one."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ganst.models.generator import ResnetGenerator


@dataclass(frozen=True, slots=True)
class FakeStylist:
    """A `Stylist` made of a function of image and checkpoint."""

    function: Callable[[Tensor, str], Tensor]

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        """Call the function; no strategy asks for less than full precision."""
        assert precision == "fp32"
        return self.function(image, checkpoint)

    def generator(self, checkpoint: str) -> ResnetGenerator:
        """There is none."""
        raise AssertionError(checkpoint)

    def run(self, generator: ResnetGenerator, image: Tensor) -> Tensor:
        """There is none."""
        raise AssertionError(generator, image)
