"""Whether a candidate may replace a flagged output. Optimism is the enemy here: any doubt refuses.

A content score alone is best when the photo is given back, a colour score when the palette is
pasted; so a candidate must also beat decoys that do exactly that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.calibration import FAMILIES, JUDGED
from ganst.scoring.canonical import blur, canonical
from ganst.scoring.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ganst.scoring.calibration import Calibration, Judgement

MIN_P = 0.10
_FAMILY_ALPHA = 0.05
_FAMILY_SAFE = 0.20
# Columns that tell how close an output is to the photo, and the direction in which it is closer.
_GUARDS = (("p_affine", -1), ("p_fine", +1), ("p_middle", +1), ("s_gain", +1))
# Photos unlike those of the calibration scatter more: of 32 good outputs of such photos six lay
# beyond the limits by up to 0.7 σ, and no bad candidate of `tests/benchmarks/gaming.py` gains by it.
_GUARD_SLACK = 0.75
# How much of all change is change of coarse colours: 0.58 and more in good outputs of both bundled
# styles, 0.35 and less where the photo's own coarse colours were put back under the strokes.
_COARSE_SHARE = 0.4
_COARSE_SIGMA = 16.0  # pixels of the canonical copy
_INDEX = {column.name: index for index, column in enumerate(JUDGED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The flagged output that is to be replaced; pixels and judgement None if it was unreadable."""

    pixels: Tensor | None
    judgement: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a candidate is tried with.

    `donor`: another source's output, any size, or None; `recompress`: write as JPEG 95, read back;
    `key`: breaks ties of p-values.
    """

    calibration: Calibration
    alpha: float
    donor: Tensor | None
    recompress: Callable[[Tensor], Tensor]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Accepted or not, why not, and the candidate's own columns and judgement."""

    accepted: bool
    reason: str
    columns: dict[str, float]
    judgement: Judgement


def try_candidate(
    source: Tensor, candidate: Tensor, parent: Parent, siblings: Sequence[Tensor], bench: Bench
) -> Verdict:
    """Judge uint8 `[3, H, W]` after anomaly tests 1-5; `siblings` are the candidates before it."""
    columns = measure(source, candidate, bench.calibration.reference)
    judgement = bench.calibration.judge(columns, bench.key)
    tried = len(siblings) + 1
    objection = (
        _not_new(source, candidate, parent, siblings)
        or _not_normal(judgement, bench.alpha, tried)
        or _loses_a_family(judgement, parent.judgement)
        or _close_to_the_photo(columns, bench.calibration)
        or _in_the_photos_colours(source, candidate)
        or _not_steady(source, candidate, judgement, parent.judgement, bench, tried)
        or _beaten_by_a_decoy(source, candidate, judgement, bench)
    )
    return Verdict(
        accepted=objection is None,
        reason=objection or "passed all tests",
        columns=columns,
        judgement=judgement,
    )


def objection_to_frame(
    source: Tensor, candidate: Tensor, bench: Bench
) -> tuple[Judgement, str | None]:
    """Judge a frame of a clip by the tests that tell an output from the photo in disguise.

    What is flagged there is the shot, whose own scores say whether it has become better.
    """
    columns = measure(source, candidate, bench.calibration.reference)
    judgement = bench.calibration.judge(columns, bench.key)
    objection = (
        ("it is the source itself" if torch.equal(candidate, source) else None)
        or _close_to_the_photo(columns, bench.calibration)
        or _in_the_photos_colours(source, candidate)
        or _beaten_by_a_decoy(source, candidate, judgement, bench)
    )
    return judgement, objection


def acceptance_level(alpha: float, tried: int) -> float:
    """The p a candidate needs: choosing among `tried` ones is a multiple test."""
    return max(MIN_P, tried * alpha)


def decoys(source: Tensor, candidate: Tensor, donor: Tensor | None) -> dict[str, Tensor]:
    """Outputs that must not look better than a good one, uint8 `[3, H, W]` each."""
    photo, output = source.float(), candidate.float()
    found = {
        "the photo": source,
        "the photo in other colours": _to_pixels(_match_colours(photo, output)),
        "a half blend": _to_pixels((photo + output) / 2),
        "its own blur": _to_pixels(blur(output, 4.0)),
    }
    if donor is not None:
        size = (int(source.shape[1]), int(source.shape[2]))
        resized = F.interpolate(donor[None], size=size, mode="bicubic", antialias=True)[0]
        found["another photo's output"] = resized
    return found


def coarse_share(source: Tensor, candidate: Tensor) -> float:
    """How much of the change from `source` to `candidate` is left when it is blurred, 0..1."""
    change = canonical(candidate).float() - canonical(source).float()
    coarse = blur(change, _COARSE_SIGMA).abs().mean()
    return float(coarse / change.abs().mean().clamp_min(1e-6))


