"""Whether a candidate may replace a flagged output. Optimism is the enemy here: any doubt refuses.

A content score alone is best when the photo is given back, a colour score when the palette is
pasted; so a candidate must also beat decoys that do exactly that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ganst.correction.colours import transport_colours
from ganst.scoring.calibration import FAMILIES, JUDGED, MEMBERS
from ganst.scoring.canonical import blur, canonical, correlation, native_light
from ganst.scoring.conformal import p_value
from ganst.scoring.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ganst.scoring.calibration import Calibration, Judgement

MIN_P = 0.10
_FAMILY_ALPHA = 0.05
_FAMILY_SAFE = 0.20
# Columns that tell how close an output is to the photo, and the direction in which it is closer.
_GUARDS = (
    ("p_affine", -1),
    ("p_fine", +1),
    ("p_middle", +1),
    ("p_delta", -1),
    ("s_gain", +1),
)
# Photos unlike those of the calibration scatter more: of 32 good outputs of such photos six lay
# beyond the limits by up to 0.7 σ, and no bad candidate of `tests/benchmarks/gaming.py` gains by it.
_GUARD_SLACK = 0.75
# How much of all change is change of coarse colours: 0.58 and more in good outputs of both bundled
# styles, 0.35 and less where the photo's own coarse colours were put back under the strokes.
_COARSE_SHARE = 0.4
_COARSE_SIGMA = 16.0  # pixels of the canonical copy
_THUMB = 16  # cells a side
_ALIKE = 0.95  # correlation of thumbnails from which two outputs count as one picture
_INDEX = {column.name: index for index, column in enumerate(JUDGED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The flagged output that is to be replaced; pixels and judgement None if it was unreadable."""

    pixels: Tensor | None
    judgement: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a candidate is tried with.

    `others`: other photos of the run and their good outputs, any sizes; the first output serves as
    a decoy. `recompress`: write as JPEG 95, read back; `key`: breaks ties of p-values; `ignored`:
    families of columns that made the candidate, which therefore prove nothing.
    """

    calibration: Calibration
    alpha: float
    others: Sequence[tuple[Tensor, Tensor]]
    recompress: Callable[[Tensor], Tensor]
    key: str
    ignored: tuple[str, ...] = ()

    def judge(self, columns: Mapping[str, float]) -> Judgement:
        """A judgement in which the ignored columns have no say; all others count for more."""
        judgement = self.calibration.judge(columns, self.key)
        return _without(self, columns, judgement) if self.ignored else judgement


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
    """Judge uint8 `[3, H, W]`; `siblings` are the candidates before it.

    The tests, in the order of their cost: it is a new image of the right size; usual by more than
    luck, for as many tries; no family of columns lost; not close to the photo; not another photo's
    output; steady under harmless changes and better than the flagged one by more than they move it;
    better than every decoy.
    """
    if candidate.shape != source.shape:
        raise ValueError(f"photo is {list(source.shape)}, its candidate {list(candidate.shape)}")
    columns = measure(source, candidate, bench.calibration.reference)
    judgement = bench.calibration.judge(columns, bench.key)
    tried = len(siblings) + 1
    objection = (
        _not_new(source, candidate, parent, siblings)
        or _not_a_number(columns)
        or _not_normal(judgement, columns, bench, tried)
        or _loses_a_family(judgement, parent.judgement, bench.ignored)
        or _close_to_the_photo(columns, bench.calibration)
        or _in_the_photos_colours(source, candidate)
        or _not_steady(source, candidate, columns, parent, bench, tried)
        or _another_photos(source, candidate, bench.others)
        or _beaten_by_a_decoy(source, candidate, bench.judge(columns), bench)
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
        "the photo in other colours": _to_pixels(transport_colours(photo, output)),
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


def _not_a_number(columns: Mapping[str, float]) -> str | None:
    odd = [name for name, value in columns.items() if not math.isfinite(value)]
    return f"columns that are no numbers: {', '.join(odd)}" if odd else None


def _not_normal(
    judgement: Judgement, columns: Mapping[str, float], bench: Bench, tried: int
) -> str | None:
    needed = acceptance_level(bench.alpha, tried)
    if judgement.p_anomaly <= bench.alpha:
        return f"p {judgement.p_anomaly:.3f} is under {needed:.2f}: {judgement.evidence}"
    p = bench.judge(columns).p_anomaly
    if p >= needed:
        return None
    which = f" without {'/'.join(bench.ignored)} columns" if bench.ignored else ""
    return f"p {p:.3f}{which} is under {needed:.2f}: {judgement.evidence}"


def _loses_a_family(
    judgement: Judgement, parent: Judgement | None, ignored: tuple[str, ...]
) -> str | None:
    for family in FAMILIES:
        if family in ignored:
            continue
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


def _another_photos(
    source: Tensor, candidate: Tensor, others: Sequence[tuple[Tensor, Tensor]]
) -> str | None:
    """A generator that collapsed, or a mixed-up pair, gives what another photo was given."""
    thumb, photo = _thumbnail(candidate), _thumbnail(source)
    for other_photo, other in others:
        alike = correlation(thumb, _thumbnail(other))
        one_scene = correlation(photo, _thumbnail(other_photo)) >= _ALIKE
        if alike >= _ALIKE and alike > correlation(thumb, photo) and not one_scene:
            return f"it is another photo's output: thumbnails correlate by {alike:.2f}"
    return None


def _not_steady(
    source: Tensor,
    candidate: Tensor,
    columns: Mapping[str, float],
    parent: Parent,
    bench: Bench,
    tried: int,
) -> str | None:
    """Score benign copies too and take the worst: a pixel-exact exploit does not survive them."""
    copies = [_judge(bench, *pair) for pair in benign_copies(source, candidate, bench.recompress)]
    scores = [bench.judge(columns).anomaly, *(copy.anomaly for copy in copies)]
    worst_p = min(copy.p_anomaly for copy in copies)
    needed = acceptance_level(bench.alpha, tried)
    if worst_p < needed:
        return f"a benign copy has p {worst_p:.3f}, under {needed:.2f}"
    before, margin = _anomaly_of(parent, source, bench), 2 * _deviation(scores)
    if before is not None and max(scores) > before - margin:
        return f"no clear gain: anomaly {max(scores):.1f} against {before:.1f}"
    return None


def _anomaly_of(parent: Parent, source: Tensor, bench: Bench) -> float | None:
    """By the same columns as the candidate's; None where there is nothing to be better than."""
    if parent.judgement is None:
        return None
    if not bench.ignored or parent.pixels is None:
        return parent.judgement.anomaly
    return _judge(bench, source, parent.pixels).anomaly


