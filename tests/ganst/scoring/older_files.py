"""Calibrations as files of older layouts had them."""

import json
import struct

import numpy as np
from safetensors.numpy import load, save

from ganst.scoring.calibration import SOURCE_NAMES, Calibration


def of_before(calibration: Calibration) -> bytes:
    """The file that layout 5 had of a calibration."""
    arrays = load(calibration.to_bytes())
    del arrays["namer.growth"], arrays["namer.metric"]
    return _as_file(calibration, arrays, {"layout": 5})


def of_long_before(calibration: Calibration) -> bytes:
    """The file that scorer version 5 would have written of a calibration."""
    arrays = load(of_before(calibration))
    del arrays["sizes.spread"], arrays["scores.large"]
    columns = len(SOURCE_NAMES)
    arrays["sizes"] = np.delete(arrays["sizes"], slice(1 + columns, 1 + 2 * columns), axis=0)
    return _as_file(calibration, arrays, {"layout": 4, "scorer_version": "5"})


def _as_file(
    calibration: Calibration, arrays: dict[str, np.ndarray], changed: dict[str, object]
) -> bytes:
    data = calibration.to_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["ganst"])
    return save(arrays, metadata={"ganst": json.dumps(header | changed)})
