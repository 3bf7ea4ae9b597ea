"""One job for all tests of faults and clusters, with what it must come to however it is done."""

from dataclasses import dataclass
from pathlib import Path

from ganst.models.stylepack import StylePack
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.runs import Run, RunFolder
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.photo_folders import make_photos, make_run, make_style, tree

NUM_PHOTOS = 24
SERIAL = ComputeConfig(workers=0)

Outcome = tuple[list[dict], dict[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkJob:
    """Photos, a style, and rows and images of an undisturbed run in one process."""

    photos: Path
    pack: StylePack
    undisturbed: Outcome

    def open(self, out: Path) -> Run:
        """The same job in another RUN folder, in shards of four."""
        return make_run(self.photos, out, self.pack, shard_size=4)


def make_job(folder: Path) -> BulkJob:
    pack = make_style(folder / "styles")
    photos = make_photos(folder / "album" / "photos", NUM_PHOTOS, (400, 300))
    run = make_run(photos, folder / "RUN", pack, shard_size=4)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    return BulkJob(photos=photos, pack=pack, undisturbed=outcome(run.folder))


def outcome(folder: RunFolder) -> Outcome:
    """Committed rows, and delivered images by path."""
    images = tree(Path(str(folder.root / "images")))
    delivered = {name: data for name, data in images.items() if ".ganst-" not in name}
    return read_stylized(folder).to_pylist(), delivered
