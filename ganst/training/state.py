"""The whole state of a training: captured, written as bytes, restored bit for bit.

A checkpoint is one safetensors file: tensors by name, and a JSON text in its header. Nothing in it
can run code, and it does not depend on how many ranks wrote it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ganst.errors import CheckpointError
from ganst.training.loop import Trainer, frozen_copy

_FORMAT = 1
_CLOCKS = ("num_steps", "num_images", "spent_s", "progress")
_BENCH = (
    "precision",
    "is_tuned",
    "augment_probability",
    "rate_factor",
    "content_factor",
    "style_factor",
    "nonfinite_steps",
)


@dataclass(frozen=True, slots=True)
class TrainState:
    """Tensors by name, on the device they were captured on, and JSON values."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def capture(trainer: Trainer) -> TrainState:
    """A copy of everything that the next step depends on, and of the checkpoints taken so far."""
    objective = trainer.objective
    tensors = _prefixed("average", trainer.ema.model.state_dict())
    for name, network in objective.networks.items():
        tensors |= _prefixed(f"network.{name}", network.state_dict())
    for name, optimizer in objective.optimizers.items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= _prefixed(f"optimizer.{name}.{index}", values)
    for name, pool in objective.pools.items():
        tensors |= _prefixed(f"pool.{name}", {str(n): im for n, im in enumerate(pool.images)})
    for name in ("early", "best"):
        taken: nn.Module | None = getattr(trainer, name)
        tensors |= {} if taken is None else _prefixed(name, taken.state_dict())
    tensors["random"] = trainer.random.get_state()
    facts = {name: getattr(trainer, name) for name in _CLOCKS}
    facts |= {"average_images": trainer.ema.num_images}
    facts["bench"] = {name: getattr(trainer.bench, name) for name in _BENCH}
    return TrainState({name: tensor.detach().clone() for name, tensor in tensors.items()}, facts)


def restore(trainer: Trainer, state: TrainState) -> None:
    """Go on exactly as the captured trainer would have.

    Raises:
        CheckpointError: The state is not of this trainer's networks.

    """
    try:
        restore_weights(trainer, state)
        trainer.random.set_state(state.tensors["random"].cpu())
        for name in _CLOCKS:
            setattr(trainer, name, state.facts[name])
        for name in _BENCH:
            setattr(trainer.bench, name, state.facts["bench"][name])
    except (KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"the checkpoint is not of this training: {reason}") from error
    for name in ("early", "best"):
        weights = _below(state.tensors, name)
        if weights:
            taken = frozen_copy(trainer.average)
            taken.load_state_dict(weights)
            setattr(trainer, name, taken)


def restore_weights(trainer: Trainer, state: TrainState) -> None:
    """Networks, average, optimizers and pools as they were; budget, randomness and guards stay."""
    tensors = state.tensors
    trainer.ema.model.load_state_dict(_below(tensors, "average"))
    trainer.ema.num_images = state.facts["average_images"]
    for name, network in trainer.objective.networks.items():
        network.load_state_dict(_below(tensors, f"network.{name}"))
    for name, optimizer in trainer.objective.optimizers.items():
        _load_optimizer(optimizer, _below(tensors, f"optimizer.{name}"))
    for name, pool in trainer.objective.pools.items():
        images = _below(tensors, f"pool.{name}")
        pool.images = [images[str(n)].to(trainer.device) for n in range(len(images))]


def to_bytes(state: TrainState) -> bytes:
    """A safetensors file."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in state.tensors.items()}
    text = json.dumps({"format": _FORMAT, **state.facts})
    return safetensors.torch.save(tensors, metadata={"ganst_training": text})


def from_bytes(data: bytes) -> TrainState:
    """Undo `to_bytes`.

    Raises:
        CheckpointError: Truncated, damaged, or no checkpoint of this version.

    """
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = json.loads(header.get("__metadata__", {}).get("ganst_training", "{}"))
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"it is truncated or no checkpoint at all ({error})") from error
    if facts.pop("format", None) != _FORMAT:
        raise CheckpointError("it was not written by a training of this version of GANST")
    return TrainState(tensors, facts)


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        # A copy: the optimizer works in place, and may take the tensor as it is.
        state.setdefault(int(index), {})[key] = tensor.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
