"""How everything in a picture has moved from one frame to another: a field of shifts, by least squares.

Lucas and Kanade 1981, from coarse to fine, on light at a fraction of the size, beginning with the shift
of the whole (`camera`). Windows overlap, and each takes some of the equations of its surroundings and
of the picture: where there is nothing to see, such as in a sky, the movement is that of what lies
around. Where two things move apart inside of a window the field is wrong: whoever uses it compares
the frames, and trusts it where they agree.

A field is float32 `[1, 2, h, w]`, (right, down) in shares of the picture's sides: what is at x in the one
frame is at x + field in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.video.camera import camera_shift, spectrum_of

_LINES = 200  # light is looked at in half of the size, or less, down to that many lines
_LEVELS = 3
_STEPS = 2  # of least squares, at each level
_CELL = 8  # pixels of a level; a window is three of them wide, and its edges count less
_AROUND, _WHOLE = 0.1, 0.005  # share of the equations of the neighbours, of the picture
_OUTLIER = 12.0  # levels: what is off by more counts less than half
_DAMPING = 20.0  # of the equations' sums, against the noise of flat windows
_LARGEST_STEP = 2.0  # pixels of a level
_SHIFT = 0.2113  # pixels: the best one, (1 - 1 / sqrt 3) / 2
_POLE = -_SHIFT / (1 - _SHIFT)


@dataclass(frozen=True, slots=True)
class Sight:
    """A frame to compare others with: light `[1, 1, h, w]` at falling sizes, finest first."""

    light: tuple[Tensor, ...]
    equations: tuple[Tensor, ...]  # of least squares: what they have of the frame alone
    spectrum: Tensor  # of the second

    @classmethod
    def of(cls, source: Tensor) -> Sight:
        """Of a frame, uint8 `[3, H, W]`."""
        light = source.float().mean(dim=0)[None, None]
        factor = max(2, round(min(source.shape[1:]) / _LINES))
        unit = _CELL << (_LEVELS - 1)  # so that windows fill every level
        size = [unit * max(1, round(side / factor / unit)) for side in source.shape[1:]]
        levels = [F.interpolate(light, size=size, mode="bilinear", antialias=True)]
        while len(levels) < _LEVELS:
            levels.append(F.avg_pool2d(levels[-1], 2))
        return cls(tuple(levels), tuple(map(_equations, levels)), spectrum_of(levels[1][0, 0]))


def flow(a: Sight, b: Sight) -> Tensor:
    """The field from frame `a` to frame `b`."""
    shift = camera_shift((a.light[1][0, 0], a.spectrum), (b.light[1][0, 0], b.spectrum))
    field = torch.tensor(shift).reshape(1, 2, 1, 1)
    for level in reversed(range(_LEVELS)):
        for _ in range(_STEPS):
            field = _improved(field, a, b, level)
    return field


def flow_back(a: Sight, b: Sight, there: Tensor) -> Tensor:
    """The field from `b` to `a`, where that from `a` to `b` is known."""
    return _improved(-warped(there, -there), b, a, level=0)


def warped(image: Tensor, field: Tensor) -> Tensor:
    """`[1, C, H, W]` float: at x what `image` shows at x + field; its edge where that lies outside.

    Between pixels by a straight line.
    """
    return _sampled(image, _moved(field, *image.shape[2:]))


def warped_sharply(ready: Tensor, field: Tensor) -> Tensor:
    """The same of what `made_ready` gave: about as sharp as cubic, at the cost of a straight line."""
    height, width = ready.shape[2:]
    return _sampled(ready, _moved(field, height, width, _SHIFT))


def made_ready(image: Tensor) -> Tensor:
    """`[1, C, H, W]` float, for `warped_sharply`.

    A straight line blurs most in the middle between two pixels. Shifted linear interpolation draws it
    through other values, and those that many places lie on stay as they are (Blu, Thevenaz and Unser
    2004, doi:10.1109/TIP.2004.826093): a filter along each side, here as the product (1 + p z)
    (1 + p^2 z^2) (1 + p^4 z^4) of its first eight terms.
    """
    image = image * (1 - _SHIFT) ** -2
    for dim in (2, 3):
        edge, power = image.narrow(dim, 0, 1), _POLE
        for step in (1, 2, 4):
            image = _with_earlier(image, edge, dim, step, power)
            edge, power = edge * (1 + power), power * power
    return image


def inside(field: Tensor, height: int, width: int) -> Tensor:
    """Where x + field is in the picture, bool `[1, 1, height, width]`."""
    return (_moved(field, height, width).abs() <= 1).all(dim=1, keepdim=True)


def chained(first: Tensor, then: Tensor) -> Tensor:
    """The field from `a` to `c`, of those from `a` to `b` and from `b` to `c`; of the first's size."""
    return first + warped(_spread(then, *first.shape[2:]), first)


