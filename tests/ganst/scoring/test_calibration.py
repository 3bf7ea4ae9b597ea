from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from ganst.correction.bench import Bench
from ganst.scoring.calibration import (
    FAMILIES,
    JUDGED,
    MEMBERS,
    SOURCE_NAMES,
    Calibration,
    CalibrationError,
)
from ganst.scoring.canonical import blur
from ganst.scoring.conformal import SizedScores, p_value
from ganst.scoring.detector import Detector
from ganst.scoring.fitting import FaultRows, NormalRows, fit_calibration
from ganst.scoring.measuring import measure
from ganst.scoring.seams import MOVED_LINES, SAME_LINES
from tests.ganst.scoring.older_files import (
    of_before,
    of_layout_6,
    of_layout_7,
    of_long_before,
    without_filters,
)

NUM_PHOTOS = 48  # of the stand-in

MADE = {
    "style_digest": "5" * 64,
    "precision": "fp32",
    "file_format": "png",
    "quality": 95,
    "strength": 1.0,
}


def test_bytes_carry_the_whole_calibration(stand_in):
    calibration = stand_in.calibration
    again = Calibration.from_bytes(calibration.to_bytes())
    assert again.to_bytes() == calibration.to_bytes()
    assert again.calibration_id == calibration.calibration_id
    assert again.scope == calibration.scope
    columns = stand_in.columns(0, calibration.reference)
    assert stand_in.columns(0, again.reference) == columns
    assert again.judge(columns, "key") == calibration.judge(columns, "key")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\x80\x04pickle", b"\xff" * 100])
def test_bytes_that_are_no_calibration_are_refused(damage):
    with pytest.raises(CalibrationError, match="not a calibration file"):
        Calibration.from_bytes(damage)


def test_another_safetensors_file_is_refused():
    with pytest.raises(CalibrationError, match="not a calibration file"):
        Calibration.from_bytes(save({"weights": np.zeros(3)}))


@pytest.mark.parametrize("header", ["[7]", "null", '"layout"', "not JSON"])
def test_a_header_that_is_no_table_is_refused(header):
    with pytest.raises(CalibrationError, match="not a calibration file"):
        Calibration.from_bytes(save({"sizes": np.zeros(3)}, metadata={"ganst": header}))


def test_a_calibration_of_another_scorer_version_is_refused(stand_in):
    old = replace(stand_in.calibration, scorer_version="0").to_bytes()
    with pytest.raises(CalibrationError, match="made by scorer version 0, this is"):
        Calibration.from_bytes(old)


def test_a_calibration_of_before_has_seams_measured_as_they_were(stand_in):
    calibration = stand_in.calibration
    old = Calibration.from_bytes(of_layout_7(calibration))
    assert (old.reference.seams, calibration.reference.seams) == (SAME_LINES, MOVED_LINES)
    assert Calibration.from_bytes(old.to_bytes()).reference.seams == SAME_LINES
    assert np.isinf(old.detector.most).all()
    bounds = dict(zip([column.name for column in JUDGED], calibration.detector.most, strict=True))
    bounded = {name: float(most) for name, most in bounds.items() if np.isfinite(most)}
    assert bounded == {"a_clip": 0.3, "s_spectrum": 2.5}


def test_a_detector_that_was_taught_no_faults_judges_as_it_did(stand_in):
    calibration = stand_in.calibration
    old = Calibration.from_bytes(of_layout_6(calibration))
    columns = stand_in.columns(5, calibration.reference)
    judged = old.judge(columns, "key")
    assert judged == without_filters(calibration).judge(columns, "key")
    residuals = old.residuals(columns)[None]
    assert old.detector.deviations(residuals).shape == (1, 3)
    assert calibration.detector.deviations(residuals).shape == (1, 4)
    assert Calibration.from_bytes(old.to_bytes()).judge(columns, "key") == judged


def test_a_namer_of_before_measures_distances_as_it_did(stand_in):
    calibration = without_filters(stand_in.calibration)
    old = Calibration.from_bytes(of_before(calibration))
    namer = replace(calibration.namer, growth=0.0, metric=np.eye(2 * len(JUDGED)))
    columns = stand_in.columns(5, calibration.reference)
    assert old.judge(columns, "key") == replace(calibration, namer=namer).judge(columns, "key")
    assert old.namer.growth == 0 < calibration.namer.growth


