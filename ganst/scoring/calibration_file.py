"""The file of a calibration: safetensors with one JSON entry of metadata, of this layout or older ones."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from ganst.scoring.columns import COLUMNS, SCORER_VERSION
from ganst.scoring.seams import SAME_LINES

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYOUT = 8
_OLDER = ((4, "5"), (5, "6"), (6, "6"), (7, "6"))  # layout and scorer version of files still read
_JUDGED = sum(column.family != "source" for column in COLUMNS)


class CalibrationError(ValueError):
    """The bytes are no calibration of this program."""


def id_of(data: bytes) -> str:
    """16 hex digits that change with anything in the file."""
    return hashlib.sha256(data).hexdigest()[:16]


def parse(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of any layout. Raises `CalibrationError` for other files."""
    try:
        arrays = load(data)
        (length,) = struct.unpack("<Q", data[:8])
        return dict(json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["ganst"])), arrays
    except (SafetensorError, struct.error, ValueError, KeyError, TypeError) as error:
        raise CalibrationError(f"not a calibration file: {error}") from error


def read(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays, as of this layout. Raises `CalibrationError` for another scorer version's."""
    header, arrays = parse(data)
    header, arrays = _upgraded(header, arrays)
    version = header.get("scorer_version")
    if header.get("layout") != LAYOUT or version != SCORER_VERSION:
        raise CalibrationError(
            f"made by scorer version {version}, this is {SCORER_VERSION}: calibrate again"
        )
    if header.get("columns") != [column.name for column in COLUMNS]:
        raise CalibrationError("made with other score columns: calibrate again")
    return header, arrays


def _upgraded(
    header: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A file of an older layout as one of this, which judges as it did; what is none is left as it is."""
    version = (header.get("layout"), header.get("scorer_version"))
    if version not in _OLDER:
        return header, arrays
    for add in _STEPS[_OLDER.index(version) :]:
        arrays = arrays | add(arrays)
    return header | {"layout": LAYOUT, "scorer_version": SCORER_VERSION}, arrays


def _with_sizes(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One reference for photos of all sizes."""
    if "sizes" not in arrays or "scores" not in arrays:
        return {}
    weights = arrays["sizes"]
    columns = len(COLUMNS) - _JUDGED
    unasked = np.zeros((columns, weights.shape[1]))  # how odd each source column is
    sizes = np.concatenate([weights[: 1 + columns], unasked, weights[1 + columns :]])
    return {
        "sizes": sizes,
        "sizes.spread": np.ones(weights.shape[1]),
        "scores.large": arrays["scores"],
    }


def _with_metric(_arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Known faults that are told apart by plain distances, and are as large at every strength."""
    return {
        "namer.growth": np.zeros(1),
        "namer.metric": np.eye(2 * _JUDGED, dtype=np.float32),
    }


def _with_filters(_arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """No known fault has a say in the deviation."""
    return {"detector.filters": np.zeros((0, _JUDGED))}


def _with_seams(_arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lines of the photo count where they are, and no column has a bound."""
    return {
        "reference.seams": np.array([SAME_LINES.reach, SAME_LINES.gain]),
        "detector.most": np.full(_JUDGED, np.inf),
    }


# What files of each older layout lack, in the order of `_OLDER`.
_STEPS = (_with_sizes, _with_metric, _with_filters, _with_seams)


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, by the rest of the name."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
