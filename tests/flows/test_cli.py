"""The command line: statuses, sentences, JSON, and how it ends."""

import dataclasses
import json
import resource
import signal
import sys
import time

import pandas as pd
import psutil
import pytest
from PIL import Image

from flows import cli
from flows.options import DatasetOptions, RunOptions, TrainOptions
from flows.training import TrainRequest
from pipelines.config import DatasetConfig, RunConfig


def _call(monkeypatch, *arguments: object) -> int:
    """Run `main` in this process; gives the exit status."""
    monkeypatch.setattr(sys, "argv", ["ganst", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_help_is_instant_and_names_every_verb(ganst):
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        text, _errors = ganst("--help").communicate(timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Processor time: other work on this machine must not fail the test.
    assert min(spent) < 0.3
    for verb in (
        "run",
        "ingest",
        "stylize",
        "score",
        "correct",
        "report",
        "review",
        "train",
        "calibrate",
        "doctor",
        "explain",
    ):
        assert f"\n  {verb} " in text


@pytest.mark.parametrize(
    ("options", "model"),
    [(RunOptions, RunConfig), (DatasetOptions, DatasetConfig), (TrainOptions, TrainRequest)],
)
def test_defaults_of_the_command_line_are_those_of_the_model_behind_it(options, model):
    missing = {"home"} if model is RunConfig else set()
    assert {f.name for f in dataclasses.fields(options)} == set(model.model_fields) - missing
    for field in dataclasses.fields(options):
        known = model.model_fields[field.name]
        if field.default is dataclasses.MISSING:
            assert known.is_required()
        else:
            assert known.default == field.default


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "PHOTOS", "--style", "tiny"), "Missing option '--out'"),
        (("run", "PHOTOS", "--style", "tiny", "--out", "OUT", "--strength", "3"), "--strength 3.0"),
        (("run", "PHOTOS", "--style", "tiny", "--out", "OUT", "--workers", "-1"), "--workers -1"),
        (("run", "PHOTOS", "--style", "tiny", "--out", "OUT", "--format", "gif"), "gif"),
        (("run", "PHOTOS", "--style", "nobody", "--out", "OUT"), "known styles are"),
        (("stylize", "PHOTOS", "--style", "nobody", "--out", "OUT"), "known styles are"),
        (("stylize", "NOWHERE", "--style", "tiny", "--out", "OUT"), "not a folder of photos"),
        (("stylize", "EMPTY", "--style", "tiny", "--out", "OUT"), "is empty"),
        (
            (
                "stylize",
                "PHOTOS",
                "--style",
                "tiny",
                "--out",
                "OUT",
                "--scheduler",
                "tcp://[::1]:9",
            ),
            "No Dask scheduler answers at tcp://[::1]:9",
        ),
        (("stylize", "PHOTOS", "--style", "tiny", "--out", "PHOTOS"), "--out"),
        (("stylize", "dataset:x", "--style", "tiny", "--out", "OUT"), "known datasets are none"),
        (
            ("run", "PHOTOS", "--style", "tiny", "--out", "OUT", "--groups", "TABLE"),
            "must have the columns source and group, but has 'source', 'album'",
        ),
        (("ingest", "PHOTOS"), "Missing option '--dataset'"),
        (("ingest", "PHOTOS", "--dataset", "a/b"), "--dataset 'a/b'"),
        (("ingest", "dataset:x", "--dataset", "y"), "not of a dataset"),
        (("ingest", "NOWHERE", "--dataset", "x"), "not a folder of photos"),
        (("ingest", "PHOTOS", "--dataset", "x", "--groups", "TABLE"), "but has 'source', 'album'"),
        (("ingest", "PHOTOS", "--dataset", "x", "--groups", "NOWHERE"), "no file of groups"),
        (("score",), "either a RUN folder, or all of"),
        (("score", "OUT", "--sources", "PHOTOS"), "either a RUN folder, or all of"),
        (("correct", "OUT"), "no run.json"),
        (("report", "PHOTOS"), "no run.json"),
        (("review", "import", "PHOTOS", "NOWHERE"), "no run.json"),
        (("review", "list", "PHOTOS"), "no run.json"),
        (("styles", "show", "nobody"), "known styles are"),
        (("styles", "sheet", "NOWHERE"), "no photo"),
        (
            ("train", "--style", "a b", "--photos", "PHOTOS", "--paintings", "PHOTOS"),
            "--style 'a b'",
        ),
        (
            ("train", "--style", "tiny", "--photos", "PHOTOS", "--paintings", "PHOTOS"),
            "is there already",
        ),
        (
            (
                "train",
                "--style",
                "n",
                "--photos",
                "PHOTOS",
                "--paintings",
                "PHOTOS",
                "--preset",
                "x",
            ),
            "no preset 'x'",
        ),
        (
            (
                "train",
                "--style",
                "n",
                "--photos",
                "PHOTOS",
                "--paintings",
                "PHOTOS",
                "--start",
                "nobody",
            ),
            "no style 'nobody': the known styles are",
        ),
        (("calibrate", "--style", "tiny", "--photos", "NOWHERE"), "not a folder of photos"),
        (("nonsense",), "No such command"),
    ],
)
def test_bad_arguments_end_with_2_one_sentence_and_nothing_written(
    arguments, said, photos, in_home, monkeypatch, capsys
):
    (photos.parent / "empty").mkdir()
    places = {
        "PHOTOS": photos,
        "NOWHERE": photos.parent / "nowhere",
        "EMPTY": photos.parent / "empty",
        "OUT": photos.parent / "out",
        "TABLE": photos.parent / "groups.csv",
    }
    places["TABLE"].write_text("source,album\n1.jpg,one\n")
    before = sorted(photos.parent.rglob("*")) + sorted(in_home.rglob("*"))
    monkeypatch.setattr("pipelines.cluster._CONNECT_TIMEOUT_S", 1)
    assert _call(monkeypatch, *(places.get(word, word) for word in arguments)) == 2
    text, complaint = capsys.readouterr()
    assert said in complaint
    assert "Traceback" not in complaint
    assert text == ""
    assert sorted(photos.parent.rglob("*")) + sorted(in_home.rglob("*")) == before