def test_a_calibration_of_the_version_before_judges_as_it_did(stand_in):
    calibration = without_filters(stand_in.calibration)
    old = Calibration.from_bytes(of_long_before(calibration))
    columns = stand_in.columns(5, calibration.reference)
    sources = np.array([[columns[name] for name in SOURCE_NAMES]])
    about = np.delete(calibration.detector.about(sources)[0], slice(14, 27))
    weights = np.delete(calibration.sizes.weights, slice(14, 27), axis=0)
    deviations = calibration.detector.deviations(calibration.residuals(columns)[None])[0]
    expected = max(deviations / np.exp(about @ weights))
    judged = old.judge(columns, "key")
    assert judged.anomaly == pytest.approx(expected, rel=1e-4)
    assert judged.p_anomaly == p_value(judged.anomaly, calibration.scores.ordinary, "key")
    huge = columns | {"x_scale": 11.0}
    assert old.judge(huge, "key").p_anomaly == p_value(
        old.judge(huge, "key").anomaly, calibration.scores.ordinary, "key"
    )
    assert Calibration.from_bytes(old.to_bytes()).judge(columns, "key") == judged


def test_a_large_photo_is_compared_with_large_ones(stand_in):
    ordinary = stand_in.calibration.scores.ordinary
    scores = SizedScores(ordinary=ordinary, large=10 * ordinary)
    calibration = replace(stand_in.calibration, scores=scores)
    columns = stand_in.columns(5, calibration.reference) | {"x_scale": 11.0}
    judged = calibration.judge(columns, "key")
    assert judged.p_anomaly == p_value(judged.anomaly, 10 * ordinary, "key")
    sources = np.array([[columns[name] for name in SOURCE_NAMES]])
    found = calibration.p_values(sources, calibration.residuals(columns)[None], ["key"])
    assert found.tolist() == [judged.p_anomaly]
    assert Calibration.from_bytes(calibration.to_bytes()).judge(columns, "key") == judged


def test_a_candidate_for_a_large_photo_is_compared_with_large_ones_too(stand_in):
    ordinary = stand_in.calibration.scores.ordinary
    scores = SizedScores(ordinary=ordinary, large=10 * ordinary)
    bench = Bench(
        calibration=replace(stand_in.calibration, scores=scores),
        alpha=0.05,
        others=(),
        recompress=lambda pixels: pixels,
        key="key",
        ignored=("color",),
    )
    columns = stand_in.columns(5, stand_in.calibration.reference) | {"x_scale": 11.0}
    judged = bench.judge(columns)
    assert judged.p_anomaly == p_value(judged.anomaly, 10 * ordinary, "key")


def test_a_truncated_calibration_is_refused(stand_in):
    data = stand_in.calibration.to_bytes()
    with pytest.raises(CalibrationError):
        Calibration.from_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"style_digest": "6" * 64}, "style"),
        ({"precision": "bf16"}, "precision"),
        ({"file_format": "webp"}, "webp"),
        ({"file_format": "jpeg", "quality": 60}, "quality"),
        ({"strength": 0.5}, "strength"),
    ],
)
def test_outputs_made_another_way_are_not_covered(stand_in, change, word):
    scope = stand_in.calibration.scope
    assert scope.refuses(**MADE) is None
    assert word in scope.refuses(**(MADE | change))


def test_quality_does_not_matter_to_a_lossless_format(stand_in):
    assert stand_in.calibration.scope.refuses(**(MADE | {"quality": 10})) is None


def test_the_judgement_is_detector_and_conformal_put_together(stand_in):
    calibration = stand_in.calibration
    columns = stand_in.columns(5, calibration.reference)
    judged = calibration.judge(columns, "key")
    residuals = calibration.residuals(columns)
    deviations = calibration.detector.deviations(residuals[None])[0]
    sources = np.array([[columns[name] for name in SOURCE_NAMES]])
    sizes = calibration.sizes
    usual = np.exp(calibration.detector.about(sources)[0] @ sizes.weights)
    stretched = (deviations / usual) ** (sizes.spread.mean() / sizes.spread)
    assert judged.anomaly == pytest.approx(max(stretched), rel=1e-4)
    assert judged.p_anomaly == p_value(judged.anomaly, calibration.scores.ordinary, "key")
    assert 0 < judged.p_anomaly <= 1


