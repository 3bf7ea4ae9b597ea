import json
import os
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines import collection as collection_module
from pipelines.config import ComputeConfig, DatasetConfig
from pipelines.datasets import Dataset, find_dataset, open_dataset
from pipelines.errors import EmptyFolderError, RunConflictError, UnknownRunError
from pipelines.ingest import ingest, ingest_dataset
from pipelines.parquet import read_table
from pipelines.runs import Run, load_run, open_run
from pipelines.schema import CATALOG
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import file_of, make_photos, make_run, make_style, smooth

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def pack(tmp_path):
    return make_style(tmp_path / "styles")


@pytest.fixture
def photos(tmp_path):
    folder = make_photos(tmp_path / "photos", 4)
    (folder / "empty.jpg").touch()
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home" / "datasets"


def config(photos: Path, **values: object) -> DatasetConfig:
    given = {"photos": str(photos), "dataset": "album", "shard_size": 2} | values
    return DatasetConfig.model_validate(given)


def made(photos: Path, home: Path, **values: object) -> Dataset:
    dataset = open_dataset(config(photos, **values), home)
    ingest_dataset(dataset, SERIAL)
    return dataset


def run_over(dataset: Dataset, out: Path, pack, **values: object) -> Run:
    plain = make_run(dataset.config.photos, out, pack, **values)
    return open_run(plain.config, pack, dataset.root)


def rows(catalog) -> list[dict]:
    return read_table(catalog, CATALOG).to_pylist()


def test_a_dataset_is_a_catalog_that_is_kept_up_to_date(photos, home):
    dataset = open_dataset(config(photos), home)
    summary = ingest_dataset(dataset, SERIAL)
    assert (summary.total, summary.done, summary.skipped, summary.rejected) == (5, 5, 0, 1)
    assert [row["status"] for row in rows(dataset.catalog)].count("ok") == 4
    assert {row["output"] for row in rows(dataset.catalog)} == {None}
    (photos / "new.png").write_bytes(file_of(smooth(9, 9), "PNG"))
    (photos / "photo00.jpg").unlink()
    summary = ingest_dataset(open_dataset(config(photos), home), SERIAL)
    assert (summary.total, summary.done, summary.skipped) == (5, 1, 4)
    facts = json.loads((dataset.root / "dataset.json").read_bytes())
    assert facts["config"]["photos"] == str(photos)
    assert len(facts["catalog_digest"]) == 64


def test_a_killed_ingest_goes_on_from_its_shards(photos, home, monkeypatch):
    dataset = open_dataset(config(photos), home)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.ingest._commit", None)
        with pytest.raises(TypeError):
            ingest_dataset(dataset, SERIAL)
    assert not dataset.catalog.exists()
    summary = ingest_dataset(dataset, SERIAL)
    assert (summary.done, summary.skipped) == (0, 5)


def test_a_name_that_is_of_another_folder_is_refused_with_the_difference(photos, home, tmp_path):
    made(photos, home)
    other = make_photos(tmp_path / "other", 1)
    before = (home / "album" / "dataset.json").read_bytes()
    with pytest.raises(RunConflictError, match=rf"photos {photos} -> {other}\."):
        open_dataset(config(other), home)
    with pytest.raises(RunConflictError, match="max_pixels 200000000 -> 9"):
        open_dataset(config(photos, max_pixels=9), home)
    assert (home / "album" / "dataset.json").read_bytes() == before


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\\b", "a b", "x" * 101, "a\n"])
def test_a_name_is_one_plain_word(photos, name):
    with pytest.raises(ValidationError):
        config(photos, dataset=name)


def test_a_dataset_is_not_made_of_a_dataset():
    with pytest.raises(ValidationError, match="not of a dataset"):
        config(Path("dataset:album"))


@pytest.mark.parametrize("name", ["nobody", "../album", "."])
def test_an_unknown_name_is_refused_with_the_known_ones(photos, home, name):
    made(photos, home)
    with pytest.raises(UnknownRunError, match="the known datasets are album"):
        find_dataset(name, home)


def test_a_dataset_of_an_empty_folder_is_an_error(tmp_path, home):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(EmptyFolderError):
        made(tmp_path / "nothing", home)


