"""Train a style: folders of photos and paintings in, a style pack out.

Imports neither Prefect nor Dask nor pydantic, so that the same code runs on a bare GPU host:
`python -m pipelines.train --style NAME --photos DIR --paintings DIR --out FOLDER --minutes 8`.
"""

import argparse
import dataclasses
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganst import __version__
from ganst.errors import TrainingError
from ganst.models.presets import PRESETS
from ganst.models.stylepack import StylePack, load_generator, load_stylepack, save_stylepack
from ganst.training.bank import ImageBank
from ganst.training.config import Budget, TrainConfig
from ganst.training.loop import Trainer, TrainEvent, run_steps
from pipelines.errors import UndecodableImageError
from pipelines.images import decode

_log = logging.getLogger(__name__)
_MAX_PIXELS = 200_000_000
_SAVE_EVERY_S = 300.0
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """What to train on, where the pack goes, and for how long."""

    style: str
    photos: Path
    paintings: Path
    out: Path  # folder of the pack; its name should be the style's
    budget: Budget
    config: TrainConfig = field(default_factory=TrainConfig)
    start: Path | None = None  # style pack whose generator is trained further
    licence: str = "unknown"  # of photos and paintings, for the card
    threads: int | None = None  # CPU threads; None = as torch chooses

    def __post_init__(self) -> None:
        if not self.style.replace("-", "").replace("_", "").isalnum():
            raise ValueError(
                f"a style's name is made of letters, digits, '-' and '_': got {self.style!r}"
            )
        if self.config.preset not in PRESETS:
            raise ValueError(f"no preset {self.config.preset!r}: there are {', '.join(PRESETS)}")
        if self.out.name != self.style:
            raise ValueError(f"the folder of style {self.style!r} must have its name: {self.out}")


def train(job: TrainJob, on_event: Callable[[TrainEvent], None] | None = None) -> Path:
    """Run `job`; the folder of the finished pack.

    The pack is saved every five minutes, so that a stop loses little: Ctrl-C leaves the latest.

    Raises:
        TrainingError: Too few usable images, or training diverged.

    """
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    # Adam's averages decay into denormal numbers, on which a CPU is a hundred times slower.
    torch.set_flush_denormal(True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = job.config
    photos = read_images(job.photos, smallest_side_px=config.crop_px // 2)
    paintings = read_images(job.paintings, smallest_side_px=config.crop_px // 2)
    trainer = Trainer(
        config,
        ImageBank.of(photos, device, config.largest_side_px),
        ImageBank.of(paintings, device, config.largest_side_px),
        device,
    )
    started = None if job.start is None else load_stylepack(job.start)
    if started is not None:
        trainer.start_from(load_generator(started))
    saved_s = 0.0
    for event in run_steps(trainer, job.budget, time.monotonic):
        if on_event is not None:
            on_event(event)
        if event.elapsed_s - saved_s >= _SAVE_EVERY_S or event.progress >= 1:
            _save(job, trainer, event, started)
            saved_s = event.elapsed_s
    return job.out


def read_images(folder: Path, *, smallest_side_px: int) -> list[Tensor]:
    """Decode all pictures below `folder`, uint8 `[3, H, W]`; undecodable and small ones are logged and left out.

    Raises:
        TrainingError: No usable picture is left.

    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is not a folder")
    images = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
        try:
            pixels = decode(path.read_bytes(), max_pixels=_MAX_PIXELS).pixels
        except UndecodableImageError as error:
            _log.warning("left out %s: %s", path, error)
            continue
        if min(pixels.shape[-2:]) < smallest_side_px:
            size = f"{pixels.shape[-1]}x{pixels.shape[-2]}"
            _log.warning("left out %s: %s is smaller than %d pixels", path, size, smallest_side_px)
            continue
        images.append(pixels)
    if not images:
        raise TrainingError(
            f"{folder} holds no usable picture of at least {smallest_side_px} pixels a side"
        )
    return images


def _save(job: TrainJob, trainer: Trainer, event: TrainEvent, started: StylePack | None) -> None:
    checkpoints = {"final": trainer.ema.model}
    if trainer.early is not None:
        checkpoints["early"] = trainer.early
    about = _about(job, trainer, event)
    if started is not None:
        about["started_from"] = {"digest": started.digest, "training": started.card.get("training")}
    save_stylepack(job.out, checkpoints, about)  # pyrefly: ignore[bad-argument-type]
    _log.info("saved %s after %d images", job.out, event.num_images)


def _about(job: TrainJob, trainer: Trainer, event: TrainEvent) -> dict[str, Any]:
    num_parameters = sum(p.numel() for p in trainer.G.parameters())
    return {
        "preset": job.config.preset,
        "parameters": num_parameters,
        "data": {
            "photos": len(trainer.photos.images),
            "paintings": len(trainer.paintings.images),
            "licence": job.licence,
        },
        "training": {
            "steps": event.step,
            "images": event.num_images,
            "minutes": round(event.elapsed_s / 60, 1),
            "finished": event.progress >= 1,
            "hardware": _hardware(trainer.device),
            "torch": str(torch.__version__),
            "ganst": __version__,
            "config": dataclasses.asdict(job.config),
        },
        "trained": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def main() -> None:
    """Command line of a bare host; `ganst train` is the one for people."""
    parser = argparse.ArgumentParser(description="Train a style pack.")
    parser.add_argument("--style", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets the pack's folder"
    )
    parser.add_argument("--preset", default="fast", choices=sorted(PRESETS))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=int)
    parser.add_argument("--crop", type=int, default=TrainConfig().crop_px)
    parser.add_argument("--batch", type=int, default=TrainConfig().batch_size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--start", type=Path, help="style pack to train further")
    parser.add_argument("--licence", default="unknown")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        train(_job(arguments), log_every(100))
    except (TrainingError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _job(arguments: argparse.Namespace) -> TrainJob:
    config = TrainConfig(
        preset=arguments.preset,
        crop_px=arguments.crop,
        batch_size=arguments.batch,
        seed=arguments.seed,
    )
    return TrainJob(
        style=arguments.style,
        photos=arguments.photos,
        paintings=arguments.paintings,
        out=arguments.out / arguments.style,
        budget=Budget(minutes=arguments.minutes, images=arguments.images),
        config=config,
        licence=arguments.licence,
        threads=arguments.threads,
        start=arguments.start,
    )


def log_every(num_steps: int) -> Callable[[TrainEvent], None]:
    """An `on_event` that logs progress, rate and losses."""

    def on_event(event: TrainEvent) -> None:
        if event.step % num_steps and event.progress < 1:
            return
        rate = event.num_images / max(event.elapsed_s, 1e-9)
        shown = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        _log.info(
            "step %d, %.0f %%, %.1f images/s, %.0f s left: %s",
            event.step,
            100 * event.progress,
            rate,
            event.remaining_s,
            shown,
        )

    return on_event


if __name__ == "__main__":
    main()
