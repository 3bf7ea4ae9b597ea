"""A small style that is calibrated for photos and for clips, made once, and runs that went wrong."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from ganst.models.stylepack import StylePack
from ganst.video.faults import flicker
from ganst.video.motion import moving
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.runs import Run
from pipelines.video import calibrate as calibrate_module
from pipelines.video import rendering
from pipelines.video.calibrate import calibrate_clips
from pipelines.video.score import score_clips
from pipelines.video.stylize import stylize_clips
from tests.pipelines.photo_folders import make_run
from tests.pipelines.scenes import scene
from tests.pipelines.video.made_clips import write_clip

SERIAL = ComputeConfig(workers=0)
SIZE = (128, 96)
CUT = 16  # frames of the first shot


@pytest.fixture(scope="session")
def clip_pack(calibrated_pack: StylePack) -> StylePack:
    photos = calibrated_pack.path.parent / "photos"
    assert photos.is_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate_module, "_HEIGHT", 96)
        patch.setattr(calibrate_module, "_MAX_PHOTOS", 22)
        calibrate_clips(calibrated_pack.path, str(photos), SERIAL)
    return calibrated_pack


def scene_shot(seed: int, num_frames: int) -> list[np.ndarray]:
    """A shot like those that the style's clips were calibrated with."""
    pixels = torch.from_numpy(np.array(scene(seed))).permute(2, 0, 1)
    frames = moving(pixels, num_frames, SIZE[::-1], torch.Generator().manual_seed(seed))
    return [np.ascontiguousarray(frame.permute(1, 2, 0).numpy()) for frame in frames]


Break = Callable[[int], bool]


@pytest.fixture
def damaged(tmp_path, clip_pack: StylePack, monkeypatch) -> Callable[..., Run]:
    """A run whose network flickers at the frames that `is_broken` says, scored."""

    def make(is_broken: Break, name: str = "a.mkv") -> Run:
        frames = [*scene_shot(101, CUT), *scene_shot(102, 14)]
        encoding = {"codec": "gif", "pixels": "rgb8"} if name.endswith(".gif") else {"sound": True}
        write_clip(tmp_path / "photos" / name, frames, **encoding)  # pyrefly: ignore
        run = make_run(tmp_path / "photos", tmp_path / "RUN", clip_pack)
        ingest(run, SERIAL)
        break_network(monkeypatch, is_broken)
        stylize_clips(run, SERIAL)
        score_clips(run, SERIAL)
        return run

    return make


def break_network(monkeypatch: pytest.MonkeyPatch, is_broken: Break) -> None:
    real = rendering.stylized_frames

    def broken(*args: object) -> Iterator[tuple[int, Tensor]]:
        pairs = list(real(*args))  # pyrefly: ignore[bad-argument-type]
        bad = flicker([frame for _, frame in pairs], 5.0, torch.Generator().manual_seed(0))
        for (number, frame), spoilt in zip(pairs, bad, strict=True):
            yield number, spoilt if is_broken(number) else frame

    monkeypatch.setattr(rendering, "stylized_frames", broken)
