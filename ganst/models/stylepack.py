"""Style packs: a folder of weights and a card. The only module of this package that opens a file.

NAME/
  generator.safetensors    the checkpoint that is used ("final")
  early.safetensors        another checkpoint of the same training, for corrections
  best.safetensors         the one that its evaluations liked best, if that is not the final one
  card.json                architecture, data, licences, cost, digest
  calibration.safetensors  what the scorer knows of this style (written by calibration)
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from ganst.errors import StylePackError
from ganst.models.generator import GeneratorConfig, ResnetGenerator

FORMAT_VERSION = 1
CALIBRATION_FILE = "calibration.safetensors"
_CARD_FILE = "card.json"
_WEIGHT_FILES = {
    "final": "generator.safetensors",
    "early": "early.safetensors",
    "best": "best.safetensors",
}


@dataclass(frozen=True, slots=True)
class StylePack:
    """A checked pack: its files are there and its weights are the ones the card names."""

    path: Path
    name: str
    digest: str  # 64 hexadecimal digits over architecture and all weights
    card: dict[str, Any]
    checkpoints: tuple[str, ...]

    @property
    def network(self) -> GeneratorConfig:
        """The architecture of its weights."""
        return GeneratorConfig(**self.card["generator"])


def save_stylepack(
    folder: Path, checkpoints: Mapping[str, ResnetGenerator], about: Mapping[str, Any]
) -> StylePack:
    """Write weights and card to `folder`; the card, which names the digest, comes last.

    Args:
        folder: Made if it is not there; its name is the style's name.
        checkpoints: Generators of one architecture by name: "final", and "early" if there is one.
        about: What the card tells of data, licences and training; JSON values.

    """
    config = checkpoints["final"].config
    blobs = {name: _to_bytes(model.state_dict()) for name, model in checkpoints.items()}
    card = {
        "format": FORMAT_VERSION,
        "name": folder.name,
        "digest": _digest(asdict(config), blobs),
        "generator": asdict(config),
        "checkpoints": sorted(blobs, key=list(_WEIGHT_FILES).index),
        **about,
    }
    folder.mkdir(parents=True, exist_ok=True)
    # A calibration belongs to the weights it was made with.
    (folder / CALIBRATION_FILE).unlink(missing_ok=True)
    for name, blob in blobs.items():
        write_atomically(folder / _WEIGHT_FILES[name], blob)
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / _CARD_FILE, text.encode())
    return load_stylepack(folder)


def load_stylepack(path: Path) -> StylePack:
    """Read and check the pack at `path`.

    Raises:
        StylePackError: No pack, an unreadable card, missing weights, or weights that are not the card's.

    """
    card = _read_card(path)
    blobs = {name: _read_weights(path, name) for name in card["checkpoints"]}
    digest = _digest(card["generator"], blobs)
    if digest != card["digest"]:
        raise StylePackError(
            f"the weights in {path} are not the ones its card names: "
            f"digest {digest[:12]}, expected {card['digest'][:12]}"
        )
    return StylePack(path, card["name"], digest, card, tuple(card["checkpoints"]))


def load_generator(pack: StylePack, checkpoint: str = "final") -> ResnetGenerator:
    """The generator of one checkpoint in fp32, ready for inference."""
    if checkpoint not in pack.checkpoints:
        known = ", ".join(pack.checkpoints)
        raise StylePackError(f"style {pack.name} has no checkpoint {checkpoint!r}, only {known}")
    model = ResnetGenerator(pack.network)
    model.load_state_dict(_from_bytes(_read_weights(pack.path, checkpoint), pack.path))
    return model.eval().requires_grad_(requires_grad=False)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: a killed writer leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:  # a full disk gets back what was taken of it
        temporary.unlink(missing_ok=True)
        raise


def _read_card(path: Path) -> dict[str, Any]:
    card_path = path / _CARD_FILE
    try:
        card = json.loads(card_path.read_text("utf-8"))
    except FileNotFoundError:
        raise StylePackError(f"{path} is no style pack: it has no {_CARD_FILE}") from None
    except (OSError, ValueError) as error:
        raise StylePackError(f"the card {card_path} cannot be read: {error}") from error
    _check_card(card, card_path)
    return card


def _check_card(card: Any, card_path: Path) -> None:  # noqa: ANN401  (whatever the file held)
    if not isinstance(card, dict) or card.get("format") != FORMAT_VERSION:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise StylePackError(
            f"{card_path} has format {found!r}, this version reads {FORMAT_VERSION}"
        )
    missing = {"name", "digest", "generator", "checkpoints"} - card.keys()
    unknown = set(card.get("checkpoints", ())) - _WEIGHT_FILES.keys()
    if missing or unknown:
        raise StylePackError(
            f"{card_path} is incomplete: missing {sorted(missing)}, unknown checkpoints {sorted(unknown)}"
        )
    try:
        GeneratorConfig(**card["generator"])
    except (TypeError, ValueError) as error:
        raise StylePackError(f"{card_path} describes an unknown generator: {error}") from None


def _read_weights(path: Path, checkpoint: str) -> bytes:
    file = path / _WEIGHT_FILES[checkpoint]
    try:
        return file.read_bytes()
    except OSError as error:
        raise StylePackError(f"the weights {file} cannot be read: {error}") from error


def _digest(architecture: Mapping[str, Any], blobs: Mapping[str, bytes]) -> str:
    # What the card says, not the configuration made of it: a field that the family gets later must
    # not change the digest of the packs that are there.
    digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    for name in sorted(blobs):
        digest.update(name.encode() + b"\0" + hashlib.sha256(blobs[name]).digest())
    return digest.hexdigest()


def _to_bytes(state: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({k: v.detach().cpu().contiguous() for k, v in state.items()})


def _from_bytes(blob: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(blob)
    except SafetensorError as error:
        raise StylePackError(f"the weights in {path} are damaged: {error}") from error
