"""A write that the system cuts off in the middle: by a limit of this process, as a full disk would."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.ingest import ingest
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.bulk_job import SERIAL, outcome
from tests.pipelines.photo_folders import make_photos, make_run, make_style, smooth, tree

LIMIT_BYTES = 100_000


@contextmanager
def files_end_at(num_bytes: int) -> Iterator[None]:
    """Write calls beyond so many bytes of a file fail, after what still fitted was written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_output_cut_off_in_mid_write_leaves_nothing_and_the_same_call_finishes(tmp_path):
    photos = make_photos(tmp_path / "photos", 5)
    smooth(600, 400).save(photos / "photo02b.jpg")
    pack = make_style(tmp_path / "styles")
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=2, format="png")
    ingest(run, SERIAL)
    with files_end_at(LIMIT_BYTES):
        summary = stylize(run, SERIAL)
    assert len(summary.failed) == 1
    assert "File too large" in summary.failed[0]
    assert "photo02b.png" in summary.failed[0]  # the file meant, not the temporary one
    assert (summary.done, summary.rejected) == (4, 0)
    committed = {row["source"] for row in read_stylized(run.folder).to_pylist()}
    assert "photo02b.jpg" not in committed
    left = tree(Path(str(run.folder.root)))
    assert not [name for name in left if ".ganst-" in name or name == "images/photo02b.png"]
    assert stylize(run, SERIAL).failed == ()
    other = make_run(photos, tmp_path / "OTHER", pack, shard_size=2, format="png")
    ingest(other, SERIAL)
    stylize(other, SERIAL)
    assert outcome(run.folder) == outcome(other.folder)
    assert len(outcome(run.folder)[1]["photo02b.png"]) > LIMIT_BYTES


def test_a_part_cut_off_in_mid_write_is_no_commit(tmp_path):
    photos = make_photos(tmp_path / "photos", 3)
    run = make_run(photos, tmp_path / "RUN", make_style(tmp_path / "styles"))
    ingest(run, SERIAL)
    with files_end_at(3000):  # the images fit, their rows do not
        summary = stylize(run, SERIAL)
    assert summary.failed
    assert summary.done == 0
    assert len(read_stylized(run.folder)) == 0
    assert stylize(run, SERIAL).done == 3
