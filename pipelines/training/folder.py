"""What lies beside a pack while it is trained: the checkpoint, and what is to be looked at.

STYLES/.training/NAME/
  checkpoint.safetensors   the whole state; replaced in one step, removed when the pack is saved
  history.jsonl            evaluations and what the guards did, one JSON object a line
  curve.png, samples.png   the same as pictures
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganst.errors import CheckpointError
from ganst.models.stylepack import write_atomically
from ganst.training.state import TrainState, from_bytes, to_bytes
from pipelines.training.job import differences


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The files of one training, whatever process works on it."""

    root: Path

    @classmethod
    def beside(cls, pack: Path) -> "TrainingFolder":
        """The one of the pack in folder `pack`. Hidden: no style pack, so no style."""
        return cls(pack.parent / ".training" / pack.name)

    @property
    def checkpoint(self) -> Path:
        """The last complete checkpoint."""
        return self.root / "checkpoint.safetensors"

    @property
    def history(self) -> Path:
        """Evaluations and events, one a line."""
        return self.root / "history.jsonl"

    def has_checkpoint(self) -> bool:
        """True where a training was stopped or killed."""
        return self.checkpoint.is_file()

    def save(self, state: TrainState, identity: dict[str, Any]) -> None:
        """Put a checkpoint in the place of the last one, which stays until the new one is complete.

        Raises:
            CheckpointError: The disk is full or cannot be written; the last checkpoint is untouched.

        """
        state.facts["identity"] = identity
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.checkpoint, to_bytes(state))
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {self.checkpoint} cannot be written: {error.strerror or error}"
            ) from error

    def load(self, identity: dict[str, Any]) -> TrainState:
        """The last checkpoint.

        Raises:
            CheckpointError: None there, unreadable, or of a training with another configuration.

        """
        try:
            state = from_bytes(self.checkpoint.read_bytes())
        except FileNotFoundError:
            raise CheckpointError(
                f"there is no checkpoint to go on from: {self.checkpoint} is missing"
            ) from None
        except (OSError, CheckpointError) as error:
            raise CheckpointError(
                f"the checkpoint {self.checkpoint} cannot be used: {error}"
            ) from error
        changes = differences(state.facts.get("identity", {}), identity)
        if changes:
            raise CheckpointError(
                f"the checkpoint {self.checkpoint} is of another training: {', '.join(changes)}; "
                "repeat its options, or begin anew with --replace"
            )
        return state

    def write_history(self, lines: list[dict[str, Any]]) -> None:
        """Replace the history."""
        self.root.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomically(self.history, text.encode())

    def clear(self) -> None:
        """Begin anew: no checkpoint and no pictures of an earlier training."""
        for name in ("checkpoint.safetensors", "history.jsonl", "curve.png", "samples.png"):
            (self.root / name).unlink(missing_ok=True)
