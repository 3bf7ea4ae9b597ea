import errno
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganst.errors import StylePackError
from pipelines import stylize as stylize_module
from pipelines import stylizing
from pipelines.config import ComputeConfig
from pipelines.first_attempts import plan_photos, to_photo
from pipelines.images import decode
from pipelines.ingest import ingest
from pipelines.runs import Run
from pipelines.shards import Shard
from pipelines.storage import open_root, read_bytes
from pipelines.styles import open_stylizer
from pipelines.stylize import make_job, stylize, stylize_shard
from pipelines.stylized import CHANGED, REMOVED, read_stylized
from tests.pipelines.photo_folders import (
    file_of,
    make_odd_folder,
    make_photos,
    make_run,
    make_style,
    smooth,
    tree,
    with_alpha,
)

SERIAL = ComputeConfig(workers=0)
LIMIT = 10**7


@pytest.fixture
def pack(tmp_path):
    return make_style(tmp_path / "styles")


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos", 5)


@pytest.fixture
def run(tmp_path, photos, pack):
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=2)
    ingest(run, SERIAL)
    return run


def rows(run: Run) -> dict[str, dict]:
    return {row["source"]: row for row in read_stylized(run.folder).to_pylist()}


def images(run: Run) -> dict[str, bytes]:
    return tree(Path(str(run.folder.root / "images")))


def test_every_good_photo_of_the_odd_folder_is_delivered_under_its_name_and_size(tmp_path, pack):
    errors = make_odd_folder(tmp_path / "photos")
    run = make_run(tmp_path / "photos", tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    summary = stylize(run, SERIAL)
    bad = {name for name, words in errors.items() if words}
    good = {path.name for path in (tmp_path / "photos").iterdir()} - bad
    delivered = images(run)
    assert delivered.keys() == good
    assert (summary.total, summary.rejected, summary.failed) == (len(good), 0, ())
    for name, data in delivered.items():
        source = decode((tmp_path / "photos" / name).read_bytes(), max_pixels=LIMIT)
        output = decode(data, max_pixels=LIMIT)
        assert output.pixels.shape == source.pixels.shape
        assert output.format == source.format


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("gpu")
def test_a_gpu_delivers_the_odd_folder_as_a_cpu_does(tmp_path, pack):
    """In one process: a worker of its own would not have the GPU that is not there."""
    make_odd_folder(tmp_path / "photos")
    runs = {
        device: make_run(tmp_path / "photos", tmp_path / device, pack) for device in ("GPU", "CPU")
    }
    for device, run in runs.items():
        ingest(run, SERIAL)
        with pytest.MonkeyPatch.context() as patch:
            if device == "CPU":
                open_stylizer.cache_clear()
                patch.setattr(torch.cuda, "is_available", lambda: False)
            stylize(run, SERIAL)
    there, here = (
        {name: decode(data, max_pixels=LIMIT).pixels for name, data in images(run).items()}
        for run in runs.values()
    )
    assert there.keys() == here.keys()
    assert all((there[name].int() - here[name].int()).abs().float().mean() < 0.5 for name in here)


def test_an_output_is_the_stylizers_pixels_with_the_sources_alpha(tmp_path, pack):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "clear.png").write_bytes(file_of(with_alpha(smooth(40, 30)), "PNG"))
    run = make_run(photos, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    source = decode((photos / "clear.png").read_bytes(), max_pixels=LIMIT)
    output = decode(images(run)["clear.png"], max_pixels=LIMIT)
    stylizer = open_stylizer(str(pack.path), pack.digest, "final", "fp32", 1.0)
    assert torch.equal(output.pixels, stylizer.stylize([source.pixels])[0])
    assert source.alpha is not None
    assert output.alpha is not None
    assert torch.equal(output.alpha, source.alpha)
    assert not torch.equal(output.pixels, source.pixels)


def test_a_second_call_does_nothing(run, monkeypatch):
    stylize(run, SERIAL)
    before = tree(Path(str(run.folder.root)))
    monkeypatch.setattr(stylize_module, "stylize_shard", None)
    summary = stylize(run, SERIAL)
    assert (summary.total, summary.done, summary.skipped) == (5, 0, 5)
    assert tree(Path(str(run.folder.root))) == before


def test_two_photos_with_equal_bytes_are_two_rows(photos, run):
    (photos / "copy.jpg").write_bytes((photos / "photo00.jpg").read_bytes())
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    assert len(rows(run)) == 6
    assert rows(run)["copy.jpg"]["attempt_id"] == rows(run)["photo00.jpg"]["attempt_id"]
    assert images(run)["copy.jpg"] == images(run)["photo00.jpg"]


def test_a_photo_does_not_hang_on_its_shard(tmp_path, photos, run, pack):
    stylize(run, SERIAL)
    other = make_run(photos, tmp_path / "other", pack, shard_size=64)
    ingest(other, SERIAL)
    stylize(other, SERIAL)
    assert images(other) == images(run)
    assert rows(other) == rows(run)


def test_a_file_that_changed_since_ingest_is_a_row_until_it_is_ingested_again(photos, run):
    path, good = photos / "photo00.jpg", (photos / "photo00.jpg").read_bytes()
    path.write_bytes(file_of(smooth(30, 30), "JPEG"))
    (photos / "photo01.jpg").unlink()
    summary = stylize(run, SERIAL)
    assert summary.rejected == 2
    assert ["2 of the photos changed" in note for note in summary.notes] == [True]
    assert "photo00.jpg" in summary.notes[0]
    assert rows(run)["photo00.jpg"]["error"] == CHANGED
    assert rows(run)["photo01.jpg"]["error"] == REMOVED
    assert "photo00.jpg" not in images(run)
    path.write_bytes(good)
    summary = stylize(run, SERIAL)
    assert (summary.done, summary.rejected) == (2, 1)
    assert len(rows(run)) == 5


def test_max_side_shrinks_and_the_row_says_the_size(tmp_path, photos, pack):
    run = make_run(photos, tmp_path / "small", pack, max_side=24, format="png")
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    assert {(row["width"], row["height"]) for row in rows(run).values()} == {(24, 18)}
    assert decode(images(run)["photo00.png"], max_pixels=LIMIT).pixels.shape == (3, 18, 24)


def test_an_image_over_the_memory_given_is_stylized_in_strips(tmp_path, pack):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "large.png").write_bytes(file_of(smooth(700, 1000), "PNG"))
    run = make_run(photos, tmp_path / "RUN", pack, memory_mb=16)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    source = decode((photos / "large.png").read_bytes(), max_pixels=LIMIT).pixels
    whole, strips = (
        open_stylizer(str(pack.path), pack.digest, "final", "fp32", 1.0, memory_mb)
        for memory_mb in (1024, 16)
    )
    assert strips.activation_bytes(1000, 700) > 16 * 10**6
    output = decode(images(run)["large.png"], max_pixels=LIMIT).pixels
    assert torch.equal(output, strips.stylize([source])[0])
    assert (output.int() - whole.stylize([source])[0].int()).abs().max() <= 1