def _beaten_by_a_decoy(
    source: Tensor, candidate: Tensor, judgement: Judgement, bench: Bench
) -> str | None:
    donor = bench.others[0][1] if bench.others else None
    for name, decoy in decoys(source, candidate, donor).items():
        if _judge(bench, source, decoy).anomaly <= judgement.anomaly:
            return f"{name} scores better"
    return None


def _judge(bench: Bench, source: Tensor, output: Tensor) -> Judgement:
    return bench.judge(measure(source, output, bench.calibration.reference))


def _without(bench: Bench, columns: Mapping[str, float], judgement: Judgement) -> Judgement:
    """`judgement` with the ignored columns at what the others lead one to expect of them.

    That makes the Mahalanobis distance the one of the others alone, which is smaller for their
    fewer number; it is scaled up by as much, so that leaving columns out is no way to pass.
    """
    calibration = bench.calibration
    residuals, precision = calibration.residuals(columns), calibration.detector.precision
    out = np.sort(np.concatenate([MEMBERS[family] for family in bench.ignored]))
    kept = np.setdiff1d(np.arange(len(residuals)), out)
    pull = precision[np.ix_(out, kept)] @ residuals[kept]
    residuals[out] = -np.linalg.solve(precision[np.ix_(out, out)], pull)
    deviations = calibration.detector.deviations(residuals[None])[0]
    deviations[0] *= len(residuals) / len(kept)
    score = calibration.anomaly(columns, deviations)
    p = p_value(score, calibration.scores, bench.key)
    return replace(judgement, anomaly=score, p_anomaly=p)


def _thumbnail(image: Tensor) -> Tensor:
    light = native_light(image)[None, None]
    return F.interpolate(light, size=(_THUMB, _THUMB), mode="area")[0, 0]


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _trim(image: Tensor) -> Tensor:
    """Cut 1 % off every side."""
    down, right = (max(1, round(length * 0.01)) for length in image.shape[1:])
    return image[:, down:-down, right:-right].contiguous()


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


def _to_pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
