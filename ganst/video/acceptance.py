"""Whether a shot that was made again may take the place of one that was flagged. Any doubt refuses.

The scores of shots alone could be pleased by giving the source back: it does not flicker. So the
frames that are looked at one by one must pass what a corrected photo has to pass, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ganst.video.shot_scale import COLUMNS, WORDS, ShotScale

_CLEAR_GAIN = 0.5  # of the score, which is 1 at the 90th percentile of usual shots
_WORSE = 0.25  # by which no column may rise that is beyond the usual


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotVerdict:
    """Accepted or not, and why not."""

    accepted: bool
    reason: str


def try_shot(
    candidate: Mapping[str, float],
    flagged: Mapping[str, float],
    scale: ShotScale,
    *,
    needed: float,
    key: str,
    objection: str | None = None,
) -> ShotVerdict:
    """Judge the columns of a candidate against those of the flagged shot.

    `needed`: the p-value that it has to have. `objection`: what its frames were refused for.
    """
    refusal = (
        _not_usual(candidate, scale, needed, key)
        or _no_gain(candidate, flagged, scale)
        or objection
    )
    return ShotVerdict(accepted=refusal is None, reason=refusal or "passed all tests")


def _not_usual(
    candidate: Mapping[str, float], scale: ShotScale, needed: float, key: str
) -> str | None:
    p, _, column = scale.judge(candidate, key)
    return None if p >= needed else f"p {p:.3f} is under {needed:.2f}: {WORDS[column]}"


def _no_gain(
    candidate: Mapping[str, float], flagged: Mapping[str, float], scale: ShotScale
) -> str | None:
    after, before = scale.deviations(candidate), scale.deviations(flagged)
    if after.max() > before.max() - _CLEAR_GAIN:
        return f"no clear gain: {after.max():.1f} against {before.max():.1f}"
    for name, new, old in zip(COLUMNS, after, before, strict=True):
        if new > max(old, 1.0) + _WORSE:
            return f"{WORDS[name]} got worse: {old:.1f} to {new:.1f}"
    return None
