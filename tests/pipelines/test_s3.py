"""Photos and RUN on s3://, against a real S3 server process."""

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image, ImageOps
from upath import UPath

from pipelines.config import ComputeConfig
from pipelines.correct import correct
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.score import score
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.correct_driver import negative_decode
from tests.pipelines.photo_folders import make_photos, make_run, make_style, tree
from tests.pipelines.s3_server import FaultyProxy, new_bucket, reached_through, running_server
from tests.pipelines.scenes import make_scenes

s3fs = pytest.importorskip("s3fs", reason="the extra s3 is not installed")
pytest.importorskip("moto", reason="the S3 server of the tests, moto, is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SERIAL = ComputeConfig(workers=0)
NUM_PHOTOS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with running_server() as port:
        yield port


@pytest.fixture
def proxy(server) -> Iterator[FaultyProxy]:
    with reached_through(server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_style(tmp_path_factory.mktemp("styles"))


@pytest.fixture(scope="module")
def local(tmp_path_factory, pack) -> Run:
    folder = tmp_path_factory.mktemp("local")
    run = make_run(make_photos(folder / "photos", NUM_PHOTOS), folder / "RUN", pack, shard_size=2)
    work(run)
    return run


@pytest.fixture
def bucket(proxy, local) -> str:
    return new_bucket(proxy, Path(str(local.photos)))


def work(run: Run) -> list:
    stages = [ingest(run, SERIAL), stylize(run, SERIAL), score(run, SERIAL)]
    write_report(run, stages)
    return stages


def report(run: Run) -> pd.DataFrame:
    with run.folder.report.open("rb") as file:
        return pd.read_parquet(file)


def delivered(run: Run) -> dict[str, bytes]:
    rows = read_stylized(run.folder).to_pylist()
    return {row["output"]: run.folder.images(row["output"]).read_bytes() for row in rows}


def test_a_run_on_s3_is_the_run_on_a_disk(bucket, local, pack):
    run = make_run(f"{bucket}/photos", f"{bucket}/photos/RUN", pack, shard_size=2)
    assert [stage.failed for stage in work(run)] == [(), (), ()]
    pd.testing.assert_frame_equal(report(run), report(local))
    assert delivered(run) == delivered(local)
    assert (run.folder.root / "report.html").exists()
    again = make_run(f"{bucket}/photos", f"{bucket}/photos/RUN", pack, shard_size=2)
    assert [stage.done for stage in work(again)] == [0, 0, 0]


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_a_store_that_stutters_is_asked_again(bucket, proxy, local, pack, fault):
    run = make_run(f"{bucket}/photos", f"{bucket}/RUN", pack, shard_size=2)
    seen: set[tuple[str, str]] = set()

    def first_time(method: str, path: str) -> str | None:
        if "/photos/photo" not in path and "/RUN/images" not in path:
            return None
        is_new = (method, path) not in seen
        seen.add((method, path))
        return fault if is_new else None

    proxy.fault = first_time
    assert [stage.failed for stage in work(run)] == [(), (), ()]
    assert proxy.faults >= 2 * NUM_PHOTOS
    assert delivered(run) == delivered(local)


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_a_store_that_gives_up_fails_the_shard_and_the_same_command_finishes(
    bucket, proxy, local, pack, fault, monkeypatch
):
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
    run = make_run(f"{bucket}/photos", f"{bucket}/RUN", pack, shard_size=2)
    ingest(run, SERIAL)
    proxy.fault = lambda method, path: (
        fault if method == "PUT" and "/RUN/images/photo03" in path else None
    )
    summary = stylize(run, SERIAL)
    assert len(summary.failed) == 1
    assert "items)" in summary.failed[0]
    assert summary.done == NUM_PHOTOS - 2
    assert summary.rejected == 0
    proxy.fault = lambda _method, _path: None
    assert [stage.failed for stage in work(run)] == [(), (), ()]
    assert delivered(run) == delivered(local)
    pd.testing.assert_frame_equal(report(run), report(local))


def inverted(run: Run, name: str) -> None:
    path = run.folder.images(name)
    image = ImageOps.invert(Image.open(io.BytesIO(path.read_bytes())))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("mends", [True, False])
def test_a_correction_on_s3_is_the_correction_on_a_disk(
    tmp_path, proxy, calibrated_pack, monkeypatch, mends
):
    """Two outputs are damaged behind the network: mended, or given up where nothing mends."""
    if not mends:
        monkeypatch.setattr("pipelines.candidates.decode", negative_decode)
    photos = make_scenes(tmp_path / "photos", 3, first=5008)
    far = f"{new_bucket(proxy, photos)}"
    runs = [
        make_run(photos, tmp_path / "RUN", calibrated_pack),
        make_run(f"{far}/photos", f"{far}/RUN", calibrated_pack),
    ]
    for run in runs:
        ingest(run, SERIAL)
        stylize(run, SERIAL)
        inverted(run, "a0.png")
        stages = [score(run, SERIAL), correct(run, SERIAL)]
        assert [stage.failed for stage in stages] == [(), ()]
        write_report(run, stages)
        assert correct(run, SERIAL).done == 0
    one, two = runs
    expected = report(one)
    assert expected.set_index("source").status["a0.png"] == (
        "corrected" if mends else "quarantined"
    )
    pd.testing.assert_frame_equal(report(two), expected)
    for place in ("images", "quarantine", "superseded"):
        near = tree(Path(str(one.folder.root / place)))
        assert {p: (two.folder.root / place / p).read_bytes() for p in near} == near
        assert {p.name for p in _files(two.folder.root / place)} == {Path(p).name for p in near}


def _files(folder: UPath) -> list[UPath]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
