"""The nightly command with photos and RUN in an object store, against a real S3 server process."""

import json
from collections.abc import Iterator

import pandas as pd
import pytest

from pipelines.storage import open_root
from tests.pipelines.s3_server import FaultyProxy, new_bucket, reached_through, running_server

pytest.importorskip("s3fs", reason="the extra s3 is not installed")
pytest.importorskip("moto", reason="the S3 server of the tests, moto, is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with running_server() as port, reached_through(port) as proxy:
        yield proxy


def test_a_run_goes_from_one_bucket_to_a_report_in_it_and_a_second_one_redoes_nothing(
    ganst, photos, proxy
):
    bucket = new_bucket(proxy, photos)
    places = (f"{bucket}/photos", "--out", f"{bucket}/RUN", "--style", "tiny", "--workers", 2)
    stages = []
    for _ in range(2):
        process = ganst("run", *places, "--max-reject-share", 0.5, "--json")
        out, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors
        stages.append([stage["done"] for stage in json.loads(out)["stages"]])
    assert stages == [[4, 3, 0, 0], [0, 0, 0, 0]]
    run = open_root(f"{bucket}/RUN")
    with (run / "report.parquet").open("rb") as file:
        report = pd.read_parquet(file)
    assert sorted(report.status) == ["ok", "ok", "ok", "rejected"]
    assert all((run / output).exists() for output in report.output.dropna())
    assert (run / "report.html").exists()
