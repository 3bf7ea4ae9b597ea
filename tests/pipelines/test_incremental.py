"""A finished run whose folder grows: only what is new is done, and nothing finished is touched."""

from pathlib import Path

from pipelines.attempts import read_attempts
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.score import score
from pipelines.stylize import stylize
from tests.pipelines.bulk_job import SERIAL
from tests.pipelines.photo_folders import make_photos, make_run, make_style, smooth

NUM_OLD, NUM_NEW = 10, 5


def work(run: Run) -> list[int]:
    """All stages; gives how many images each has done."""
    stages = [ingest(run, SERIAL), stylize(run, SERIAL), score(run, SERIAL)]
    write_report(run, stages)
    assert [stage.failed for stage in stages] == [(), (), ()]
    return [stage.done for stage in stages]


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every committed part and image: a file that is replaced gets another inode."""
    facts = {
        path: path.stat()
        for name in ("shards", "attempts", "images")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    return {path: (fact.st_ino, fact.st_mtime_ns) for path, fact in facts.items()}


def test_photos_added_to_a_finished_run_are_all_that_is_done(tmp_path):
    photos = make_photos(tmp_path / "photos", NUM_OLD)
    pack = make_style(tmp_path / "styles")
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=4)
    assert work(run) == [NUM_OLD] * 3
    before = stamps(tmp_path / "RUN")
    # Between the old ones by name, so that slices of one sorted list would all be cut anew.
    for index in range(NUM_NEW):
        smooth(48, 36, seed=100 + index).save(photos / f"photo{index:02d}b.jpg", quality=90)
    assert work(run) == [NUM_NEW] * 3
    after = stamps(tmp_path / "RUN")
    assert {path: after[path] for path in before} == before
    added = [path for path in after.keys() - before.keys() if path.suffix == ".jpg"]
    assert len(added) == NUM_NEW
    assert len(read_attempts(run.folder)) == NUM_OLD + NUM_NEW
    whole = make_run(photos, tmp_path / "WHOLE", pack, shard_size=4)
    work(whole)
    assert whole.folder.report.read_bytes() == run.folder.report.read_bytes()


def test_a_finished_run_is_left_as_it_is(tmp_path):
    photos = make_photos(tmp_path / "photos", NUM_OLD)
    run = make_run(photos, tmp_path / "RUN", make_style(tmp_path / "styles"), shard_size=4)
    work(run)
    before = stamps(tmp_path / "RUN")
    assert work(run) == [0, 0, 0]
    assert stamps(tmp_path / "RUN") == before
