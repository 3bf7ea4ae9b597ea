"""Faults with clean twins: of files, after the network, of the network itself, and of the photo.

A file's fault is gone when the network runs again. A network's comes back: then another checkpoint
has to help, or a strategy that works around it. A photo that is dull is no fault of anybody's, but
all checkpoints paint little on it; its twin is the output of the photo in its usual light.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from zlib import crc32

import torch
from torch import Tensor

from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.stylepack import StylePack, load_generator
from ganst.scoring.faults import FAULTS, Case, on_scale, to_pixels
from ganst.scoring.model_faults import perturbed_weights

# In one place or in one manner whatever the photo is: how a network fails again and again.
STICKY = ("grid", "blob", "blank", "seam", "color_cast", "exposure", "blur", "noise", "passthrough")
WEIGHTS = ("weights",)
DULL = ("dark", "flat", "bright")


@dataclass(slots=True)
class Workshop:
    """A `Stylist` whose last checkpoint may be at fault; the other ones are sound."""

    pack: StylePack
    fault: Callable[[Tensor, Tensor], Tensor] | None = None  # of photo and output
    broken: ResnetGenerator | None = None
    known: dict[str, Stylizer] = field(default_factory=dict)

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        """Stylize uint8 `[3, H, W]` with a checkpoint."""
        del precision  # fp32 throughout: bf16 is slower on some machines
        if checkpoint not in self.known:
            self.known[checkpoint] = Stylizer(self.generator(checkpoint), "fp32")
        output = self.known[checkpoint].stylize([image])[0]
        return self._faulty(image, output) if checkpoint == "final" else output

    def generator(self, checkpoint: str) -> ResnetGenerator:
        """A copy of a checkpoint, which the caller may change."""
        generator = load_generator(self.pack, checkpoint)
        if self.broken is not None and checkpoint == "final":
            generator = type(generator)(generator.config)
            generator.load_state_dict(self.broken.state_dict())
        return generator

    def run(self, generator: ResnetGenerator, image: Tensor) -> Tensor:
        """Stylize with a generator that came from here."""
        return self._faulty(image, Stylizer(generator, "fp32").stylize([image])[0])

    def _faulty(self, photo: Tensor, output: Tensor) -> Tensor:
        return self.fault(photo, output) if self.fault else output


def damaged_file(
    kind: str, severity: float, source: Tensor, output: Tensor, donor: Tensor
) -> Tensor:
    """The output with a fault of the injector, at a place that the photo decides."""
    rng = torch.Generator().manual_seed(crc32(source.numpy().tobytes()))
    case = Case(source=source, output=output, donor=donor, generator=rng)
    return FAULTS[kind](case, severity)


def dull_photo(kind: str, severity: float, photo: Tensor) -> Tensor:
    """The photo underexposed, in fog, or overexposed: two to five times less of its contrast."""
    left = on_scale(severity, 0.5, 0.2)
    light = photo.float()
    return to_pixels({"dark": 0, "flat": 128, "bright": 250}[kind] * (1 - left) + left * light)


def faulty_network(pack: StylePack, kind: str, severity: float, seed: int) -> Workshop:
    """A workshop whose last checkpoint has the fault `kind`, the same one in every run."""
    if kind in WEIGHTS:
        rng = torch.Generator().manual_seed(seed)
        return Workshop(pack, broken=perturbed_weights(load_generator(pack), severity, rng))

    def fault(photo: Tensor, output: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        case = Case(source=photo, output=output, donor=output.flip(1), generator=rng)
        return FAULTS[kind](case, severity)

    return Workshop(pack, fault=fault)
