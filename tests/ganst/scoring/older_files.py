"""Calibrations as files of older layouts had them."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
from safetensors.numpy import save

from ganst.scoring.calibration import SOURCE_NAMES, Calibration
from ganst.scoring.calibration_file import parse
from ganst.scoring.detector import UsualSizes


def without_filters(calibration: Calibration) -> Calibration:
    """What a calibration was before detectors were taught faults."""
    sizes, detector = calibration.sizes, calibration.detector
    weights = np.ascontiguousarray(sizes.weights[:, :3])  # memory order changes the last bit
    three = UsualSizes(weights=weights, spread=sizes.spread[:3])
    return replace(
        calibration, sizes=three, detector=replace(detector, filters=detector.filters[:0])
    )


def of_layout_7(calibration: Calibration) -> bytes:
    """The file that layout 7 had of a calibration."""
    header, arrays = parse(calibration.to_bytes())
    del arrays["reference.seams"], arrays["detector.most"]
    return _file(header | {"layout": 7}, arrays)


def of_layout_6(calibration: Calibration) -> bytes:
    """The file that layout 6 had of a calibration."""
    header, arrays = parse(of_layout_7(without_filters(calibration)))
    del arrays["detector.filters"]
    return _file(header | {"layout": 6}, arrays)


def of_before(calibration: Calibration) -> bytes:
    """The file that layout 5 had of a calibration."""
    header, arrays = parse(of_layout_6(calibration))
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
