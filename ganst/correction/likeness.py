"""Is a candidate the photo in disguise, or the output of another photo? No score says that alone.

A content score is best when the photo is given back, a colour score when the palette is pasted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F

from ganst.correction.colours import transport_colours
from ganst.correction.strategies import to_pixels
from ganst.scoring.calibration import JUDGED
from ganst.scoring.canonical import blur, canonical, correlation, native_light, to_lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from ganst.scoring.calibration import Calibration

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
# Of 25 photos by either style, mixes with four tenths of the photo came 2.4 σ and more closer than the
# network's own output, one of which passed all other tests; with a fifth of its shapes back in
# (`StrengthBlend`) 1.9 and less.
_MOST_CLOSER = 2.1
# Of 100 good outputs, half of either style, none is closer than usual for its photo by 2.0 σ. An output
# that was nudged out of a half blend, on a photo that the network changes little, was by 2.8.
_CLOSE, _AS_CLOSE = 2.3, 0.5
# How much of all change is change of coarse colours: 0.58 and more in good outputs of both bundled
# styles, 0.35 and less where the photo's own coarse colours were put back under the strokes.
_COARSE_SHARE = 0.4
_COARSE_SIGMA = 16.0  # pixels of the canonical copy
# How much of the coarse change is of colour: 0.46 and more in good outputs of 33 photos by either
# style, 0.17 and less in most photos that were given the light of the output and kept their colours.
_CHROMA_SHARE = 0.25
_ROUNDING = 0.01  # levels of 8 bit give greys a share, too
_OF_THE_LEAST = 0.5  # of what good outputs of the run have: a style may have few colours
_TINY = 1e-6
_THUMB = 16  # cells a side
_ALIKE = 0.95  # correlation of thumbnails from which two outputs count as one picture
_INDEX = {column.name: index for index, column in enumerate(JUDGED)}


def decoys(source: Tensor, candidate: Tensor, donor: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Outputs that must not look better than a good one, uint8 `[3, H, W]` each, made as asked for."""
    photo, output = source.float(), candidate.float()
    yield "the photo", source
    yield "a half blend", to_pixels((photo + output) / 2)
    if donor is not None:
        size = (int(source.shape[1]), int(source.shape[2]))
        resized = F.interpolate(donor[None], size=size, mode="bicubic", antialias=True)[0]
        yield "another photo's output", resized
    yield "its own blur", to_pixels(blur(output, 4.0))
    yield "the photo in other colours", to_pixels(transport_colours(photo, output))


def coarse_share(source: Tensor, candidate: Tensor) -> float:
    """How much of the change from `source` to `candidate` is left when it is blurred, 0..1."""
    change = canonical(candidate).float() - canonical(source).float()
    coarse = blur(change, _COARSE_SIGMA).abs().mean()
    return float(coarse / change.abs().mean().clamp_min(_TINY))


def chroma_share(source: Tensor, candidate: Tensor) -> float:
    """How much of the coarse change from `source` to `candidate` is of colour, not of light: 0..1."""
    change = blur(to_lab(canonical(candidate)) - to_lab(canonical(source)), _COARSE_SIGMA)
    whole = change.square().sum(dim=0).sqrt().mean()
    return float(change[1:].square().sum(dim=0).sqrt().mean() / whole.clamp_min(_TINY))


def close_to_the_photo(columns: Mapping[str, float], calibration: Calibration) -> str | None:
    """Say which column is beyond what outputs of the calibration have; None where none is."""
    residuals = calibration.residuals(columns)
    found = (_beyond(name, sign, residuals, calibration, _GUARD_SLACK) for name, sign in _GUARDS)
    told = next((one for one in found if one), None)
    return told and f"too close to the photo: {told}"


def closeness(columns: Mapping[str, float], calibration: Calibration) -> float:
    """How much of a step towards the photo lies in all guarded columns together, in σ of good outputs.

    The projection on the direction in which all of them are closer, whitened by their covariance: a
    blend moves every one of them a little, and none beyond its own limit.
    """
    index = np.array([_INDEX[name] for name, _ in _GUARDS])
    signs = np.array([float(sign) for _, sign in _GUARDS])
    covariance = np.linalg.inv(calibration.detector.precision)[np.ix_(index, index)]
    towards = np.linalg.solve(covariance, signs)
    residuals = calibration.residuals(columns)[index]
    return float(towards @ residuals / np.sqrt(towards @ signs))


