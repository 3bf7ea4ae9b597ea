"""CUT (Park 2020, arXiv:2007.15651) with the stroke, palette and colour losses of this project."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.discriminator import make_discriminator
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import Preset
from ganst.training import losses
from ganst.training.workbench import Workbench


class CutObjective:
    """One generator, one discriminator, and the networks that tell patches apart."""

    def __init__(self, preset: Preset, bench: Workbench) -> None:
        self.bench = bench
        self._generator = bench.place(ResnetGenerator(preset.generator))
        self._generator.align_subpixels()
        self.D = bench.place(make_discriminator(preset.discriminator))
        self.nce = bench.place(
            losses.PatchNCE(self.G.feature_channels, num_patches=bench.config.num_patches)
        )
        self.networks: dict[str, nn.Module] = {"G": self.G, "D": self.D, "nce": self.nce}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": bench.adam(self.G, self.nce),
            "D": bench.adam(self.D),
        }
        self.pools = {}
        self._teacher: ResnetGenerator | None = None

    @property
    def G(self) -> ResnetGenerator:  # noqa: N802
        """The one generator."""
        return self._generator

    def learn_from(self, teacher: ResnetGenerator) -> None:
        """Let a new generator first paint like `teacher`, of whatever architecture (arXiv:1503.02531)."""
        self._teacher = teacher.to(self.bench.device).eval().requires_grad_(requires_grad=False)

    def step(self, x: Tensor, y: Tensor, *, step: int, progress: float) -> dict[str, Tensor]:
        """One update of D, then of G.

        During warm-up a new generator learns to copy the photo, while D rests, or to paint like its
        teacher, while D learns too; a generator that came from a style pack rests itself, while D
        learns what it has to judge.
        """
        bench, config = self.bench, self.bench.config
        with bench.autocast:
            features, fake = self.G.encode_and_generate(x)
        fake = fake.float()
        warm = progress < (config.imitate if self._teacher else config.warm_up)
        told = {}
        if bench.is_tuned or self._teacher or not warm:
            told = self._step_discriminator(y, fake.detach())
        if bench.is_tuned and warm:
            return told
        terms = self._first_terms(x, fake) if warm else self._style_terms(x, y, features, fake)
        if step % config.identity_every == 0:
            weight = bench.content_factor * config.lambda_identity
            terms["idt"] = weight * self._identity_loss(y)
        return told | bench.update(self.optimizers["G"], terms)

    def _first_terms(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        if self._teacher is None:
            return {"copy": F.l1_loss(fake, x)}
        with torch.no_grad(), self.bench.autocast:
            shown = self._teacher(x)
        return {"imitate": F.l1_loss(fake, shown.float())}

    def _step_discriminator(self, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
        bench = self.bench
        self.D.requires_grad_(requires_grad=True)
        with bench.autocast:
            logits = self.D(torch.cat([bench.augmented(y), bench.augmented(fake)]))
        real_logits, fake_logits = logits.float().chunk(2)
        loss = losses.discriminator_loss(real_logits, fake_logits)
        return bench.update(self.optimizers["D"], {"D": loss})

    def _style_terms(
        self, x: Tensor, y: Tensor, features: list[Tensor], fake: Tensor
    ) -> dict[str, Tensor]:
        bench, config = self.bench, self.bench.config
        self.D.requires_grad_(requires_grad=False)
        with bench.autocast:
            logits = self.D(bench.augmented(fake))
            queries = self.G.encode(fake)
        # Distances of distributions are no means over images: every rank computes them for all.
        fakes, reals = bench.ranks.gather(fake), bench.ranks.gather(y)
        strokes = losses.patch_distribution_loss(fakes, reals, bench.random)
        style, content = bench.style_factor, bench.content_factor
        return {
            "G": style * config.lambda_gan * losses.generator_loss(logits.float()),
            "nce": content * config.lambda_nce * self.nce(queries, features, bench.random),
            "strokes": style * config.lambda_strokes * strokes,
            "palette": style
            * config.lambda_palette
            * losses.palette_loss(fakes, reals, bench.random),
            "colour": content * config.lambda_colour * losses.colour_loss(x, fake),
            "flat": content
            * config.lambda_flat
            * losses.flat_loss(x, fake, flat_below=config.flat_below),
            "blotch": content * config.lambda_blotch * losses.blotch_loss(x, fake),
        }

    def _identity_loss(self, y: Tensor) -> Tensor:
        with self.bench.autocast:
            idt = self.G(y)
        return F.l1_loss(idt.float(), y)
