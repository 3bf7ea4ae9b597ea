"""Which objective a preset is trained with."""

from ganst.models.presets import Preset
from ganst.training.objectives import Objective
from ganst.training.objectives.cut import CutObjective
from ganst.training.workbench import Workbench


def make_objective(preset: Preset, bench: Workbench) -> Objective:
    """Networks with start weights, ready for the first step."""
    return CutObjective(preset, bench)
