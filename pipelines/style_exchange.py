"""Styles from elsewhere and to elsewhere: public checkpoints in, ONNX graphs out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ganst import __version__
from ganst.errors import WeightsError
from ganst.models.interop import import_generator
from ganst.models.stylepack import StylePack, load_generator, load_stylepack, save_stylepack
from ganst.models.untrusted import MOST_BYTES, read_state
from pipelines import storage
from pipelines.errors import GanstError

if TYPE_CHECKING:
    from pathlib import Path

    from ganst.models.interop import ImportedGenerator


class MissingExtraError(GanstError):
    """A verb needs packages of an extra that is not installed."""


@dataclass(frozen=True, slots=True)
class ForeignStyle:
    """A generator that was read from a file of someone else, and what a card can honestly say of it."""

    imported: ImportedGenerator
    about: dict[str, Any]

    def save(self, folder: Path) -> StylePack:
        """Write the pack; its name is the folder's."""
        return save_stylepack(folder, {"final": self.imported.generator}, self.about)


def read_foreign(file: Path, licence: str) -> ForeignStyle:
    """Read a public CycleGAN or CUT generator; nothing is written and no code of the file is run.

    Raises:
        WeightsError: Not such a generator, damaged, or too large; one sentence that names the file.

    """
    try:
        blob = _read(file)
        imported = import_generator(read_state(blob))
    except WeightsError as error:
        raise WeightsError(f"{file} cannot be imported: {error}") from error
    origin = {
        "file": file.name,
        "sha256": hashlib.sha256(blob).hexdigest(),
        "bytes": len(blob),
        "notes": list(imported.notes),
        "ganst": __version__,
    }
    num_parameters = sum(p.numel() for p in imported.generator.parameters())
    about = {"parameters": num_parameters, "data": {"licence": licence}, "imported": origin}
    return ForeignStyle(imported, about)


@dataclass(frozen=True, slots=True)
class OnnxStyle:
    """A style as an ONNX graph, and how far it is from the style."""

    model: bytes
    certificate: dict[str, Any]

    def save(self, out: str) -> None:
        """Write the graph to `out`, and the certificate beside it as `.certificate.json`."""
        path = storage.open_root(out)
        text = json.dumps(self.certificate, indent=2) + "\n"
        storage.commit_bytes(path, self.model)
        storage.commit_bytes(path.with_suffix(".certificate.json"), text.encode())


def make_onnx(pack_folder: Path) -> OnnxStyle:
    """The graph of a pack's final generator, run against it; nothing is written.

    Raises:
        MissingExtraError: onnx or onnxruntime is not installed.
        ExportError: The graph does not compute what the generator does.

    """
    export = _exporter()
    pack = load_stylepack(pack_folder)
    generator = load_generator(pack)
    about = {
        "style": pack.name,
        "style_digest": pack.digest,
        "range": "images and styled: RGB in [-1, 1], pixel / 127.5 - 1",
        "exposure": generator.config.exposure,  # what is done about it is done to pixels, not here
    }
    model = export.to_onnx(generator, about)
    certificate = about | {"sha256": hashlib.sha256(model).hexdigest()}
    return OnnxStyle(model, certificate | asdict(export.certify(model, generator)))


def _read(file: Path) -> bytes:
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise WeightsError(
            f"it has {size / 2**30:.1f} GiB, and at most {MOST_BYTES / 2**30:.0f} GiB is read"
        )
    return file.read_bytes()


def _exporter() -> Any:  # noqa: ANN401 (a module that may not be importable)
    try:
        from ganst.models import export
    except ModuleNotFoundError as error:
        if error.name not in {"onnx", "onnxruntime"}:
            raise
        raise MissingExtraError(
            f"export needs {error.name}, which is not installed: pip install 'ganst[onnx]'"
        ) from error
    return export
