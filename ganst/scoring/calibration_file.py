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
# Older files that are read, and judge as they did: layout and scorer version.
_WITHOUT_SIZES, _WITHOUT_METRIC, _WITHOUT_FILTERS = (4, "5"), (5, "6"), (6, "6")
_BEFORE_SEAMS = (7, "6")


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
        return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["ganst"]), arrays
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
    """A file of an older layout as one of this; what is none is left as it is."""
    version = (header.get("layout"), header.get("scorer_version"))
    if version not in (_WITHOUT_SIZES, _WITHOUT_METRIC, _WITHOUT_FILTERS, _BEFORE_SEAMS):
        return header, arrays
    judged = sum(column.family != "source" for column in COLUMNS)
    added = {
        "reference.seams": np.array([SAME_LINES.reach, SAME_LINES.gain]),
        "detector.most": np.full(judged, np.inf),
    }
    if version != _BEFORE_SEAMS:
        added["detector.filters"] = np.zeros((0, judged))
    if version not in (_BEFORE_SEAMS, _WITHOUT_FILTERS):
        metric = np.eye(2 * judged, dtype=np.float32)
        added |= {"namer.growth": np.zeros(1), "namer.metric": metric}
    if version == _WITHOUT_SIZES and "sizes" in arrays and "scores" in arrays:
        added |= _with_sizes(arrays)
    return header | {"layout": LAYOUT, "scorer_version": SCORER_VERSION}, arrays | added


def _with_sizes(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a file has become from before sizes of photos were told apart: one reference for all."""
    weights = arrays["sizes"]
    columns = sum(column.family == "source" for column in COLUMNS)
    unasked = np.zeros((columns, weights.shape[1]))  # how odd each source column is
    sizes = np.concatenate([weights[: 1 + columns], unasked, weights[1 + columns :]])
    return {
        "sizes": sizes,
        "sizes.spread": np.ones(weights.shape[1]),
        "scores.large": arrays["scores"],
    }


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, by the rest of the name."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
