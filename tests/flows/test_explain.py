"""`ganst explain`: the words, the document, and what is refused."""

import dataclasses
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from flows import cli, explain
from flows.explain import explanation_lines
from ganst.scoring.reasons import Finding
from pipelines.explain import Attempt, Explanation
from pipelines.video.explaining import ShotNote, ShotTry

_FOUND = Explanation(
    source="a/1.jpg",
    status="corrected",
    reason="wrong_image",
    reason_probability=0.93,
    score_status="scored",
    alpha=0.05,
    p_anomaly=0.0054,
    p_delivered=0.4,
    families={"content": 0.01, "style": 0.6},
    findings=(Finding(column="c_gms", family="content", words="edges lost", sigma=4.06),),
    evidence="edges lost +4.1 σ",
    coverage=0.01,
    was_flagged=True,
    verdict="good",
    attempts=(
        Attempt(strategy="rerun_fp32", decision="refused", why="still flagged", p=0.01),
        Attempt(strategy="other_checkpoint", decision="accepted", why="passed", p=0.4),
    ),
    place="upper left, 4 % of the picture",
    local=("too dark", "flat"),
    shots=(),
    error=None,
    output="images/a/1.jpg",
    picture="RUN/explain/a/1.jpg.jpg",
)


def test_everything_that_is_known_is_said():
    assert explanation_lines(_FOUND) == [
        "a/1.jpg: corrected",
        "p         0.0054, at or below alpha 0.05: of good outputs, about 0.54 % look at least as odd",
        "          the correction that is delivered has 0.4",
        "reason    wrong image, 93 % sure",
        "unusual   edges lost +4.1 σ (content)",
        "families  p of content 0.01, style 0.6",
        "where     upper left, 4 % of the picture: too dark, flat",
        "photo     unlike those of the calibration (p 0.01): its p-value is not guaranteed",
        "tried     rerun fp32 refused, p 0.01: still flagged",
        "          other checkpoint accepted, p 0.4",
        "a person  says it is good",
    ]


def test_of_a_clip_the_shots_are_named_with_what_was_tried():
    tried = ShotTry(
        strategy="rerun_shared", decision="refused", why="no clear gain: 4.1 against 4.2"
    )
    mended = ShotTry(strategy="temporal_blend", decision="accepted", why="passed all tests")
    shot = ShotNote(
        number=2,
        start_s=4.0,
        stop_s=7.96,
        p=0.0031,
        reason="flicker",
        evidence="flicker: 5.2 levels",
        tries=(tried, mended),
    )
    lines = explanation_lines(dataclasses.replace(_FOUND, shots=(shot,)))
    place = lines.index(
        "shots     2, 4.0 to 8.0 s: p 0.0031, flagged for flicker (flicker: 5.2 levels)"
    )
    assert lines[place + 1 : place + 3] == [
        "             rerun shared refused: no clear gain: 4.1 against 4.2",
        "             temporal blend accepted",
    ]


def test_an_unknown_reason_says_that_it_is_none_of_those_learnt():
    found = dataclasses.replace(_FOUND, reason="unknown", reason_probability=0.4)
    [line] = [line for line in explanation_lines(found) if line.startswith("reason")]
    assert line.endswith("none of the faults that the style learnt (best guess 40 % sure)")


def test_what_has_no_score_says_why():
    found = dataclasses.replace(
        _FOUND,
        p_anomaly=None,
        reason=None,
        coverage=None,
        place=None,
        verdict=None,
        families={},
        findings=(),
        attempts=(),
        evidence="40 px is too short",
    )
    assert explanation_lines(found)[1:] == ["no score  40 px is too short"]


def _call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ganst", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("in_home")
def test_the_verb_explains_a_photo_and_refuses_one_that_is_not_there(
    monkeypatch, capsys, photos, tmp_path
):
    run = tmp_path / "RUN"
    made = ("stylize", photos, "--style", "tiny", "--out", run, "--workers", "0")
    assert _call(monkeypatch, *made) == 1  # one of the four files is empty
    capsys.readouterr()
    assert _call(monkeypatch, "explain", run, "1.jpg", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["status"] == "ok"
    assert facts["next"].startswith("it has no score yet: ganst score ")
    assert (run / "explain/1.jpg.jpg").is_file()
    assert _call(monkeypatch, "explain", run, "1.jpeg") == 2
    assert "did you mean 1.jpg" in capsys.readouterr().err
    assert _call(monkeypatch, "explain", tmp_path / "none", "1.jpg") == 2


def test_a_guess_that_has_no_number_is_not_told():
    found: Any = SimpleNamespace(reason="unknown", reason_probability=None)
    assert explain._reason(found).endswith("that the style learnt")
