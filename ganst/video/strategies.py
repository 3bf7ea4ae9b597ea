"""Ways to make a shot again, and which are tried for a reason; each is named in the lineage."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ganst.correction.retouching import STRENGTH_FLOOR
from ganst.video.blend import Blending
from ganst.video.shot import Steadiness
from ganst.video.steady import SharingSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotStrategy:
    """How the frames of a shot are stylized the next time; always in fp32.

    `cost`: of a try, in stylizations of the shot, the judging of it included.
    """

    name: str
    cost: float
    checkpoint: str = "final"
    strength: float = 1.0  # of what the run asks for
    steadiness: Steadiness = field(default_factory=Steadiness)

    def __post_init__(self) -> None:
        if not STRENGTH_FLOOR <= self.strength <= 1:
            raise ValueError(f"strength must be in {STRENGTH_FLOOR}..1, got {self.strength}")


# Statistics of a whole minute, and so nearly the same for every frame of most shots.
_SLOW = SharingSchedule(every=12, window=16, keep=0.9)
_WIDE = Blending(radius=4, tolerance=9.0)

# Mends what was damaged behind the network, and runs that were made frame by frame.
_RERUN = ShotStrategy(name="rerun_shared", cost=1.6)
_BLEND = ShotStrategy(
    name="temporal_blend", cost=1.9, steadiness=Steadiness(sharing=_SLOW, blending=_WIDE)
)
_WEAKER = ShotStrategy(
    name="lower_strength",
    cost=1.9,
    strength=0.85,
    steadiness=Steadiness(sharing=_SLOW, blending=_WIDE),
)
_OTHER = ShotStrategy(name="other_checkpoint", cost=1.6, checkpoint="early")

_UNSTEADY = (_RERUN, _BLEND, _WEAKER)
_LADDERS: dict[str, tuple[ShotStrategy, ...]] = {
    "flicker": _UNSTEADY,
    "shimmer": _UNSTEADY,
    "drift": (_RERUN, _BLEND, _OTHER),
    "stuck": (_RERUN,),
    # The photo shows through: a lower strength would make it worse.
    "passthrough": (_RERUN, _OTHER),
}
_DEFAULT = (_RERUN, _OTHER, _WEAKER)


def shot_ladder(reason: str | None, checkpoints: tuple[str, ...]) -> tuple[ShotStrategy, ...]:
    """Strategies for a shot that was flagged for a reason, in the order to try them."""
    wanted = _LADDERS.get(reason or "", _DEFAULT)
    return tuple(step for step in wanted if step.checkpoint in checkpoints)


def shot_parameters(strategy: ShotStrategy) -> dict[str, Any]:
    """The strategy as JSON values: with the shot, what makes the candidate."""
    return asdict(strategy)
