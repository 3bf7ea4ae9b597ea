"""How far the output is from the paintings of the style."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ganst.scoring.reference import (
    palette,
    scene_statistics,
    sliced_distance,
    spectrum,
    texture,
)

if TYPE_CHECKING:
    from ganst.scoring.canonical import Canvas
    from ganst.scoring.reference import StyleReference


def measure_style(source: Canvas, output: Canvas, reference: StyleReference) -> dict[str, float]:
    """The `s_` columns: distances to the paintings, and the way gone towards them."""
    distance = reference.texture.distance(texture(output.lab))
    before = reference.texture.distance(texture(source.lab))
    return {
        "s_palette": math.log(sliced_distance(palette(output.lab), reference.palette) + 0.5),
        "s_texture": math.log(distance + 0.1),
        "s_gain": math.log((distance + 0.1) / (before + 0.1)),
        "s_statistics": math.log(
            reference.statistics.distance(scene_statistics(output.light)) + 0.1
        ),
        "s_spectrum": math.log(reference.spectrum.distance(spectrum(output.light)) + 0.1),
    }
