"""Which images a call of correct is about."""

import pytest

from pipelines.config import ComputeConfig
from pipelines.correct import correct
from pipelines.correction_plan import current_attempts, plan_corrections
from pipelines.selection import EVERYTHING, Selection, UnknownReasonError, check_reasons
from tests.pipelines.correct_driver import negative_decode
from tests.pipelines.test_correct import attempts, scored_run

SERIAL = ComputeConfig(workers=0)
DAMAGED = ("a0.png", "b1.png")


@pytest.fixture
def damaged(tmp_path, calibrated_pack):
    """Three outputs, two of them damaged before they were scored."""
    run = scored_run(tmp_path, calibrated_pack, damaged=DAMAGED)
    assert [attempts(run)[name][0]["flagged"] for name in DAMAGED] == [True, True]
    return run


def chosen(run, selection: Selection) -> list[str]:
    found = current_attempts(run)
    return [image.row["source"] for image in selection.of(plan_corrections(run, found), found)]


def test_reasons_choose_and_an_unknown_one_is_refused_with_those_there_are(damaged):
    first, second = (attempts(damaged)[name][0]["reason"] for name in DAMAGED)
    assert chosen(damaged, EVERYTHING) == list(DAMAGED)
    assert chosen(damaged, Selection(reasons=(first, second))) == list(DAMAGED)
    other = next(name for name in ("blur", "noise", "unknown") if name not in (first, second))
    assert chosen(damaged, Selection(reasons=(other,))) == []
    with pytest.raises(UnknownReasonError, match=r"no reason 'blurr'; there are .*blur, .*unknown"):
        correct(damaged, SERIAL, only=Selection(reasons=("blurr",)))
    check_reasons(damaged, Selection(reasons=(first, "unknown")))


def test_quarantined_are_those_given_up_and_flagged_those_nobody_tried(damaged, monkeypatch):
    flagged, given_up = Selection(only="flagged"), Selection(only="quarantined")
    assert (chosen(damaged, flagged), chosen(damaged, given_up)) == (list(DAMAGED), [])
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.candidates.decode", negative_decode)
        correct(damaged, SERIAL)
    assert (chosen(damaged, flagged), chosen(damaged, given_up)) == ([], list(DAMAGED))


def test_what_has_been_corrected_waits_for_nothing(damaged):
    correct(damaged, SERIAL)
    corrected = [name for name in DAMAGED if attempts(damaged)[name][-1]["decision"] == "accepted"]
    assert corrected
    for only in ("flagged", "quarantined"):
        assert not set(corrected) & set(chosen(damaged, Selection(only=only)))


def test_only_the_chosen_are_tried(damaged):
    first = attempts(damaged)["a0.png"][0]["reason"]
    rest = [name for name in DAMAGED if attempts(damaged)[name][0]["reason"] != first]
    summary = correct(damaged, SERIAL, only=Selection(reasons=(first,), only="flagged"))
    assert summary.done == len(DAMAGED) - len(rest)
    assert all(len(attempts(damaged)[name]) == 1 for name in rest)
    assert len(attempts(damaged)["a0.png"]) > 1
    assert correct(damaged, SERIAL, only=Selection(only="flagged")).done == len(rest)
