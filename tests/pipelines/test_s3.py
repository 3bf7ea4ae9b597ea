"""Photos and RUN on s3://, against a real S3 server process."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.score import score
from pipelines.storage import open_root
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.photo_folders import make_photos, make_run, make_style, tree
from tests.pipelines.s3_server import FaultyProxy

s3fs = pytest.importorskip("s3fs", reason="the extra s3 is not installed")
pytest.importorskip("moto", reason="the S3 server of the tests, moto, is not installed")

pytestmark = pytest.mark.slow
SERIAL = ComputeConfig(workers=0)
ROOT = Path(__file__).parents[2]
NUM_PHOTOS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.pipelines.s3_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


@pytest.fixture
def proxy(server, monkeypatch) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(server)
    for name, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield proxy
    s3fs.S3FileSystem.clear_instance_cache()
    proxy.close()


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
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(endpoint_url=proxy.url).mkdir(name)
    for path, data in tree(Path(str(local.photos))).items():
        (open_root(f"s3://{name}/photos") / path).write_bytes(data)
    return f"s3://{name}"


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