def test_a_full_disk_leaves_no_row_and_the_next_call_finishes(run, monkeypatch):
    def full(path: Path, _data: bytes) -> None:
        if path.name == "photo02.jpg":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_data)

    with monkeypatch.context() as patch:
        patch.setattr(stylizing, "place_bytes", full)
        summary = stylize(run, SERIAL)
    assert len(summary.failed) == 1
    assert "No space left" in summary.failed[0]
    assert (summary.done, summary.rejected) == (3, 0)
    assert "photo02.jpg" not in rows(run)
    assert stylize(run, SERIAL).failed == ()
    assert len(rows(run)) == 5


def test_a_bug_in_the_model_is_no_row_either(run, monkeypatch):
    monkeypatch.setattr(stylizing, "open_stylizer", None)
    summary = stylize(run, SERIAL)
    assert len(summary.failed) == 3
    assert "TypeError" in summary.failed[0]
    assert rows(run) == {}


def test_weights_that_changed_under_a_run_stop_it(run):
    shard = Shard("x", tuple(map(to_photo, plan_photos(run).to_pylist())))
    with pytest.raises(StylePackError, match="changed"):
        stylize_shard(shard, replace(make_job(run), style_digest="0" * 64))


def test_images_come_before_the_part(run, monkeypatch):
    order = []
    real_bytes, real_table = stylizing.place_bytes, stylizing.commit_table
    monkeypatch.setattr(
        stylizing, "place_bytes", lambda *a: (order.append("image"), real_bytes(*a))
    )
    monkeypatch.setattr(
        stylizing, "commit_table", lambda *a: (order.append("part"), real_table(*a))
    )
    stylize(run, SERIAL)
    assert order == ["image", "image", "part", "image", "image", "part", "image", "part"]


def test_a_shard_that_another_driver_committed_is_left_alone(run):
    stylize(run, SERIAL)
    corrected = run.folder.images("photo00.jpg")
    corrected.write_bytes(b"corrected")
    for part in run.folder.stage("stylize").iterdir():
        shard = Shard(
            part.name.removesuffix(".parquet"), tuple(map(to_photo, plan_photos(run).to_pylist()))
        )
        stylize_shard(shard, make_job(run))
    assert corrected.read_bytes() == b"corrected"


def test_photos_and_run_may_lie_in_an_object_store(tmp_path, photos, run, pack):
    store = f"memory://stylize/{tmp_path.name}"
    for path in photos.iterdir():
        (open_root(store) / "photos" / "album" / path.name).write_bytes(path.read_bytes())
    (open_root(store) / "photos" / ".hidden.jpg").write_bytes(b"x")
    (open_root(store) / "photos" / "bad.jpg").write_bytes(b"")
    far = make_run(f"{store}/photos", f"{store}/photos/RUN", pack)
    assert ingest(far, SERIAL).rejected == 1
    stylize(far, SERIAL)
    assert ingest(far, SERIAL).done == 0  # nothing changed, and the RUN folder is not photos
    stylize(run, SERIAL)
    for name, data in images(run).items():
        assert read_bytes(far.folder.images(f"album/{name}")) == data
    assert Counter(row["status"] for row in rows(far).values()) == {"ok": 5}
