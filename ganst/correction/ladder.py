"""Which strategies are tried for a reason, and in which order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ganst.correction.retouching import CheckpointColours, NormalisedInput, RestoredStructure
from ganst.correction.strategies import (
    OtherCheckpoint,
    Rerun,
    Restyling,
    SecondPass,
    ShiftAverage,
    StrengthBlend,
)

_RERUN, _OTHER, _AVERAGE, _BLEND = Rerun(), OtherCheckpoint(), ShiftAverage(), StrengthBlend()
_SECOND, _NORMALISED = SecondPass(), NormalisedInput()
_STRUCTURE, _COLOURS = RestoredStructure(), CheckpointColours()

_COSTS = {
    step.name: step.cost
    for step in (_RERUN, _OTHER, _AVERAGE, _BLEND, _SECOND, _NORMALISED, _STRUCTURE, _COLOURS)
}
_DEFAULT: tuple[Restyling, ...] = (_RERUN, _OTHER, _AVERAGE)
# A blend and a restored structure are offered only where content is missing: they would make a
# passthrough worse. No ladder is longer than what an image is given: see `pipelines.correct`.
_LADDERS: dict[str, tuple[Restyling, ...]] = {
    "passthrough": (_RERUN, _NORMALISED, _SECOND),
    "blur": (_RERUN, _BLEND, _STRUCTURE),
    "wrong_image": (_RERUN, _BLEND, _OTHER),
    "color_cast": (_RERUN, _OTHER, _COLOURS),
    "exposure": (_RERUN, _NORMALISED, _OTHER),
    "inverted": (_RERUN, _OTHER, _BLEND),
    "unknown": (_RERUN, _BLEND, _OTHER),
}


def ladder(reason: str | None, checkpoints: tuple[str, ...]) -> tuple[Restyling, ...]:
    """Strategies for a reason in the order to try them: cheapest first.

    Those that need a checkpoint the style does not have are left out.
    """
    wanted = _LADDERS.get(reason or "unknown", _DEFAULT)
    usable = (step for step in wanted if set(step.checkpoints) <= set(checkpoints))
    return tuple(sorted(usable, key=lambda step: step.cost))


def parameters(strategy: Restyling) -> dict[str, Any]:
    """The strategy's parameters as JSON values: with its name, what makes the candidate."""
    return asdict(strategy)


def cost_of(name: str) -> float:
    """What a try of the strategy of that name costs, in stylizations of its image."""
    return _COSTS[name]