def closer_than_the_networks(
    columns: Mapping[str, float],
    rendering: Mapping[str, float],
    calibration: Calibration,
    *,
    is_sound: bool = True,
) -> str | None:
    """Say so where it is much closer to the photo than what the network makes of that photo.

    Or clearly closer, where few good outputs are as close. `rendering`: the columns of the latter. What
    is not sound may be far from the photo by its fault: then what is usual for such a photo counts,
    where that is closer.
    """
    close, usual = closeness(columns, calibration), closeness(rendering, calibration)
    gained = close - (usual if is_sound else max(usual, 0.0))
    if gained <= (_AS_CLOSE if close > _CLOSE else _MOST_CLOSER):
        return None
    return f"too close to the photo: {gained:+.1f} σ from what the network makes of it"


def shows_in_one_place(columns: Mapping[str, float], calibration: Calibration) -> str | None:
    """Say so where one place has more of the photo than outputs of the calibration have.

    For candidates whose network's own output is faulty: it cannot say what is done to the photo there.
    """
    told = _beyond("l_photo", +1, calibration.residuals(columns), calibration)
    return told and f"the photo shows in one place: {told}"


def in_the_photos_colours(
    source: Tensor, candidate: Tensor, others: Sequence[tuple[Tensor, Tensor]]
) -> str | None:
    """Say how little of the change is coarse, or of colour, where the photo's own colours are left.

    `others`: photos of the run and their good outputs, any sizes.
    """
    return _few_coarse_changes(source, candidate) or _few_colour_changes(source, candidate, others)


def _few_coarse_changes(source: Tensor, candidate: Tensor) -> str | None:
    share = coarse_share(source, candidate)
    if share >= _COARSE_SHARE:
        return None
    return f"in the photo's own colours: {share:.0%} of the change is coarse, {_COARSE_SHARE:.0%} is the least"


def _few_colour_changes(
    source: Tensor, candidate: Tensor, others: Sequence[tuple[Tensor, Tensor]]
) -> str | None:
    share = chroma_share(source, candidate)
    if share >= _CHROMA_SHARE:
        return None
    least = min((chroma_share(*pair) for pair in others), default=1.0)
    needed = min(_CHROMA_SHARE, _OF_THE_LEAST * least - _ROUNDING)
    if share >= needed:
        return None
    return f"in the photo's own colours: {share:.0%} of the coarse change is of colour, {needed:.0%} is the least"


def another_photos(
    source: Tensor, candidate: Tensor, others: Sequence[tuple[Tensor, Tensor]]
) -> str | None:
    """Say so where it is what a generator that collapsed, or a mixed-up pair, gives: another's.

    `others`: photos and their outputs, any sizes.
    """
    thumb, photo = _thumbnail(candidate), _thumbnail(source)
    for other_photo, other in others:
        alike = correlation(thumb, _thumbnail(other))
        one_scene = correlation(photo, _thumbnail(other_photo)) >= _ALIKE
        if alike >= _ALIKE and alike > correlation(thumb, photo) and not one_scene:
            return f"it is another photo's output: thumbnails correlate by {alike:.2f}"
    return None


def _beyond(
    name: str, sign: int, residuals: np.ndarray, calibration: Calibration, slack: float = 0.0
) -> str | None:
    """Say how far out a column is, where not one in a hundred outputs of the calibration is as far."""
    index = _INDEX[name]
    found, limit = residuals[index], calibration.limits[1 if sign > 0 else 0, index]
    if sign * (found - limit) > slack:
        return f"{name} {found:+.1f} σ, limit {limit:+.1f} σ"
    return None


def _thumbnail(image: Tensor) -> Tensor:
    light = native_light(image)[None, None]
    return F.interpolate(light, size=(_THUMB, _THUMB), mode="area")[0, 0]
