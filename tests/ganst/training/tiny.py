"""A training that takes milliseconds: noise for photos, bluer noise for paintings."""

import torch
from torch import Tensor

from ganst.training.bank import ImageBank
from ganst.training.config import TrainConfig
from ganst.training.loop import Trainer

CPU = torch.device("cpu")
CONFIG = TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.0, precision="fp32")


def tiny_bank(seed: int, hue: int) -> ImageBank:
    rng = torch.Generator().manual_seed(seed)
    images = [
        torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=rng) for _ in range(3)
    ]
    for image in images:
        image[hue] = 200
    return ImageBank.of(images, CPU, 1024)


def tiny_trainer(config: TrainConfig = CONFIG) -> Trainer:
    return Trainer(config, tiny_bank(0, 0), tiny_bank(1, 2), CPU)


def weights_of(trainer: Trainer) -> dict[str, list[Tensor]]:
    networks = trainer.objective.networks
    return {name: [p.detach().clone() for p in net.parameters()] for name, net in networks.items()}


def changes(
    before: dict[str, list[Tensor]], after: dict[str, list[Tensor]]
) -> list[tuple[str, bool]]:
    """Which networks have a weight that moved."""
    return [
        (name, any(not torch.equal(a, b) for a, b in zip(before[name], after[name], strict=True)))
        for name in before
    ]
