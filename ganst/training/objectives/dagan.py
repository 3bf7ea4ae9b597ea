"""An encoder and decoder against one verdict on the whole crop, held to the photo pixel by pixel."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ganst.models.discriminator import DenseDiscriminatorConfig, make_discriminator
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import Preset
from ganst.training import losses
from ganst.training.objectives import no_imitation
from ganst.training.workbench import Workbench


class DaganObjective:
    """Cross-entropy of the verdict; for the generator also a content loss, MSE or cross-entropy."""

    def __init__(self, preset: Preset, bench: Workbench) -> None:
        self.bench = bench
        judge = preset.discriminator
        if isinstance(judge, DenseDiscriminatorConfig):
            judge = replace(judge, crop_px=bench.config.crop_px)
        self._generator = bench.place(ResnetGenerator(preset.generator))
        self.D = bench.place(make_discriminator(judge))
        self.networks: dict[str, nn.Module] = {"G": self.G, "D": self.D}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": bench.adam(self.G),
            "D": bench.adam(self.D),
        }
        self.pools = {}

    @property
    def G(self) -> ResnetGenerator:  # noqa: N802
        """The one generator."""
        return self._generator

    def learn_from(self, teacher: ResnetGenerator) -> None:
        """Raise TrainingError: its losses know no teacher."""
        raise no_imitation(self.G, teacher)

    def step(self, x: Tensor, y: Tensor, *, step: int, progress: float) -> dict[str, Tensor]:  # noqa: ARG002
        """One update of D, then of G."""
        bench, config = self.bench, self.bench.config
        with bench.autocast:
            fake = self.G(x).float()
        self.D.requires_grad_(requires_grad=True)
        with bench.autocast:
            logits = self.D(torch.cat([bench.augmented(y), bench.augmented(fake.detach())]))
        verdict = losses.cross_entropy_discriminator_loss(*logits.float().chunk(2))
        told = bench.update(self.optimizers["D"], {"D": verdict})
        self.D.requires_grad_(requires_grad=False)
        with bench.autocast:
            logits = self.D(bench.augmented(fake))
        style = bench.style_factor * config.lambda_gan
        content = bench.content_factor * config.lambda_content
        terms = {
            "G": style * losses.cross_entropy_generator_loss(logits.float()),
            "content": content * losses.content_loss(fake, x, config.content_loss),
        }
        return told | bench.update(self.optimizers["G"], terms)


def check_crop(preset: Preset, crop_px: int) -> None:
    """Raise ValueError where a fully connected discriminator cannot judge crops of this size."""
    if isinstance(preset.discriminator, DenseDiscriminatorConfig):
        replace(preset.discriminator, crop_px=crop_px)
