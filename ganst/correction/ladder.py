"""Which strategies are tried for a reason, and in which order."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ganst.correction.colours import CheckpointColours, ExpectedColours
from ganst.correction.regions import RegionRepair
from ganst.correction.retouching import RestoredStructure, StrengthBlend
from ganst.correction.strategies import (
    JUDGING,
    REFUSING,
    BestCheckpoint,
    OtherCheckpoint,
    Rerun,
    RerunAsBefore,
    Restyling,
    SecondPass,
    ShiftAverage,
)
from ganst.correction.tuning import FineTuned

_RERUN, _OTHER, _BEST = Rerun(), OtherCheckpoint(), BestCheckpoint()
_AVERAGE, _SECOND, _REGION = ShiftAverage(), SecondPass(), RegionRepair()
_BLEND, _STRUCTURE = StrengthBlend(), RestoredStructure()
_EXPECTED, _COLOURS = ExpectedColours(), CheckpointColours()
_TO_CONTENT, _TO_STYLE = FineTuned(towards="content"), FineTuned(towards="style")

STRATEGIES: tuple[Restyling, ...] = (
    _RERUN,
    RerunAsBefore(),
    _OTHER,
    _BEST,
    _AVERAGE,
    _SECOND,
    _REGION,
    _BLEND,
    _STRUCTURE,
    _EXPECTED,
    _COLOURS,
    _TO_CONTENT,
    _TO_STYLE,
)
_BY_NAME = {step.name: step for step in STRATEGIES}
_DEFAULT: tuple[Restyling, ...] = (_RERUN, _OTHER, _BEST, _AVERAGE)
# A blend and a restored structure are offered only where content is missing: they would make a
# passthrough worse. Another checkpoint paints the whole picture in another way: for a fault of one
# place, a grid or a seam that is more change than the fault (measured: a success in 1 of 17
# cases). A seam parts the picture: there is no single place to repair. How many of a ladder an image
# is given: see `pipelines.correction_plan`.
_LADDERS: dict[str, tuple[Restyling, ...]] = {
    "passthrough": (_RERUN, _OTHER, _SECOND, _TO_STYLE),
    "blur": (_RERUN, _OTHER, _STRUCTURE, _BEST, _TO_CONTENT),
    "wrong_image": (_RERUN, _BLEND, _OTHER, _BEST, _TO_CONTENT),
    "color_cast": (_RERUN, _COLOURS, _EXPECTED),
    "exposure": (_RERUN, _OTHER, _COLOURS, _EXPECTED),
    "inverted": (_RERUN, _EXPECTED, _OTHER, _BEST),
    "blob": (_RERUN, _REGION),
    "blank": (_RERUN, _REGION),
    "patch": (_RERUN, _REGION),
    "seam": (_RERUN, _AVERAGE),
    "grid": (_RERUN, _AVERAGE),
    "unknown": (_RERUN, _OTHER, _BLEND, _BEST),
}


def ladder(
    reason: str | None,
    checkpoints: tuple[str, ...],
    precision: str = "fp32",
    *,
    damaged: bool = False,
) -> tuple[Restyling, ...]:
    """Strategies for a reason in the order to try them: most successes for their cost first.

    Those that need a checkpoint the style does not have are left out; where there is no early one,
    the best one takes its place. `precision`: the run's own, which is the cheaper one where it is not
    fp32; `damaged`: the file is not what the network gave, so that a run like the first one mends it.
    """
    wanted = _LADDERS.get(reason or "unknown", _DEFAULT)
    if "early" not in checkpoints and _BEST not in wanted:
        wanted = tuple(_BEST if step is _OTHER else step for step in wanted)
    usable = (step for step in wanted if set(step.checkpoints) <= set(checkpoints))
    steps = tuple(step.in_precision(precision) for step in usable)
    if damaged and precision != _RERUN.precision:
        again = RerunAsBefore(precision=precision)
        steps = tuple(again if step is _RERUN else step for step in steps)
    return steps


def parameters(strategy: Restyling) -> dict[str, Any]:
    """The strategy's parameters as JSON values: with its name, what makes the candidate."""
    return asdict(strategy)


def work_of(name: str, precision: str, pixels: int, *, accepted: bool) -> float:
    """What a try of the strategy of that name on so many pixels took: see `Restyling.making`."""
    judging = JUDGING if accepted else REFUSING
    return replace(_BY_NAME[name], precision=precision).making(pixels) + judging
