"""One shot measured against its source, frame by frame; nothing of it is kept in memory."""

from dataclasses import dataclass, field, replace

import torch.nn.functional as F
from torch import Tensor

from ganst.correction.acceptance import objection_to_frame
from ganst.correction.bench import Bench
from ganst.scoring.calibration import Calibration, Judgement
from ganst.scoring.canonical import SHORT_SIDE
from ganst.scoring.measuring import measure
from ganst.video.flicker import FlickerMeter
from ganst.video.shot_scale import FRAMES

_SAMPLES = 3  # frames of a shot that are scored as photos are


@dataclass(slots=True, kw_only=True)
class ShotMeter:
    """Takes all frames of a shot of `length` frames, in order."""

    calibration: Calibration
    frames_per_s: float
    length: int
    key: str
    bench: Bench | None = None  # to try its frames on, where they are to replace others
    worst: Judgement | None = None
    objection: str | None = None  # of the bench to one of the frames
    _position: int = 0
    _flicker: FlickerMeter = field(init=False)

    def __post_init__(self) -> None:
        self._flicker = FlickerMeter(self.frames_per_s)

    def add(self, source: Tensor, output: Tensor) -> None:
        """The next frame and its output, uint8 `[3, H, W]`.

        Raises:
            UnsupportedImageError: Frames too small or too long to be scored.

        """
        self._flicker.add(_small(source), _small(output))
        if self._position in _sampled(self.length):
            judged = self._judge(source, output, f"{self.key}#{self._position}")
            if self.worst is None or judged.anomaly > self.worst.anomaly:
                self.worst = judged
        self._position += 1

    def _judge(self, source: Tensor, output: Tensor, key: str) -> Judgement:
        if self.bench is None:
            columns = measure(source, output, self.calibration.reference)
            return self.calibration.judge(columns, key)
        judged, objection = objection_to_frame(source, output, replace(self.bench, key=key))
        self.objection = self.objection or objection
        return judged

    def columns(self) -> dict[str, float]:
        """Those of `ganst.video.shot_scale.COLUMNS`."""
        assert self.worst is not None, "a shot has at least one frame"
        return {FRAMES: self.worst.anomaly, **self._flicker.columns()}


def _sampled(length: int) -> frozenset[int]:
    return frozenset(length * part // (_SAMPLES + 1) for part in range(1, _SAMPLES + 1))


def _small(image: Tensor) -> Tensor:
    """At the size that scores are made at: flicker is counted in the same pixels for every clip."""
    scale = SHORT_SIDE / min(image.shape[1:])
    if scale >= 1:
        return image
    size = [round(side * scale) for side in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