def test_every_judged_column_belongs_to_one_family():
    members = np.concatenate([MEMBERS[family] for family in FAMILIES])
    assert sorted(members) == list(range(len(JUDGED)))


def test_a_judgement_does_not_depend_on_what_was_judged_before(stand_in):
    calibration = stand_in.calibration
    rows = [stand_in.columns(index, calibration.reference) for index in range(4)]
    forwards = [calibration.judge(row, "k") for row in rows]
    backwards = [calibration.judge(row, "k") for row in reversed(rows)]
    assert forwards == list(reversed(backwards))


def test_few_unseen_normal_outputs_are_anomalous(stand_in):
    found = [stand_in.p(*stand_in.pair(index)) for index in range(24)]
    assert sum(p <= 0.05 for p in found) <= 3
    assert np.median(found) > 0.2


@pytest.mark.parametrize("index", range(3))
def test_gross_faults_of_unseen_outputs_are_anomalous(stand_in, index):
    photo, output = stand_in.pair(index)
    square = output.clone()
    square[:, 40:80, 60:100] = 0
    faulty = {
        "the photo": photo,
        "another output": stand_in.pair(index + 50)[1],
        "blurred": blur(output.float(), 4.0).to(torch.uint8),
        "inverted": 255 - output,
        "black square": square,
    }
    assert {name: stand_in.p(photo, image) for name, image in faulty.items()} == pytest.approx(
        dict.fromkeys(faulty, 0.025), abs=0.025
    )


def test_evidence_names_the_largest_residuals_in_words(stand_in):
    photo, output = stand_in.pair(0)
    dark = (output.float() * 0.3).to(torch.uint8)
    columns = measure(photo, dark, stand_in.calibration.reference)
    assert "too dark −" in stand_in.calibration.judge(columns, "k").evidence


def test_the_scores_are_cross_fitted_one_per_photo(stand_in):
    assert len(stand_in.calibration.scores.ordinary) == NUM_PHOTOS
    assert (np.diff(stand_in.calibration.scores.ordinary) >= 0).all()
    assert stand_in.calibration.power_floor == 1 / (NUM_PHOTOS + 1)


def test_too_few_photos_are_refused(stand_in):
    row = stand_in.columns(0, stand_in.calibration.reference)
    few = NormalRows(columns=[row] * 39, photos=[str(i) for i in range(39)], groups=["a"] * 39)
    with pytest.raises(ValueError, match="at least 40 photos, got 39"):
        fit_calibration(
            few,
            FaultRows(columns=[row], reasons=["x"], groups=["x"]),
            stand_in.calibration.reference,
            stand_in.calibration.scope,
        )


def test_reference_scores_come_from_detectors_that_know_no_fault_of_the_photo(
    stand_in, monkeypatch
):
    taught = Detector.taught
    seen: list[set[str]] = []

    def watched(detector: Detector, residuals: np.ndarray, kinds: list[str]) -> Detector:
        seen.append(set(kinds))
        return taught(detector, residuals, kinds)

    monkeypatch.setattr(Detector, "taught", watched)
    rows = [stand_in.columns(index, stand_in.calibration.reference) for index in range(4)]
    groups = [f"photo{index % 40}" for index in range(160)]
    normal = NormalRows(columns=[rows[i % 4] for i in range(160)], photos=groups, groups=groups)
    # A kind of its own in each group: what a detector was taught tells whose faults it knows.
    names = sorted(set(groups))
    faults = FaultRows(columns=[rows[0]] * 40, reasons=names, groups=names)
    scope, reference = stand_in.calibration.scope, stand_in.calibration.reference
    fit_calibration(normal, faults, reference, scope)
    *crossed, last = seen
    assert last == set(names)
    left_out = [last - kinds for kinds in crossed]
    assert sorted(name for one in left_out for name in one) == names


def test_the_oddest_in_fifty_of_the_normal_outputs_are_left_out_of_the_fit(stand_in):
    facts = stand_in.calibration.facts
    assert facts["trimmed"] == pytest.approx(0.02 * facts["views"], abs=1)
    assert facts["trimmed"] > 0
