"""Presets: networks that are known to train together, each with its reason."""

from dataclasses import dataclass

from ganst.models.discriminator import DenseDiscriminatorConfig, DiscriminatorConfig
from ganst.models.generator import GeneratorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A generator and the discriminator it is trained against."""

    name: str
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig | DenseDiscriminatorConfig


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        # What ships. All convolutions run at half resolution or below: 4.5 GFLOP at 256 x 256, 0.41 M parameters.
        Preset(
            name="fast",
            generator=GeneratorConfig(
                width=32,
                num_blocks=5,
                num_downs=1,
                shuffle=2,
                stem_kernel=3,
                skip="lowpass",
                exposure="kept",
            ),
            discriminator=DiscriminatorConfig(width=64),
        ),
        # Finer strokes at four times the cost: 18 GFLOP at 256 x 256, 1.97 M parameters.
        Preset(
            name="default",
            generator=GeneratorConfig(width=32, num_blocks=6, skip="lowpass", exposure="kept"),
            discriminator=DiscriminatorConfig(width=64),
        ),
        # CycleGAN's own networks (arXiv:1703.10593): ResNet-9/64 with 11.4 M parameters, 70 x 70 PatchGAN.
        Preset(
            name="cyclegan",
            generator=GeneratorConfig(
                width=64, num_blocks=9, down="stride", up="transposed", border="zero"
            ),
            discriminator=DiscriminatorConfig(width=64, spectral_norm=False),
        ),
        # A plain encoder and decoder against one verdict on the whole crop: no skips, nearest ups.
        Preset(
            name="dagan",
            generator=GeneratorConfig(
                width=32,
                num_blocks=2,
                num_downs=3,
                down="stride",
                down_kernel=4,
                down_slope=0.2,
                block="plain",
                up="nearest",
            ),
            discriminator=DenseDiscriminatorConfig(width=64, crop_px=128),
        ),
        # For tests: trains for a few steps in a second.
        Preset(
            name="tiny",
            generator=GeneratorConfig(
                width=8, num_blocks=2, num_downs=1, shuffle=2, stem_kernel=3, skip="lowpass"
            ),
            discriminator=DiscriminatorConfig(width=8, num_layers=2),
        ),
    )
}
