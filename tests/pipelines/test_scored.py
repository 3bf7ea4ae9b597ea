"""The fused pass leaves what the two stages leave one after the other."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from ganst.models.stylepack import StylePack
from pipelines import scored as scored_module
from pipelines import stylizing
from pipelines.attempts import read_attempts
from pipelines.config import ComputeConfig
from pipelines.first_attempts import Row
from pipelines.ingest import ingest
from pipelines.judging import Judge
from pipelines.parquet import list_parts
from pipelines.report import write_report
from pipelines.runs import Run, load_run
from pipelines.score import score
from pipelines.scored import stylize_scored
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import make_odd_folder, make_run, swapped_profile, tree
from tests.pipelines.scenes import scene

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Scenes as JPEG, PNG and WebP, one lying on its side, one with a profile of its own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lying = Image.Exif()
    lying[0x0112] = 6
    scene(5000).save(folder / "a.jpg", quality=80)
    scene(5001, (400, 260)).save(folder / "lying.jpg", exif=lying)
    scene(5002).save(folder / "profile.jpg", icc_profile=swapped_profile())
    scene(5003).save(folder / "plain.png")
    scene(5004).save(folder / "lossy.webp", quality=60)
    return folder


def opened(photos: Path, out: Path, pack: StylePack, **config: object) -> Run:
    run = make_run(photos, out, pack, shard_size=2, **config)
    ingest(run, SERIAL)
    return run


def fused(run: Run, compute: ComputeConfig = SERIAL) -> Run:
    stylize_scored(run, compute)
    score(run, compute)
    write_report(run)
    return run


def apart(run: Run) -> Run:
    stylize(run, SERIAL)
    score(run, SERIAL)
    write_report(run)
    return run


def left(run: Run) -> dict[str, bytes]:
    """All that is promised byte for byte: images, parts, report."""
    places = ("images/", "attempts/", "shards/", "report.parquet")
    return {
        name: data
        for name, data in tree(Path(str(run.folder.root))).items()
        if name.startswith(places) and ".ganst-" not in name
    }


def _below(place: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.startswith(place)}


@pytest.mark.parametrize(
    "config", [{}, {"max_side": 100, "format": "jpeg", "subsampling": "4:2:0", "quality": 70}]
)
def test_one_pass_leaves_the_files_of_two_byte_for_byte(tmp_path, photos, calibrated_pack, config):
    one = fused(opened(photos, tmp_path / "one", calibrated_pack, **config))
    two = apart(opened(photos, tmp_path / "two", calibrated_pack, **config))
    assert left(one) == left(two)
    assert len(left(one)) == 5 + 3 * 3 + 1  # images, parts of three stages, the report


def test_the_rejected_and_the_unsupported_end_in_the_same_report(tmp_path, calibrated_pack):
    make_odd_folder(tmp_path / "photos")
    one = opened(tmp_path / "photos", tmp_path / "one", calibrated_pack)
    two = opened(tmp_path / "photos", tmp_path / "two", calibrated_pack)
    (tmp_path / "photos" / "cmyk.jpg").unlink()  # a row of stylize, and none of score
    assert fused(one).folder.report.read_bytes() == apart(two).folder.report.read_bytes()
    assert read_attempts(one.folder) == read_attempts(two.folder)


def test_after_one_pass_nothing_is_left_to_score(tmp_path, photos, calibrated_pack, monkeypatch):
    run = opened(photos, tmp_path / "RUN", calibrated_pack)
    stylize_scored(run, SERIAL)
    monkeypatch.setattr("pipelines.score.score_shard", None)
    summary = score(run, SERIAL)
    assert (summary.done, summary.skipped, summary.failed) == (0, 5, ())


def test_a_photo_is_decoded_once_in_one_pass(tmp_path, photos, calibrated_pack, monkeypatch):
    run = opened(photos, tmp_path / "RUN", calibrated_pack)
    read = []
    real = stylizing.read_bytes
    monkeypatch.setattr(stylizing, "read_bytes", lambda path: read.append(path) or real(path))
    stylize_scored(run, SERIAL)
    score(run, SERIAL)
    assert len(read) == 5


def test_a_defect_of_the_scorer_costs_no_image(tmp_path, photos, calibrated_pack, monkeypatch):
    run = opened(photos, tmp_path / "RUN", calibrated_pack)
    real = scored_module.score_fields

    def broken(source: Tensor, output: Tensor, judge: Judge, *, key: str, output_name: str) -> Row:
        if output_name == "a.jpg":
            raise RuntimeError("no such column")
        return real(source, output, judge, key=key, output_name=output_name)

    monkeypatch.setattr(scored_module, "score_fields", broken)
    assert stylize_scored(run, SERIAL).failed == ()
    assert read_attempts(run.folder).num_rows == 4
    assert score(run, SERIAL).done == 1
    two = apart(opened(photos, tmp_path / "two", calibrated_pack))
    assert read_attempts(run.folder) == read_attempts(two.folder)


def test_scores_are_summed_on_one_thread(tmp_path, photos, calibrated_pack, monkeypatch):
    seen = set()
    real = scored_module.score_fields

    def watched(source: Tensor, output: Tensor, judge: Judge, *, key: str, output_name: str) -> Row:
        seen.add(torch.get_num_threads())
        return real(source, output, judge, key=key, output_name=output_name)

    monkeypatch.setattr(scored_module, "score_fields", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        stylize_scored(opened(photos, tmp_path / "RUN", calibrated_pack), SERIAL)
    finally:
        torch.set_num_threads(before)
    assert seen == {1}


# Writes of the fused pass: two images, the part of stylize, the part of score, then the next shard.
@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 2, 3, 7])
def test_killed_anywhere_and_called_again_it_ends_the_same(
    tmp_path, photos, calibrated_pack, writes
):
    whole = fused(opened(photos, tmp_path / "whole", calibrated_pack))
    out = opened(photos, tmp_path / "killed", calibrated_pack).folder.root
    command = [sys.executable, "-m", "tests.pipelines.scored_driver", str(out), str(writes)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2])
    assert ended.returncode == -9
    killed = load_run(str(out), None)
    folders = (killed.folder.stage("stylize"), killed.folder.attempts)
    expected = {1: (0, 0), 2: (0, 0), 3: (1, 0), 7: (2, 1)}
    assert tuple(len(list_parts(folder)) for folder in folders) == expected[writes]
    ended_at, expected_end = left(fused(killed)), left(whole)
    for place in ("images/", "shards/", "report.parquet"):
        assert _below(place, ended_at) == _below(place, expected_end)
    # What was left to score may have been cut into other parts.
    assert read_attempts(killed.folder) == read_attempts(whole.folder)


@pytest.mark.slow
def test_two_workers_make_the_rows_of_one_process(tmp_path, photos, calibrated_pack):
    one = fused(opened(photos, tmp_path / "one", calibrated_pack))
    two = fused(opened(photos, tmp_path / "two", calibrated_pack), ComputeConfig(workers=2))
    assert one.folder.report.read_bytes() == two.folder.report.read_bytes()
    assert read_attempts(one.folder) == read_attempts(two.folder)
