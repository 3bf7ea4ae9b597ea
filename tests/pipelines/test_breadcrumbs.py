import multiprocessing
import os
import signal

import pytest
from upath import UPath

from pipelines import collection as collection_module
from pipelines import stylize as stylize_module
from pipelines.breadcrumbs import KILLED, find_deaths, find_killers, leave_trail
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.parquet import list_parts, read_table
from pipelines.schema import CATALOG
from pipelines.storage import open_root
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.photo_folders import make_photos, make_run, make_style
from tests.pipelines.poison import POISON, ingest_poisoned, stylize_poisoned

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def parts(tmp_path):
    return open_root(str(tmp_path / "parts"))


def die_at(folder: str, call: str, sources: list) -> None:
    with leave_trail(open_root(folder), "shard", call) as step:
        for source in sources:
            step(*([source] if isinstance(source, str) else source))
        os.kill(os.getpid(), signal.SIGKILL)


def death(folder: str, call: str, sources: list) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=die_at, args=(folder, call, sources)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_two_deaths_at_one_image_give_it_away_whatever_came_before_it(parts):
    death(str(parts), "call", ["a.jpg", "new\nline.jpg"])
    assert find_killers(parts, "shard", "call") == frozenset()
    death(str(parts), "call", ["new\nline.jpg"])
    assert find_killers(parts, "shard", "call") == {"new\nline.jpg"}


def test_deaths_at_different_images_or_before_the_first_give_nobody_away(parts):
    for sources in (["a.jpg"], ["b.jpg"], [], []):
        death(str(parts), "call", sources)
    assert find_killers(parts, "shard", "call") == frozenset()


def test_two_suspects_are_told_apart_by_a_death_alone(parts):
    together = [("a.jpg",), ("a.jpg", "b.jpg")]
    death(str(parts), "call", together)
    death(str(parts), "call", together)
    assert find_killers(parts, "shard", "call") == frozenset()
    assert find_deaths(parts, "shard", "call") == [["a.jpg", "b.jpg"]] * 2
    death(str(parts), "call", ["a.jpg", "b.jpg"])
    assert find_killers(parts, "shard", "call") == {"b.jpg"}


def test_deaths_of_another_call_or_shard_do_not_count(parts):
    death(str(parts), "call", ["a.jpg"])
    death(str(parts), "killed-command", ["a.jpg"])
    assert find_killers(parts, "shard", "call") == frozenset()
    death(str(parts), "call", ["a.jpg"])
    assert find_killers(parts, "other", "call") == frozenset()


def test_an_attempt_that_is_alive_is_no_death(parts):
    death(str(parts), "call", ["a.jpg"])
    with leave_trail(parts, "shard", "call") as step:
        step("a.jpg")
        assert find_killers(parts, "shard", "call") == frozenset()


def fail_at(parts: UPath, source: str) -> None:
    with leave_trail(parts, "shard", "call") as step:
        step(source)
        raise ZeroDivisionError


def test_an_exception_is_no_death_and_leaves_nothing(parts):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail_at(parts, "a.jpg")
    assert list(parts.iterdir()) == []


def test_trails_are_no_parts(parts):
    death(str(parts), "call", ["a.jpg"])
    assert list_parts(parts) == []


@pytest.mark.slow
@pytest.mark.timeout(300)  # four dead workers, 15 s on an idle machine
def test_an_image_that_kills_its_worker_becomes_a_row_and_only_that_one(tmp_path, monkeypatch):
    photos = make_photos(tmp_path / "photos", 8)
    pack = make_style(tmp_path / "styles")
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=8)
    with shared_cluster(ComputeConfig(workers=1)) as compute:
        ingest(run, SERIAL)
        monkeypatch.setattr(stylize_module, "stylize_shard", stylize_poisoned)
        summary = stylize(run, compute)
        other = make_run(photos, tmp_path / "OTHER", pack, shard_size=8)
        monkeypatch.setattr(collection_module, "ingest_shard", ingest_poisoned)
        ingest(other, compute)
    assert (summary.done, summary.rejected, summary.failed) == (8, 1, ())
    for table in (read_stylized(run.folder), read_table(other.folder.catalog, CATALOG)):
        rows = {row["source"]: row for row in table.to_pylist()}
        assert len(rows) == 8
        assert {s for s, row in rows.items() if row["status"] == "rejected"} == POISON
        assert {rows[source]["error"] for source in POISON} == {KILLED}
