"""What the card of a pack tells of its training."""

import dataclasses
import platform
import time
from typing import Any

import torch

from ganst import __version__
from ganst.models.stylepack import StylePack
from ganst.training.loop import Trainer
from pipelines.training.job import TrainJob


def about(
    trainer: Trainer, job: TrainJob, watched: dict[str, Any], started: StylePack | None
) -> dict[str, Any]:
    """Data, settings, hardware and what was seen of a training, as JSON values."""
    told: dict[str, Any] = {
        "preset": trainer.config.preset,
        "parameters": sum(p.numel() for p in trainer.G.parameters()),
        "data": {
            "photos": len(trainer.photos.images),
            "paintings": len(trainer.paintings.images),
            "licence": job.licence,
        },
        "training": {
            "steps": trainer.num_steps,
            "images": trainer.num_images,
            "minutes": round(trainer.spent_s / 60, 1),
            "finished": True,
            "ranks": trainer.bench.ranks.size,
            "hardware": _hardware(trainer.device),
            "torch": str(torch.__version__),
            "ganst": __version__,
            "config": dataclasses.asdict(trainer.config),
            **watched,
        },
        "trained": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    if started is not None:
        kept = ("training", "started_from")
        earlier = {name: started.card[name] for name in kept if name in started.card}
        told["started_from"] = {"digest": started.digest} | earlier
    return told


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