@pytest.mark.usefixtures("in_home")
def test_a_prefect_server_that_does_not_answer_is_a_bad_argument(photos, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    out = photos.parent / "out"
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert _call(monkeypatch, "run", photos, "--style", "tiny", "--out", out) == 2
    assert not out.exists()


@pytest.mark.usefixtures("in_home")
def test_stages_one_by_one_end_where_the_flow_does(photos, monkeypatch, capsys):
    out = photos.parent / "out"
    share = ("--max-reject-share", "0.5")
    options = ("--style", "tiny", "--out", out, "--workers", "0", *share, "--json")
    assert _call(monkeypatch, "stylize", photos, *options) == 0
    stylized = json.loads(capsys.readouterr().out)
    assert stylized["summary"]["counts"]["ok"] == 3
    assert _call(monkeypatch, "score", out, "--workers", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["done"] == 3
    assert _call(monkeypatch, "correct", out, "--workers", "0", "--share", "0.1") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert _call(monkeypatch, "report", out) == 0
    text = capsys.readouterr().out
    assert "4 files: 3 ok, 1 rejected" in text
    assert f"{out}/report.html" in text


@pytest.mark.usefixtures("in_home")
def test_runs_over_a_dataset_take_over_its_rows_and_groups(photos, monkeypatch, capsys):
    table = photos.parent / "groups.csv"
    table.write_text("source,group\n1.jpg,one\na b/2.png,one\n")
    options = ("--dataset", photos.parent.name, "--workers", "0", "--max-reject-share", "0.5")
    assert _call(monkeypatch, "ingest", photos, *options, "--groups", table, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["counts"] == {"ok": 3, "rejected": 1}
    assert made["images_per_second"] > 0
    assert _call(monkeypatch, "ingest", photos, *options, "--groups", table) == 0
    assert "4 files: 3 ok, 1 rejected\nnothing to do" in capsys.readouterr().out
    assert _call(monkeypatch, "ingest", photos.parent, *options) == 2
    assert f"photos {photos} -> {photos.parent}" in capsys.readouterr().err

    name, out = f"dataset:{photos.parent.name}", photos.parent / "out"
    style = ("--style", "tiny", "--out", out, *options[2:], "--json")
    assert _call(monkeypatch, "stylize", name, *style) == 0
    ingest, stylize = json.loads(capsys.readouterr().out)["stages"]
    assert (ingest["done"], ingest["skipped"], stylize["done"]) == (0, 4, 3)
    report = pd.read_parquet(out / "report.parquet").set_index("source")
    assert report.group.to_dict() == {
        "1.jpg": "one",
        "a b/2.png": "one",
        "empty.jpg": ".",
        "näme & <b>.jpg": ".",
    }
    assert _call(monkeypatch, "stylize", photos, *style, "--groups", table) == 0


@pytest.mark.usefixtures("in_home")
def test_too_many_rejects_of_a_dataset_end_with_1(photos, monkeypatch, capsys):
    options = ("--dataset", photos.parent.name, "--workers", "0", "--json")
    assert _call(monkeypatch, "ingest", photos, *options) == 1
    text, complaint = capsys.readouterr()
    assert "1 of 4 files were rejected (25%)" in json.loads(text)["problems"][0]
    assert "--max-reject-share" in complaint


@pytest.mark.usefixtures("in_home")
def test_verdicts_come_in_by_file_and_are_listed(photos, monkeypatch, capsys):
    out, table = photos.parent / "out", photos.parent / "verdicts.csv"
    share = ("--max-reject-share", "0.5")
    options = ("--style", "tiny", "--out", out, "--workers", "0", *share)
    assert _call(monkeypatch, "stylize", photos, *options) == 0
    table.write_text("source,verdict,why,reviewer\na b/2.png,good,,Ada\n1.jpg,bad,muddy,Ada\n")
    capsys.readouterr()
    assert _call(monkeypatch, "review", "import", out, table, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdicts"], told["new"], told["counts"]["quarantined"]) == (2, 2, 1)
    assert _call(monkeypatch, "review", "list", out) == 0
    assert "bad     1.jpg  muddy · Ada" in capsys.readouterr().out
    table.write_text("source,verdict\n1.jpg,ugly\n")
    assert _call(monkeypatch, "review", "import", out, table) == 2
    assert "line 2: the verdict 'ugly' is neither good nor bad" in capsys.readouterr().err


@pytest.mark.usefixtures("in_home")
def test_too_many_rejects_end_with_1_and_the_document_says_why(photos, monkeypatch, capsys):
    options = ("--style", "tiny", "--out", photos.parent / "out", "--workers", "0", "--json")
    assert _call(monkeypatch, "stylize", photos, *options) == 1
    text, complaint = capsys.readouterr()
    assert "1 of 4 files were rejected (25%)" in json.loads(text)["problems"][0]
    assert "--max-reject-share" in complaint


@pytest.mark.usefixtures("in_home")
def test_another_configuration_on_the_same_folder_is_refused_with_the_difference(
    photos, monkeypatch, capsys
):
    options = ("--style", "tiny", "--out", photos.parent / "out", "--workers", "0")
    share = ("--max-reject-share", "0.5")
    assert _call(monkeypatch, "stylize", photos, *options, *share) == 0
    assert _call(monkeypatch, "stylize", photos, *options, *share, "--strength", "0.5") == 2
    assert "strength 1.0 -> 0.5" in capsys.readouterr().err


@pytest.mark.usefixtures("in_home")
def test_outputs_of_another_tool_are_scored_by_path(photos, monkeypatch, capsys):
    table = photos.parent / "scores.parquet"
    folders = ("--sources", photos, "--outputs", photos, "--style", "tiny", "--out", table)
    assert _call(monkeypatch, "score", *folders, "--workers", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["total"] == 4
    assert table.exists()


@pytest.mark.usefixtures("in_home")
def test_styles_are_listed_shown_and_put_on_a_sheet(photos, monkeypatch, capsys):
    assert _call(monkeypatch, "styles", "list", "--json") == 0
    assert "tiny" in {style["name"] for style in json.loads(capsys.readouterr().out)}
    assert _call(monkeypatch, "styles", "show", "tiny") == 0
    assert len(json.loads(capsys.readouterr().out)["digest"]) == 64
    sheet = photos.parent / "sheet.jpg"
    assert _call(monkeypatch, "styles", "sheet", photos / "1.jpg", "--out", sheet) == 0
    with Image.open(sheet) as one:
        assert one.format == "JPEG"
    assert _call(monkeypatch, "styles", "sheet", photos, photos / "1.jpg", "--out", sheet) == 0
    with Image.open(sheet) as many:
        assert (
            many.height > 4 * 70
        )  # a row for each of the folder's photos and for the one that was named


@pytest.mark.usefixtures("in_home")
def test_the_doctor_says_what_it_found(monkeypatch, capsys):
    assert _call(monkeypatch, "doctor", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"vangogh", "ukiyoe"} <= facts["precision"].keys() == set(facts["styles"])
    assert all(found in ("bf16", "fp32") for found in facts["precision"].values())
    assert all(name in " ".join(facts["precision_reasons"]) for name in facts["styles"])
    assert facts["problems"] == []
    assert _call(monkeypatch, "doctor", "--scheduler", "tcp://127.0.0.1:9") == 1
    assert "No Dask scheduler answers" in capsys.readouterr().out


def _servers() -> set[int]:
    return {
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "flows.embedded_server" in (process.info["cmdline"] or [])
    }


def _wait_until(holds, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_run_brings_its_own_server_and_ends_it(photos, ganst, tmp_path):
    before = _servers()
    options = ("--style", "tiny", "--out", tmp_path / "out", "--max-reject-share", "0.5")
    process = ganst("run", photos, *options, "--workers", "1", "--json")
    text, complaint = process.communicate(timeout=280)
    assert process.returncode == 0, complaint
    assert json.loads(text)["summary"]["counts"]["ok"] == 3
    assert "stylize 3/3" in complaint
    assert "Traceback" not in complaint
    assert "Error" not in complaint
    assert _servers() <= before


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "status", "moment"),
    [
        (signal.SIGINT, 130, "at work"),
        (signal.SIGTERM, 143, "at its start"),
        (signal.SIGKILL, -9, "at work"),
    ],
)
def test_a_run_that_is_stopped_leaves_no_process_behind(
    kind, status, moment, photos, ganst, tmp_path
):
    before = _servers()
    out = tmp_path / "out"
    process = ganst("run", photos, "--style", "tiny", "--out", out, "--workers", "1")
    assert process.stderr
    if moment == "at work":
        assert process.stderr.readline().startswith("ingest ")
    else:
        assert _wait_until(lambda: bool(_servers() - before), 60)
        time.sleep(1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(kind)
    _text, complaint = process.communicate(timeout=60)
    assert process.returncode == status, complaint
    if kind != signal.SIGKILL:
        assert complaint.endswith("ganst: stopped; the same command again goes on from here\n")
        assert "Traceback" not in complaint
        assert "Exception ignored" not in complaint
    assert _wait_until(lambda: not psutil.wait_procs(children, timeout=0)[1], 30)
