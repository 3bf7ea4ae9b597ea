"""Outputs of different photos that are the same picture: found over a whole run in O(n).

A fingerprint is 64 bits: which of the 8 x 8 slowest cosines of the 32-px light plane exceed their
median. Copies, other sizes and JPEG files of a picture differ in a few of them, other pictures in
about half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dctn

from ganst.scoring.canonical import native_light

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SAME = 3  # bits at most between two outputs that are the same picture
OTHER = 12  # bits at least between two photos that are not
_SIDE = 32
_BITS = 64
_BAND = 16  # of 4 bands of 16 bits, one is equal where at most 3 bits differ


def fingerprint(pixels: Tensor) -> int:
    """The fingerprint of uint8 `[3, H, W]`, 0 to 2**64 - 1."""
    height = pixels.shape[1]
    # A line of the small image at a time: in floats a photo of 100 MP would take 1.6 GB.
    lines = [
        _line(pixels[:, i * height // _SIDE : -(-(i + 1) * height // _SIDE)]) for i in range(_SIDE)
    ]
    small = torch.cat(lines)
    slow = dctn(small.double().numpy(), norm="ortho")[:8, :8].flatten()
    bits = slow > np.median(slow[1:]) + 1e-9
    return int(np.packbits(bits).view(">u8")[0])


def _line(pixels: Tensor) -> Tensor:
    """Mean light of uint8 `[3, h, W]`, `[1, _SIDE]`."""
    return F.interpolate(native_light(pixels)[None, None], size=(1, _SIDE), mode="area")[0, 0]


def twins(outputs: Sequence[int], photos: Sequence[int]) -> list[int | None]:
    """For each output the first earlier one that is the same picture of another photo; else None.

    Every output is compared with the first of each lot of equal pictures that shares a band of bits
    with it: a run of n outputs takes O(n), whether all differ or all are the same.
    """
    # By band and its bits the last first one of a lot, by band and output the one before it: as lists
    # in dicts they would be a gigabyte of a million outputs.
    last = np.full((_BITS // _BAND, 1 << _BAND), -1, dtype=np.int32)
    before = np.full((_BITS // _BAND, len(outputs)), -1, dtype=np.int32)
    found: list[int | None] = []
    for index, output in enumerate(outputs):
        keys = _bands(output)
        leaders = dict.fromkeys(one for key in keys for one in _lot(last[key], before[key[0]]))
        same = [one for one in leaders if _distance(output, outputs[one]) <= SAME]
        other = (one for one in same if _distance(photos[index], photos[one]) >= OTHER)
        found.append(next(other, None))
        if not same:
            for key in keys:
                before[key[0], index], last[key] = last[key], index
    return found


def _lot(last: int, before: np.ndarray) -> list[int]:
    """All that lead up to `last`, the earliest first."""
    found = []
    while last >= 0:
        found.append(int(last))
        last = before[last]
    return found[::-1]


def _bands(value: int) -> list[tuple[int, int]]:
    """Number and bits of each band."""
    return [
        (start // _BAND, value >> start & ((1 << _BAND) - 1)) for start in range(0, _BITS, _BAND)
    ]


def _distance(a: int, b: int) -> int:
    return (a ^ b).bit_count()
