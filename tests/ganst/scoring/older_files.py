"""Calibrations as files of older layouts had them."""

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

from ganst.scoring.calibration import SOURCE_NAMES, Calibration
from ganst.scoring.calibration_file import parse


def of_before(calibration: Calibration) -> bytes:
    """The file that layout 5 had of a calibration."""
    header, arrays = parse(calibration.to_bytes())
    del arrays["namer.growth"], arrays["namer.metric"]
    return _file(header | {"layout": 5}, arrays)


def of_long_before(calibration: Calibration) -> bytes:
    """The file that scorer version 5 would have written of a calibration."""
    header, arrays = parse(of_before(calibration))
    del arrays["sizes.spread"], arrays["scores.large"]
    columns = len(SOURCE_NAMES)
    arrays["sizes"] = np.delete(arrays["sizes"], slice(1 + columns, 1 + 2 * columns), axis=0)
    return _file(header | {"layout": 4, "scorer_version": "5"}, arrays)


def _file(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    return save(arrays, metadata={"ganst": json.dumps(header)})
