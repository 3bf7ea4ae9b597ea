"""How much of the photo is in a candidate again, beside what the network makes of that photo.

Told by the pixels: columns can be nudged back to usual, a mix with the photo stays one.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import torch.nn.functional as F

from ganst.scoring.canonical import blur, canonical, native_light

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# How much of the detail that the network takes out is in again: half of it in half blends, nudged or not;
# 0.24 and less in what strategies made of eight photos by either style, 0.52 and more of light alone.
_MOST_GIVEN_BACK = 0.35
_LEAST_TAKEN = 0.1  # of detail that is all but kept no share can be told
_COLOURS_KEPT = 0.2  # of the way from the photo's colours to the network's
_LEAST_CHANGE = 1.0  # levels of colour; by less nothing is told of greys
# A quarter of either side is a place. Of the change that the network makes of the photo there, good candidates
# of 24 photos by either style had 0.30 and more in every place, those with the photo pasted in 0.17 and less.
_PLACE, _MOST_UNCHANGED = 4, 0.22
_NO_CHANGE = 1.0  # levels: where the network changes no more, nothing is told
# How much of the network's change a candidate has: 0.72 and more in what strategies made of 20 photos by either
# fast style, 0.50 in half blends however they were nudged. (A checkpoint of a training's first tenth: 0.22 to 0.69.)
_LEAST_OF_THE_WAY = 0.65
_TINY = 1e-6


def detail_kept(source: Tensor, output: Tensor) -> float:
    """How much of the photo's finest detail an output has: the slope of its regression on the photo's.

    Of uint8 `[3, H, W]` both. Noise and strokes that are laid over it do not change it on average, as they do
    a correlation. 1 for the photo, 0 where nothing of it is left or was in it, less than 0 for its negative.
    """
    photo, other = (_finest(image) for image in (source, output))
    return float((photo * other).sum() / photo.square().sum().clamp_min(_TINY))


def detail_given_back(
    source: Tensor,
    candidate: Tensor,
    rendering: Tensor,
    others: Sequence[tuple[Tensor, Tensor]] = (),
) -> str | None:
    """Say so where much of the detail that the network takes out of the photo is in the candidate again.

    A blend with the photo has its share of it, whatever else is done to it. Edges given back in light
    alone (`RestoredStructure`) are no blend. `others`, where the rendering is not sound: photos and their good
    outputs, which may keep more than that one.
    """
    kept = [detail_kept(source, rendering), 0.0]
    kept += [statistics.median(detail_kept(*pair) for pair in others)] if others else []
    usual = max(kept)
    share = (detail_kept(source, candidate) - usual) / max(1 - usual, _LEAST_TAKEN)
    if share <= _MOST_GIVEN_BACK or _is_of_light(source, candidate, rendering):
        return None
    return f"too close to the photo: {share:.0%} of the detail that the network takes out of it is back"


def too_little_changed(source: Tensor, candidate: Tensor, rendering: Tensor) -> str | None:
    """Say so where much less is done to the photo than the network does, in one place or all in all.

    Uint8 `[3, H, W]` all.
    """
    photo = canonical(source).float()
    mine, networks = (canonical(one).float() - photo for one in (candidate, rendering))
    return photo_in_one_place(mine, networks) or little_of_the_way(mine, networks)


def photo_in_one_place(mine: Tensor, networks: Tensor) -> str | None:
    """Say so where a place of the photo is all but unchanged that the network changes.

    Changes of the photo in levels, `[3, h, w]` of the canonical copy both. The means that other guards look at have
    three quarters of a good output in them.
    """
    mine, networks = (_by_place(change) for change in (mine, networks))
    least = float(((mine + _NO_CHANGE) / (networks + _NO_CHANGE)).min())
    if least > _MOST_UNCHANGED:
        return None
    return f"the photo shows in one place: changed by {least:.0%} of what the network changes there"


def little_of_the_way(mine: Tensor, networks: Tensor) -> str | None:
    """Say so where it goes little of the way from the photo to what the network makes of it.

    Of changes, as above: the projection of its own on the network's. A mix with the photo has its share of the
    way; what it is nudged by lies beside it. Other guards fail where a dull photo has no detail to lose.
    """
    if float(networks.abs().mean()) < _NO_CHANGE:
        return None
    share = float((mine * networks).sum() / networks.square().sum())
    if share >= _LEAST_OF_THE_WAY:
        return None
    return f"too close to the photo: {share:.0%} of the way to what the network makes of it"


def _by_place(change: Tensor) -> Tensor:
    means = change.abs().mean(dim=0)[None, None]
    sides = [max(1, length // _PLACE) for length in means.shape[2:]]
    return F.avg_pool2d(means, sides, stride=[max(1, side // 3) for side in sides])


def _finest(image: Tensor) -> Tensor:
    light = 255 * native_light(image)[None]
    # From one of its own pixels on: what is plain is 0 and stays it, where a blur would round any other level.
    light = light - light[:, :1, :1]
    return light - blur(light, 1.0)


def _is_of_light(source: Tensor, candidate: Tensor, rendering: Tensor) -> bool:
    """Whether `candidate` has the colours of `rendering`; not where those are the photo's own."""
    photo, mine, networks = (_chroma(canonical(one)) for one in (source, candidate, rendering))
    changed, off = (float(one.sub(networks).square().mean().sqrt()) for one in (photo, mine))
    return changed > _LEAST_CHANGE and off < _COLOURS_KEPT * changed


def _chroma(image: Tensor) -> Tensor:
    colours = image.float() - 255 * native_light(image)
    return blur(colours, 2.0)  # wider than what JPEG leaves of colours
