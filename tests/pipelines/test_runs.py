import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from upath import UPath

from ganst.models.stylepack import load_stylepack
from pipelines import runs
from pipelines.config import ComputeConfig, RunConfig
from pipelines.errors import RunConflictError, UnknownRunError
from pipelines.runs import attempt_id, first_attempt_id, is_run_folder, load_run, record
from pipelines.storage import open_root
from pipelines.style_folders import BUNDLED, pack_to_calibrate
from tests.pipelines.photo_folders import make_run, make_style

WORK: dict[str, Any] = {
    "source_sha256": "ab",
    "style_digest": "cd",
    "strategy": None,
    "params": {"strength": 1.0},
    "seed": 0,
    "scorer_version": "1",
}


@pytest.fixture
def pack(tmp_path):
    return make_style(tmp_path / "styles")


def test_a_run_is_found_again_from_its_folder(tmp_path, pack):
    run = make_run(tmp_path / "photos", tmp_path / "RUN", pack, strength=0.5)
    assert load_run(str(tmp_path / "RUN"), None) == run


def test_the_same_configuration_goes_on_and_keeps_the_start(tmp_path, pack):
    run = make_run(tmp_path / "photos", tmp_path / "RUN", pack)
    before = json.loads(run.folder.run_json.read_bytes())
    make_run(tmp_path / "photos", tmp_path / "RUN", pack, max_reject_share=0.5, shard_size=3)
    after = json.loads(run.folder.run_json.read_bytes())
    assert after["started"] == before["started"]
    assert after["config"]["max_reject_share"] == 0.5


@pytest.mark.parametrize("first", ["bf16", "fp32"])
def test_a_run_stays_in_its_precision_when_another_measurement_would_change_it(
    tmp_path, pack, monkeypatch, first
):
    monkeypatch.setattr(runs, "choose_precision", lambda _network: first)
    made = make_run(tmp_path / "photos", tmp_path / "RUN", pack, precision="auto")
    other = "fp32" if first == "bf16" else "bf16"
    monkeypatch.setattr(runs, "choose_precision", lambda _network: other)
    again = make_run(tmp_path / "photos", tmp_path / "RUN", pack, precision="auto")
    assert made.precision == again.precision == first
    with pytest.raises(RunConflictError, match="precision"):
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, precision=other)


def test_a_run_that_another_command_begins_while_this_one_measures_keeps_that_ones_precision(
    tmp_path, pack, monkeypatch
):
    def overtaken() -> str:
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, precision="auto")
        return "bf16"

    answers = iter([overtaken, lambda: "fp32"])
    monkeypatch.setattr(runs, "choose_precision", lambda _network: next(answers)())
    assert (
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, precision="auto").precision == "fp32"
    )


def test_another_configuration_is_refused_with_the_difference(tmp_path, pack):
    make_run(tmp_path / "photos", tmp_path / "RUN", pack, max_side=512)
    with pytest.raises(RunConflictError, match=r"max_side 512 -> None, strength 1.0 -> 0.5\."):
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, strength=0.5)


def test_of_two_commands_that_begin_at_once_the_second_gives_way(tmp_path, pack, monkeypatch):
    """The other one creates the run after this one has seen that there is none."""
    create = runs.create_facts

    def after_the_other(path: UPath, facts: dict[str, Any]) -> None:
        monkeypatch.setattr(runs, "create_facts", create)
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, strength=1.0)
        create(path, facts)

    monkeypatch.setattr(runs, "create_facts", after_the_other)
    with pytest.raises(RunConflictError, match=r"strength 1.0 -> 0.5\."):
        make_run(tmp_path / "photos", tmp_path / "RUN", pack, strength=0.5)
    assert make_run(tmp_path / "photos", tmp_path / "RUN", pack).config.strength == 1.0


def test_another_style_of_the_same_name_is_refused(tmp_path, pack):
    make_run(tmp_path / "photos", tmp_path / "RUN", pack)
    with pytest.raises(RunConflictError, match="style_digest"):
        make_run(tmp_path / "photos", tmp_path / "RUN", replace(pack, digest="0" * 64))


def test_a_style_that_was_retrained_is_not_taken_for_the_runs_own(tmp_path, pack):
    run = make_run(tmp_path / "photos", tmp_path / "RUN", replace(pack, digest="0" * 64))
    with pytest.raises(RunConflictError, match="was made with style toy 000000000000"):
        load_run(str(run.folder.root), None)


def test_a_run_of_a_bundled_style_is_judged_by_the_users_own_calibration(tmp_path):
    bundled = load_stylepack(BUNDLED / "ukiyoe")
    make_run(tmp_path / "photos", tmp_path / "RUN", bundled, style="ukiyoe")
    home = tmp_path / "home"
    assert load_run(str(tmp_path / "RUN"), home).pack == bundled
    own = pack_to_calibrate("ukiyoe", home)
    assert load_run(str(tmp_path / "RUN"), home).pack.path == own


@pytest.mark.parametrize("photos", ["RUN", "RUN/images"])
def test_photos_inside_of_the_run_folder_are_refused(tmp_path, pack, photos):
    with pytest.raises(RunConflictError, match="choose another --out"):
        make_run(tmp_path / photos, tmp_path / "RUN", pack)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"name": "npm"}'])
def test_a_folder_of_something_else_is_no_run(tmp_path, text):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UnknownRunError):
        load_run(str(tmp_path), None)
    assert not is_run_folder(open_root(str(tmp_path)))


def test_facts_are_noted_in_run_json_and_nothing_else_is(tmp_path, pack):
    run = make_run(tmp_path / "photos", tmp_path / "RUN", pack)
    record(run, catalog_digest="abc")
    assert json.loads(run.folder.run_json.read_bytes())["catalog_digest"] == "abc"
    with pytest.raises(ValueError, match="'catalogdigest'"):
        record(run, catalogdigest="abc")


@pytest.mark.parametrize("field", sorted(WORK))
def test_an_attempt_id_changes_with_every_part_of_the_work(field):
    other = {"strategy": "fp32", "params": {"strength": 0.9}, "seed": 1}.get(field, "other")
    assert attempt_id(**WORK) != attempt_id(**WORK | {field: other})


def test_an_attempt_id_is_stable_and_does_not_hang_on_key_order():
    assert attempt_id(**WORK) == "6a90dd000bfba24079e0ab306bd232e9"
    both = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert len({attempt_id(**WORK | {"params": params}) for params in both}) == 1


def test_settings_that_change_pixels_change_the_first_attempt(tmp_path, pack):
    runs = [
        make_run(tmp_path / "photos", tmp_path / f"RUN{i}", pack, **config)
        for i, config in enumerate([{}, {"strength": 0.5}, {"max_side": 9}, {"format": "png"}])
    ]
    assert len({first_attempt_id(run, "ab") for run in runs}) == len(runs)


@pytest.mark.parametrize(
    "wrong", [{"strength": 1.5}, {"strenght": 1.0}, {"quality": 0}, {"format": "gif"}, {"out": ""}]
)
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RunConfig.model_validate({"photos": "p", "style": "s", "out": "o"} | wrong)


def test_a_negative_number_of_workers_is_refused():
    with pytest.raises(ValidationError, match="workers"):
        ComputeConfig.model_validate({"workers": -1})