def test_a_run_over_a_dataset_decodes_nothing(photos, home, pack, tmp_path, monkeypatch):
    dataset = made(photos, home)
    plain = make_run(photos, tmp_path / "PLAIN", pack)
    ingest(plain, SERIAL)
    monkeypatch.setattr(collection_module, "ingest_shard", None)
    run = run_over(dataset, tmp_path / "RUN", pack)
    assert load_run(str(tmp_path / "RUN"), None).dataset == dataset.root
    summary = ingest(run, SERIAL)
    assert (summary.total, summary.done, summary.skipped, summary.rejected) == (5, 0, 5, 1)
    assert run.folder.catalog.read_bytes() == plain.folder.catalog.read_bytes()


def test_what_is_new_since_the_dataset_is_read_by_the_run(photos, home, pack, tmp_path):
    dataset = made(photos, home)
    (photos / "new.png").write_bytes(file_of(smooth(9, 9), "PNG"))
    (photos / "photo01.jpg").write_bytes(file_of(smooth(50, 20), "JPEG"))
    run = run_over(dataset, tmp_path / "RUN", pack)
    assert (ingest(run, SERIAL).done, ingest(run, SERIAL).done) == (2, 0)
    widths = {row["source"]: row["width"] for row in rows(run.folder.catalog)}
    assert (widths["new.png"], widths["photo01.jpg"]) == (9, 50)


def test_a_run_with_another_limit_takes_over_only_what_it_would_say_itself(
    photos, home, pack, tmp_path
):
    dataset = made(photos, home, max_pixels=48 * 36)
    (photos / "large.png").write_bytes(file_of(smooth(80, 60), "PNG"))
    ingest_dataset(dataset, SERIAL)
    for limit, read in ((48 * 36, 0), (80 * 60, 2), (9, 4 + 2)):
        run = run_over(dataset, tmp_path / str(limit), pack, max_pixels=limit)
        assert ingest(run, SERIAL).done == read
        plain = make_run(photos, tmp_path / f"plain{limit}", pack, max_pixels=limit)
        ingest(plain, SERIAL)
        assert rows(run.folder.catalog) == rows(plain.folder.catalog)


def test_a_dataset_that_is_gone_costs_time_and_nothing_else(photos, home, pack, tmp_path):
    dataset = made(photos, home)
    run = run_over(dataset, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    before = run.folder.catalog.read_bytes()
    shutil.rmtree(str(dataset.root))
    assert ingest(run, SERIAL).done == 5
    assert run.folder.catalog.read_bytes() == before


def test_groups_of_the_dataset_hold_for_its_runs_unless_a_run_has_its_own(
    photos, home, pack, tmp_path
):
    table = tmp_path / "groups.csv"
    table.write_text("source,group\nphoto00.jpg,shoot\nphoto01.jpg,shoot\n")
    dataset = made(photos, home, groups=str(table))
    (photos / "photo00.jpg").write_bytes(file_of(smooth(50, 20), "JPEG"))  # since the dataset
    own = tmp_path / "own.csv"
    own.write_text("source,group\nphoto01.jpg,mine\n")

    def groups(run: Run) -> list[str]:
        ingest(run, SERIAL)
        return [row["group"] for row in rows(run.folder.catalog)]

    assert groups(run_over(dataset, tmp_path / "A", pack)) == [".", "shoot", "shoot", ".", "."]
    run = run_over(dataset, tmp_path / "B", pack, groups=str(own))
    assert groups(run) == [".", "shoot", "mine", ".", "."]


@pytest.mark.parametrize("over_a_dataset", [True, False])
def test_other_bytes_under_the_same_stamp_stay_found(photos, home, pack, tmp_path, over_a_dataset):
    paths = sorted(photos.glob("photo*.jpg"))
    for path in paths:
        path.write_bytes(path.read_bytes().ljust(9000, b"\0"))
        os.utime(path, ns=(1, 1))
    dataset = made(photos, home)
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=64)
    if over_a_dataset:
        run = open_run(run.config, pack, dataset.root)
    ingest(run, SERIAL)
    first, second, third, fourth = (path.read_bytes() for path in paths)
    for path, data in zip(paths, (second, first, third, fourth), strict=True):
        path.write_bytes(data)
        os.utime(path, ns=(1, 1))
    assert stylize(run, SERIAL).rejected == 2
    for _ in range(3):
        ingest(run, SERIAL)
        assert stylize(run, SERIAL).rejected == 0
