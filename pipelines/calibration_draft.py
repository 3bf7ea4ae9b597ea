"""What of a calibration has been measured: one that was stopped goes on with it.

STYLES/.calibrating/photos/NAME/KEY/   the key is of everything that the measurements hang on
  reference.safetensors   paintings and rule of places, by which all photos are measured
  photos/HASH.json        what was measured of one photo
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.numpy
from upath import UPath

from ganst import __version__
from ganst.models.stylepack import StylePack
from ganst.scoring.calibration_file import LAYOUT, id_of
from ganst.scoring.columns import SCORER_VERSION
from ganst.scoring.reference import Reference
from pipelines.listing import list_files
from pipelines.storage import commit_bytes, open_root


def drafts_of(pack: StylePack, kind: Literal["photos", "clips"]) -> Path:
    """Where drafts of that pack lie. Hidden: no style pack, so no style."""
    return pack.path.parent / ".calibrating" / kind / pack.path.name


@dataclass(frozen=True, slots=True)
class Draft:
    """The files of one calibration that is under way, whatever process works on it."""

    root: Path

    @classmethod
    def of(
        cls, drafts: Path, folder: str, photos: Sequence[str], made_of: Sequence[Any]
    ) -> "Draft":
        """The one below `drafts` of these photos, told by name, size and stamp.

        Args:
            drafts: See `drafts_of`.
            folder: Of the photos.
            photos: Names in it.
            made_of: What else the measurements hang on, as JSON values.

        """
        used = set(photos)
        seen = [
            [file.source, file.num_bytes, file.modified]
            for file in list_files(open_root(folder))
            if file.source in used
        ]
        key = json.dumps([__version__, SCORER_VERSION, LAYOUT, folder, seen, *made_of])
        return cls(drafts / id_of(key.encode()))

    def reference(self) -> Reference | None:
        """What photos have been measured by; None: it is not known yet."""
        if not self._reference.is_file():
            return None
        return Reference.from_arrays(safetensors.numpy.load_file(self._reference))

    def keep_reference(self, reference: Reference) -> None:
        """From now on photos are measured by that."""
        commit_bytes(UPath(self._reference), safetensors.numpy.save(reference.to_arrays()))

    def measured(self) -> dict[str, Any]:
        """What was kept of photos, by name."""
        found = [json.loads(path.read_text("utf-8")) for path in self._photos.glob("*.json")]
        return {one["photo"]: one["measured"] for one in found}

    def keep(self, photo: str, measured: Any) -> None:  # noqa: ANN401  JSON values
        """Add a photo; floats come back with the same bits."""
        name = f"{hashlib.sha256(photo.encode()).hexdigest()}.json"
        facts = {"photo": photo, "measured": measured}
        commit_bytes(UPath(self._photos / name), json.dumps(facts).encode())

    @property
    def _reference(self) -> Path:
        return self.root / "reference.safetensors"

    @property
    def _photos(self) -> Path:
        return self.root / "photos"


def forget(drafts: Path) -> None:
    """Remove all drafts of a pack, and the folders of drafts where nobody else has one."""
    shutil.rmtree(drafts, ignore_errors=True)
    with suppress(OSError):
        drafts.parent.rmdir()
        drafts.parent.parent.rmdir()
