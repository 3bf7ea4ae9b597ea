"""Why an image is flagged: the facts, the picture, and names that are nearly right."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganst.scoring.calibration import JUDGED
from pipelines.attempts import read_attempts
from pipelines.config import ComputeConfig
from pipelines.explain import UnknownSourceError, explain, next_step
from pipelines.ingest import ingest
from pipelines.score import score
from pipelines.stylize import stylize
from tests.pipelines.made_runs import OUTCOMES, MadePhoto, write_run
from tests.pipelines.photo_folders import make_run
from tests.pipelines.scenes import make_scenes

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def made(tmp_path):
    return write_run(tmp_path, [MadePhoto(source=f"a/{o}.jpg", outcome=o) for o in OUTCOMES])


@pytest.fixture(scope="module")
def scored(tmp_path_factory, calibrated_pack):
    """Four photos, a black square in the output of one."""
    folder = tmp_path_factory.mktemp("explained")
    run = make_run(make_scenes(folder / "photos", 4, 5008), folder / "RUN", calibrated_pack)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    path = Path(str(run.folder.images("a0.png")))
    with Image.open(path) as output:
        ImageDraw.Draw(output).rectangle((90, 10, 130, 50), fill=(0, 0, 0))
        output.save(path)
    score(run, SERIAL)
    return run


def test_the_findings_are_the_largest_residuals_of_the_row(scored):
    found = explain(scored, "a0.png")
    sizes = [abs(finding.sigma) for finding in found.findings]
    assert len(sizes) == 5
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3
    words = {column.name: (column.low, column.high) for column in JUDGED}
    assert all(f.words == words[f.column][f.sigma > 0] for f in found.findings)
    assert str(found.findings[0]) in (found.evidence or "")


def test_a_damaged_output_has_its_place_named_and_its_picture_heated_there(scored):
    found = explain(scored, "a0.png")
    assert found.was_flagged
    assert found.place is not None
    assert found.place.startswith("upper right")
    with Image.open(str(found.picture)) as strip:
        photo, output, heat = (strip.crop((28 + 148 * k, 44, 172 + 148 * k, 156)) for k in range(3))
    assert _pinkness(heat.crop((90, 10, 130, 50))) > 30
    assert _pinkness(heat.crop((5, 70, 60, 105))) < 8
    assert _mean(output.crop((95, 15, 125, 45))) < 12 < _mean(photo.crop((95, 15, 125, 45)))


def _pinkness(part: Image.Image) -> float:
    red, green, _ = np.asarray(part, float).mean(axis=(0, 1))
    return float(red - green)


def _mean(part: Image.Image) -> float:
    return float(np.asarray(part, float).mean())


def test_a_good_output_is_explained_as_well(scored):
    rows = read_attempts(scored.folder).to_pylist()
    good = max(rows, key=lambda row: row["p_anomaly"])  # of four, chance alone may flag one
    found = explain(scored, good["source"])
    assert found.reason is None
    assert found.coverage == good["p_source"]
    assert (found.p_anomaly or 0) > found.alpha
    assert set(found.families) == {"content", "style", "passthrough", "artifact", "color"}
    assert all(math.isfinite(finding.sigma) for finding in found.findings)
    assert next_step(found, "RUN") == "nothing has to be done"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_end_of_a_photo_can_be_explained(made, outcome):
    found = explain(made, f"a/{outcome}.jpg")
    assert found.source == f"a/{outcome}.jpg"
    assert next_step(found, "RUN")
    has_image = outcome not in ("rejected", "unstylizable", "pending")
    assert (found.picture is not None) == has_image
    assert not has_image or Path(str(found.picture)).is_file()


def test_what_correction_tried_is_told_in_order_with_its_reasons(made):
    tried = explain(made, "a/corrected.jpg").attempts
    assert [(a.strategy, a.decision, a.why) for a in tried] == [
        ("rerun_fp32", "refused", "still flagged"),
        ("other_checkpoint", "accepted", None),
    ]


def test_findings_of_another_calibration_are_left_out(made):
    found = explain(made, "a/flagged.jpg")  # judged by a calibration that is not the style's
    assert found.findings == ()
    assert found.evidence == "photo detail left in +4.1 σ; hardly changed −3.2 σ"


def test_a_name_without_its_folder_is_enough_where_there_is_one(made):
    assert explain(made, "flagged.jpg").source == "a/flagged.jpg"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("a/flaged.jpg", "did you mean a/flagged.jpg"),
        ("zzzz", "there is no photo zzzz among the 9 of the run.$"),
        ("../a/ok.jpg", "did you mean"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_are_close(made, typed, sentence):
    with pytest.raises(UnknownSourceError, match=sentence):
        explain(made, typed)


def test_a_photo_that_is_gone_leaves_an_explanation_without_heat(made):
    (Path(made.config.photos) / "a/flagged.jpg").unlink()
    found = explain(made, "a/flagged.jpg")
    assert found.place is None
    assert found.picture is not None