def _sampled(image: Tensor, places: Tensor) -> Tensor:
    places = places.permute(0, 2, 3, 1)
    return F.grid_sample(image, places, "bilinear", padding_mode="border", align_corners=False)


def _improved(field: Tensor, one: Sight, other: Sight, level: int) -> Tensor:
    height, width = one.light[level].shape[2:]
    off = one.light[level] - warped(other.light[level], field)
    terms = one.equations[level] / (off / _OUTLIER).square_().add_(1)
    terms[:, 3:] *= off
    xx, xy, yy, xr, yr = _summed(terms).unbind(dim=1)
    xx, yy = xx + _DAMPING, yy + _DAMPING
    size = xx * yy - xy * xy
    steps = torch.stack([(yy * xr - xy * yr) / size, (xx * yr - xy * xr) / size], dim=1)
    steps = steps.clamp(-_LARGEST_STEP, _LARGEST_STEP)
    shares = steps / torch.tensor([width, height]).reshape(1, 2, 1, 1)
    return _spread(field, *shares.shape[2:]) + shares


def _summed(terms: Tensor) -> Tensor:
    """Over windows, each with some of what is around it."""
    planes, height, width = terms.shape[1], terms.shape[2] // _CELL, terms.shape[3] // _CELL
    rows = terms.reshape(1, planes, height, _CELL, -1).sum(dim=3)
    cells = 4 * rows.reshape(1, planes, height, width, _CELL).sum(dim=4)
    near = F.pad(cells, (1, 1, 1, 1), mode="replicate")
    for _ in range(2):  # two pairs make [1, 2, 1] / 4
        near = F.avg_pool2d(near, 2, stride=1)
    around = F.avg_pool2d(F.pad(near, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return near + _AROUND * around + _WHOLE * near.mean(dim=(2, 3), keepdim=True)


def _equations(light: Tensor) -> Tensor:
    """Squares and product of the slopes to the right and down, and these: `[1, 5, h, w]`."""
    padded = F.pad(light, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([right * right, right * down, down * down, right, down], dim=1)


def _spread(field: Tensor, height: int, width: int) -> Tensor:
    if field.shape[2:] == (height, width):
        return field
    return _stretching(height, field.shape[2]) @ field @ _stretching(width, field.shape[3]).T


@lru_cache(maxsize=32)
def _stretching(length: int, points: int) -> Tensor:
    """`[length, points]`: what draws straight lines between the points of a line that becomes longer."""
    steps = torch.eye(points)[None]
    return F.interpolate(steps, size=length, mode="linear", align_corners=False)[0].T.contiguous()


def _with_earlier(image: Tensor, edge: Tensor, dim: int, step: int, power: float) -> Tensor:
    """`power` times what lies `step` places before is added; before the first place lies `edge`."""
    made = torch.empty_like(image)
    step = min(step, image.shape[dim])
    rest = image.shape[dim] - step
    first, later = (image.narrow(dim, *part) for part in ((0, step), (step, rest)))
    torch.add(first, edge, alpha=power, out=made.narrow(dim, 0, step))
    torch.add(later, image.narrow(dim, 0, rest), alpha=power, out=made.narrow(dim, step, rest))
    return made


def _moved(field: Tensor, height: int, width: int, before: float = 0.0) -> Tensor:
    """Where x + field lies for all pixels x, in -1..1, (right, down), `[1, 2, H, W]`.

    `before`: pixels to the left of and above it.
    """
    across = field[0] @ _stretching(width, field.shape[3]).T
    down = _stretching(height, field.shape[2]).expand(2, -1, -1)
    return torch.baddbmm(_places(height, width, before), down, across, alpha=2)[None]


@lru_cache(maxsize=8)
def _places(height: int, width: int, before: float) -> Tensor:
    """Of all pixels in -1..1, (right, down), `[2, H, W]`; or `before` them."""
    rows, cols = (((torch.arange(n) - before) * 2 + 1) / n - 1 for n in (height, width))
    return torch.stack(torch.meshgrid(cols, rows, indexing="xy"))
