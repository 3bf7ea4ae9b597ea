"""The file of a style pack that says what shots of its clips look like when nothing is wrong."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ganst.scoring.calibration import CalibrationError
from ganst.scoring.columns import SCORER_VERSION
from ganst.video.shot_scale import ShotScale

FILE = "clips.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScope:
    """Which outputs the scale holds for."""

    style_digest: str
    calibration_id: str  # of the photos' calibration that frames were scored by
    scorer_version: str = SCORER_VERSION
    steady: bool = True
    strength: float = 1.0
    worst_quality: int = 18

    def refuses(self, outputs: "ClipScope") -> str | None:
        """Why it does not hold for such outputs; None where it does."""
        for name in ("style_digest", "calibration_id", "scorer_version", "steady", "strength"):
            ours, theirs = getattr(self, name), getattr(outputs, name)
            if ours != theirs:
                return f"shots were calibrated for {name} {ours}, not {theirs}"
        if outputs.worst_quality > self.worst_quality:
            return (
                f"shots were calibrated for --video-quality up to {self.worst_quality},"
                f" not {outputs.worst_quality}"
            )
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotCalibration:
    """A scale, and what it holds for."""

    scope: ClipScope
    scale: ShotScale

    def to_bytes(self) -> bytes:
        """JSON."""
        facts = {"format": _FORMAT, "scope": asdict(self.scope), "scale": self.scale.to_json()}
        return (json.dumps(facts, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ShotCalibration":
        """What `to_bytes` gave.

        Raises:
            CalibrationError: Anything else.

        """
        try:
            facts = json.loads(data)
            if facts["format"] != _FORMAT:
                raise ValueError(f"format {facts['format']}, expected {_FORMAT}")
            return cls(scope=ClipScope(**facts["scope"]), scale=ShotScale.from_json(facts["scale"]))
        except (ValueError, TypeError, KeyError) as error:
            raise CalibrationError(f"no calibration of shots: {error}") from error


def load_shot_calibration(style_path: str) -> ShotCalibration | None:
    """That of a pack; None where it has none.

    Raises:
        CalibrationError: The file is there and is damaged.

    """
    path = Path(style_path) / FILE
    try:
        modified = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _parse(path, modified)


@lru_cache(maxsize=4)
def _parse(path: Path, _modified: int) -> ShotCalibration:
    try:
        return ShotCalibration.from_bytes(path.read_bytes())
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error
