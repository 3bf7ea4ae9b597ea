"""Styles from elsewhere and to elsewhere, by the command line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from flows import cli, stages
from flows.publish import as_markdown
from flows.wording import outcome_lines
from ganst.models.stylepack import load_generator, load_stylepack
from pipelines.config import ComputeConfig, RunConfig
from tests.ganst.models.public_networks import Variant, make_public


@pytest.fixture
def checkpoint(tmp_path, rng) -> Path:
    """A small CUT generator as its authors save one."""
    public = make_public(Variant(blur_down=True, blur_up=True, dropout=True), rng)
    torch.save(public.state_dict(), tmp_path / "latest_net_G.pth")
    return tmp_path / "latest_net_G.pth"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a verb in this process, in a home of its own: status, standard output, standard error."""
    monkeypatch.setenv("GANST_HOME", str(tmp_path / "home"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ganst", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def test_a_checkpoint_becomes_a_style_whose_card_makes_nothing_up(call, checkpoint, tmp_path, rng):
    status, out, _ = call("styles", "import", checkpoint, "--name", "cut", "--licence", "MIT")
    assert status == 0
    assert "dropout is left out" in out
    assert "not judged until it is calibrated" in out
    pack = load_stylepack(tmp_path / "home" / "styles" / "cut")
    assert pack.card["imported"]["file"] == "latest_net_G.pth"
    assert len(pack.card["imported"]["sha256"]) == 64
    assert pack.card["data"] == {"licence": "MIT"}
    assert not {"training", "trained", "preset"} & pack.card.keys()
    public = make_public(Variant(blur_down=True, blur_up=True, dropout=True), rng.manual_seed(0))
    images = torch.rand(1, 3, 32, 48, generator=rng) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(load_generator(pack)(images), public(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../up", "--name '../up': a style's name is made of letters"),
        ("vangogh", "vangogh is a bundled style"),
        ("", "--name '': a style's name"),
    ],
)
def test_a_name_that_cannot_be_used_writes_nothing(call, checkpoint, tmp_path, name, sentence):
    status, _, err = call("styles", "import", checkpoint, "--name", name)
    assert (status, err.count("\n")) == (2, 1)
    assert sentence in err
    assert not (tmp_path / "home").exists()


def test_a_taken_name_is_replaced_only_when_told_to(call, checkpoint):
    again = ("styles", "import", checkpoint, "--name", "cut")
    assert call(*again)[0] == 0
    status, _, err = call(*again)
    assert status == 2
    assert "is there already" in err
    assert call(*again, "--replace")[0] == 0


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_a_truncated_checkpoint_is_one_sentence_that_names_the_file(
    call, checkpoint, tmp_path, kept
):
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    status, _, err = call("styles", "import", checkpoint, "--name", "cut")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{checkpoint} cannot be imported: it is damaged" in err
    assert not (tmp_path / "home").exists()


def test_another_network_is_refused_with_its_keys(call, tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    status, _, err = call("styles", "import", tmp_path / "linear.pth", "--name", "x")
    assert status == 2
    assert "2 of its 2 keys are not understood (weight, bias)" in err


def test_a_file_that_is_too_large_is_refused_before_it_is_read(call, tmp_path):
    with (tmp_path / "large.pth").open("wb") as file:
        file.truncate(5 * 2**30)
    status, _, err = call("styles", "import", tmp_path / "large.pth", "--name", "x")
    assert status == 2
    assert "it has 5.0 GiB, and at most 1 GiB is read" in err


def test_an_exported_style_comes_with_its_certificate(call, checkpoint, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    call("styles", "import", checkpoint, "--name", "cut")
    target = tmp_path / "out" / "cut.onnx"
    status, out, _ = call("styles", "export", "cut", "--onnx", target, "--json")
    assert status == 0
    certificate = json.loads(out)
    assert certificate == json.loads(target.with_name("cut.certificate.json").read_text())
    assert certificate["max_abs_difference"] < 1e-4
    assert certificate["style_digest"] == load_stylepack(tmp_path / "home/styles/cut").digest
    session = onnxruntime.InferenceSession(target.read_bytes(), providers=["CPUExecutionProvider"])
    images = np.zeros((2, 3, 31, 77), np.float32)
    assert session.run(None, {"images": images})[0].shape == images.shape


def test_a_missing_extra_is_one_sentence(call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "ganst.models.export", raising=False)
    monkeypatch.delattr("ganst.models.export", raising=False)
    status, _, err = call("styles", "export", "vangogh", "--onnx", tmp_path / "x.onnx")
    assert status == 2
    assert "export needs onnxruntime, which is not installed: pip install 'ganst[onnx]'" in err


def test_an_onnx_file_must_be_called_so(call, tmp_path):
    status, _, err = call("styles", "export", "vangogh", "--onnx", tmp_path / "x.pth")
    assert status == 2
    assert "must end in .onnx" in err


def test_all_stages_with_an_imported_style_deliver_and_say_that_nothing_was_judged(
    call, checkpoint, photos, tmp_path
):
    call("styles", "import", checkpoint, "--name", "cut")
    out = str(tmp_path / "run")
    config = RunConfig(photos=str(photos), style="cut", out=out, max_reject_share=0.5)
    run = stages.open_stage(config)
    outcome = stages.run_through(run, ComputeConfig(workers=0), tuple(stages.STAGES))
    report = pd.read_parquet(tmp_path / "run" / "report.parquet")
    assert report.status.value_counts().to_dict() == {"ok": 3, "rejected": 1}
    assert report.p_anomaly.isna().all()
    assert not report.flagged.fillna(value=False).any()
    assert not outcome.problems
    sentence = "not judged: style cut has no calibration for these outputs, so none has a score"
    assert sentence in outcome_lines(outcome)
    assert sentence in as_markdown(outcome)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "No output of this run has a calibrated score." in page


def test_stylizing_alone_complains_of_no_missing_calibration(call, checkpoint, photos, tmp_path):
    call("styles", "import", checkpoint, "--name", "cut")
    out = tmp_path / "run"
    options = ("--max-reject-share", "0.5", "--workers", "0")
    status, told, _ = call("stylize", photos, "--style", "cut", "--out", out, *options)
    assert status == 0
    assert "3 ok" in told
    assert "not judged" not in told
    status, told, _ = call("score", out, "--workers", "0")
    assert status == 0
    assert "not judged: style cut has no calibration" in told