def benign_copies(
    source: Tensor, candidate: Tensor, recompress: Callable[[Tensor], Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Pairs that a person would call the same: recompressed, cut by a pixel, trimmed.

    Not rescaled: even by 0.98 that blurs the finest detail, which the native columns rightly see.
    Not mirrored: strokes may lean one way.
    """
    return [
        (source, recompress(candidate)),
        (source[:, 1:, 1:].contiguous(), candidate[:, 1:, 1:].contiguous()),
        (_trim(source), _trim(candidate)),
    ]


def _not_new(
    source: Tensor, candidate: Tensor, parent: Parent, siblings: Sequence[Tensor]
) -> str | None:
    if torch.equal(candidate, source):
        return "it is the photo itself"
    if parent.pixels is not None and _same(candidate, parent.pixels):
        return "it is the flagged output itself"
    if any(_same(candidate, sibling) for sibling in siblings):
        return "an earlier candidate was the same"
    return None


def _not_normal(judgement: Judgement, alpha: float, tried: int) -> str | None:
    needed = acceptance_level(alpha, tried)
    if judgement.p_anomaly >= needed:
        return None
    return f"p {judgement.p_anomaly:.3f} is under {needed:.2f}: {judgement.evidence}"


def _loses_a_family(judgement: Judgement, parent: Judgement | None) -> str | None:
    for family in FAMILIES:
        after = getattr(judgement, f"p_{family}")
        before = getattr(parent, f"p_{family}") if parent else 1.0
        lost = before >= _FAMILY_ALPHA > after
        halved = after < before / 2 and after < _FAMILY_SAFE and parent is not None
        if lost or halved:
            return f"{family} got worse: p {before:.3f} to {after:.3f}"
    return None


def _close_to_the_photo(columns: dict[str, float], calibration: Calibration) -> str | None:
    residuals = calibration.residuals(columns)
    for name, sign in _GUARDS:
        index = _INDEX[name]
        limit = calibration.limits[1 if sign > 0 else 0, index]
        if sign * (residuals[index] - limit) > _GUARD_SLACK:
            return f"too close to the photo: {name} {residuals[index]:+.1f} σ, limit {limit:+.1f} σ"
    return None


def _in_the_photos_colours(source: Tensor, candidate: Tensor) -> str | None:
    share = coarse_share(source, candidate)
    if share >= _COARSE_SHARE:
        return None
    return f"in the photo's own colours: {share:.0%} of the change is coarse, {_COARSE_SHARE:.0%} is the least"


def _not_steady(
    source: Tensor,
    candidate: Tensor,
    judgement: Judgement,
    parent: Judgement | None,
    bench: Bench,
    tried: int,
) -> str | None:
    """Score benign copies too and take the worst: a pixel-exact exploit does not survive them."""
    copies = [_judge(bench, *pair) for pair in benign_copies(source, candidate, bench.recompress)]
    scores = [judgement.anomaly, *(copy.anomaly for copy in copies)]
    worst_p = min(copy.p_anomaly for copy in copies)
    needed = acceptance_level(bench.alpha, tried)
    if worst_p < needed:
        return f"a benign copy has p {worst_p:.3f}, under {needed:.2f}"
    margin = 2 * _deviation(scores)
    if parent is not None and max(scores) > parent.anomaly - margin:
        return f"no clear gain: anomaly {max(scores):.1f} against {parent.anomaly:.1f}"
    return None


def _beaten_by_a_decoy(
    source: Tensor, candidate: Tensor, judgement: Judgement, bench: Bench
) -> str | None:
    for name, decoy in decoys(source, candidate, bench.donor).items():
        if _judge(bench, source, decoy).anomaly <= judgement.anomaly:
            return f"{name} scores better"
    return None


def _judge(bench: Bench, source: Tensor, output: Tensor) -> Judgement:
    columns = measure(source, output, bench.calibration.reference)
    return bench.calibration.judge(columns, bench.key)


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _match_colours(photo: Tensor, output: Tensor) -> Tensor:
    """The photo with the output's mean and spread in every channel (Reinhard 2001, in RGB)."""
    centre, spread = photo.mean(dim=(1, 2), keepdim=True), photo.std(dim=(1, 2), keepdim=True)
    wanted, width = output.mean(dim=(1, 2), keepdim=True), output.std(dim=(1, 2), keepdim=True)
    return (photo - centre) / (spread + 1) * width + wanted


def _trim(image: Tensor) -> Tensor:
    """Cut 1 % off every side."""
    down, right = (max(1, round(length * 0.01)) for length in image.shape[1:])
    return image[:, down:-down, right:-right].contiguous()


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


def _to_pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
