"""Presets: networks that are known to train together, each with its reason."""

from dataclasses import dataclass

from ganst.models.discriminator import DiscriminatorConfig
from ganst.models.generator import GeneratorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A generator and the discriminator it is trained against."""

    name: str
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        # What ships. All convolutions run at half resolution or below: 4.5 GFLOP at 256 x 256, 0.41 M parameters.
        Preset(
            name="fast",
            generator=GeneratorConfig(
                width=32, num_blocks=5, num_downs=1, shuffle=2, stem_kernel=3, skip="lowpass"
            ),
            discriminator=DiscriminatorConfig(width=32),
        ),
        # Finer strokes at four times the cost: 18 GFLOP at 256 x 256, 1.97 M parameters.
        Preset(
            name="default",
            generator=GeneratorConfig(width=32, num_blocks=6, skip="lowpass"),
            discriminator=DiscriminatorConfig(width=64),
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
