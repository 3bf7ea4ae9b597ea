"""Which objective a preset is trained with."""

from ganst.models.presets import Preset
from ganst.training.objectives import Objective
from ganst.training.objectives.cut import CutObjective
from ganst.training.objectives.cyclegan import CycleGanObjective
from ganst.training.objectives.dagan import DaganObjective
from ganst.training.workbench import Workbench


def make_objective(preset: Preset, bench: Workbench) -> Objective:
    """Networks with start weights, ready for the first step."""
    if preset.name == "cyclegan":
        return CycleGanObjective(preset, bench)
    if preset.name == "dagan":
        return DaganObjective(preset, bench)
    return CutObjective(preset, bench)
