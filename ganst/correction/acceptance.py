"""Whether a candidate may replace a flagged output. Optimism is the enemy here: any doubt refuses.

A content score alone is best when the photo is given back, a colour score when the palette is
pasted; so a candidate must also beat decoys that do exactly that (`likeness`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ganst.correction.likeness import (
    another_photos,
    close_to_the_photo,
    closer_than_the_networks,
    decoys,
    in_the_photos_colours,
    shows_in_one_place,
)
from ganst.correction.photo_share import detail_given_back, too_little_changed
from ganst.scoring.calibration import FAMILIES
from ganst.scoring.canonical import open_canvas
from ganst.scoring.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from ganst.correction.bench import Bench, Parent
    from ganst.scoring.calibration import Judgement

MIN_P = 0.10
_FAMILY_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Accepted or not, why not, and the candidate's own columns and judgement.

    `anomaly`: by the columns that have a say. `is_genuine`: an output of this photo, though it may
    be a poor one: not the photo itself, not another's, none that was there before. `is_close`: it
    may be the photo in disguise.
    """

    accepted: bool
    reason: str
    columns: dict[str, float]
    judgement: Judgement
    anomaly: float
    is_genuine: bool
    is_close: bool


def try_candidate(
    source: Tensor, candidate: Tensor, parent: Parent, siblings: Sequence[Tensor], bench: Bench
) -> Verdict:
    """Judge uint8 `[3, H, W]`; `siblings` are the candidates before it.

    First whether it is genuine: a new image, not another photo's output; and not close to the photo.
    Then whether it is good: usual by more than luck, for as many tries, also among the outputs of
    its run; no family of columns lost; steady under harmless changes and better than the flagged
    one by more than they move it; better than every decoy.

    What has again the bytes that the network first gave was chosen by nobody: like every first output
    it is good unless it is flagged.
    """
    if candidate.shape != source.shape:
        raise ValueError(f"photo is {list(source.shape)}, its candidate {list(candidate.shape)}")
    columns = measure(source, candidate, bench.calibration.reference)
    judgement, counted = bench.calibration.judge(columns, bench.key), bench.judge(columns)
    # The flagged output once more was no try: nothing could be chosen.
    tried = 1 + sum(
        parent.pixels is None or not _same(sibling, parent.pixels) for sibling in siblings
    )
    suspicion = (
        _not_new(source, candidate, parent, siblings)
        or _not_a_number(columns)
        or another_photos(source, candidate, bench.others)
    )
    closeness = suspicion or (
        close_to_the_photo(columns, bench.calibration)
        or in_the_photos_colours(source, candidate, bench.others)
    )
    # Cheapest first: these four take no time, copies and decoys are measured one by one.
    objection = (
        suspicion or _would_be_flagged(judgement, columns, bench)
        if bench.restored
        else closeness
        or _not_normal(judgement, counted, bench, tried)
        or _not_usual_in_the_run(columns, bench)
        or _loses_a_family(judgement, parent.judgement, bench)
        or _closer_than_the_networks(source, candidate, columns, bench)
        or _not_steady(source, candidate, counted, parent, bench, tried)
        or _beaten_by_a_decoy(source, candidate, columns, counted, bench)
    )
    return Verdict(
        accepted=objection is None,
        reason=objection or "passed all tests",
        columns=columns,
        judgement=judgement,
        anomaly=counted.anomaly,
        is_genuine=suspicion is None,
        is_close=closeness is not None,
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
        or close_to_the_photo(columns, bench.calibration)
        or in_the_photos_colours(source, candidate, bench.others)
        or _beaten_by_a_decoy(source, candidate, columns, judgement, bench)
    )
    return judgement, objection


def acceptance_level(alpha: float, tried: int) -> float:
    """The p a candidate needs: choosing among `tried` ones is a multiple test."""
    return max(MIN_P, tried * alpha)


def benign_copies(
    source: Tensor, candidate: Tensor, recompress: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs that a person would call the same: recompressed, cut by a pixel, trimmed.

    Not rescaled: even by 0.98 that blurs the finest detail, which the native columns rightly see.
    Not mirrored: strokes may lean one way.
    """
    yield source, recompress(candidate)
    yield source[:, 1:, 1:].contiguous(), candidate[:, 1:, 1:].contiguous()
    yield _trim(source), _trim(candidate)


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


def _would_be_flagged(
    judgement: Judgement, columns: Mapping[str, float], bench: Bench
) -> str | None:
    if judgement.p_anomaly <= bench.alpha:
        return (
            f"as it was first it is flagged, too: p {judgement.p_anomaly:.3f}: {judgement.evidence}"
        )
    return _not_usual_in_the_run(columns, bench)


def _not_normal(judgement: Judgement, counted: Judgement, bench: Bench, tried: int) -> str | None:
    needed = acceptance_level(bench.alpha, tried)
    if judgement.p_anomaly <= bench.alpha:
        return f"p {judgement.p_anomaly:.3f} is under {needed:.2f}: {judgement.evidence}"
    if counted.p_anomaly >= needed:
        return None
    which = f" without {'/'.join(bench.ignored)} columns" if bench.ignored else ""
    return f"p {counted.p_anomaly:.3f}{which} is under {needed:.2f}: {judgement.evidence}"


def _not_usual_in_the_run(columns: Mapping[str, float], bench: Bench) -> str | None:
    """Where the photos have moved, p is a ranking: a candidate must not stand out of its run, too."""
    p = bench.relative_p(columns)
    if p is None or p > bench.alpha:
        return None
    return f"it stands out among the outputs of this run: p relative to them {p:.3f}"


def _closer_than_the_networks(
    source: Tensor, candidate: Tensor, columns: Mapping[str, float], bench: Bench
) -> str | None:
    known = bench.rendering
    if known is None:
        return None
    judged = bench.calibration.judge(known.columns, bench.key)
    is_sound = judged.p_anomaly > bench.alpha
    told = closer_than_the_networks(columns, known.columns, bench.calibration, is_sound=is_sound)
    if told or known.pixels is None:
        return told
    shows = (
        too_little_changed(source, candidate, known.pixels)
        if is_sound
        else shows_in_one_place(columns, bench.calibration)
    )
    return shows or detail_given_back(
        source, candidate, known.pixels, () if is_sound else bench.others
    )


def _loses_a_family(judgement: Judgement, parent: Judgement | None, bench: Bench) -> str | None:
    for family in FAMILIES:
        if family in bench.ignored:
            continue
        after = getattr(judgement, f"p_{family}")
        before = getattr(parent, f"p_{family}") if parent else 1.0
        lost = before >= _FAMILY_ALPHA > after
        # Above the level that is asked of the whole, half of a p is luck: each family of one good
        # output in five is below .20, in one of ten below .10.
        halved = after < before / 2 and after < MIN_P and parent is not None
        if lost or halved:
            return f"{family} got worse: p {before:.3f} to {after:.3f}"
    return None


def _not_steady(
    source: Tensor,
    candidate: Tensor,
    counted: Judgement,
    parent: Parent,
    bench: Bench,
    tried: int,
) -> str | None:
    """Score benign copies too and take the worst: a pixel-exact exploit does not survive them."""
    needed = acceptance_level(bench.alpha, tried)
    before = _anomaly_of(parent, source, bench)
    scores = [counted.anomaly]
    for pair in benign_copies(source, candidate, bench.recompress):
        if before is not None and max(scores) > before:  # and further copies only raise the bar
            break
        copy = bench.judge_image(*pair)
        if copy.p_anomaly < needed:
            return f"a benign copy has p {copy.p_anomaly:.3f}, under {needed:.2f}"
        scores.append(copy.anomaly)
    if before is not None and max(scores) > before - 2 * _deviation(scores):
        return f"no clear gain: anomaly {max(scores):.1f} against {before:.1f}"
    return None


def _anomaly_of(parent: Parent, source: Tensor, bench: Bench) -> float | None:
    """By the same columns as the candidate's; None where there is nothing to be better than."""
    if parent.judgement is None:
        return None
    if not bench.ignored or parent.pixels is None:
        return parent.judgement.anomaly
    return bench.judge_image(source, parent.pixels).anomaly


def _beaten_by_a_decoy(
    source: Tensor,
    candidate: Tensor,
    columns: Mapping[str, float],
    judgement: Judgement,
    bench: Bench,
) -> str | None:
    photo = open_canvas(source)
    donor = bench.others[0][1] if bench.others else None
    for name, decoy in decoys(source, candidate, donor):
        if bench.surpasses(photo, decoy, columns, judgement.anomaly):
            continue
        if bench.judge_image(source, decoy).anomaly <= judgement.anomaly:
            return f"{name} scores better"
    return None


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _trim(image: Tensor) -> Tensor:
    """Cut 1 % off every side."""
    down, right = (max(1, round(length * 0.01)) for length in image.shape[1:])
    return image[:, down:-down, right:-right].contiguous()


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)
