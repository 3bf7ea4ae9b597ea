"""The benchmark's own counting, and that it tests on nothing that the styles were calibrated on."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance
from sklearn.metrics import roc_auc_score

from tests.benchmarks import photos
from tests.benchmarks.scoring import alarms, cases, metrics, splits, tables
from tests.benchmarks.scoring.detectors import Scored

_HERE = Path(__file__).parent / "scoring"
_DEMO = Path(__file__).parents[2] / "pipelines" / "demo"


def manifest(name: str) -> dict[str, int]:
    """Perceptual hashes of a list of photos by name."""
    with (_HERE / name).open(newline="") as lines:
        return {row["name"]: int(row["phash"], 16) for row in csv.DictReader(lines)}


def test_no_tested_photo_shows_a_scene_that_was_calibrated_on():
    assert splits.overlap(manifest("photos.csv"), manifest("calibration_photos.csv")) == {}


def test_no_bundled_photo_shows_a_scene_that_was_calibrated_on():
    demo = splits.hash_folder(str(_DEMO))
    assert demo
    assert splits.overlap(demo, manifest("calibration_photos.csv")) == {}


def test_the_halves_share_no_scene_and_are_those_of_the_list():
    hashes = manifest("photos.csv")
    halves = splits.split(hashes)
    parts = [{n: v for n, v in hashes.items() if halves[n] == half} for half in splits.HALVES]
    assert len(parts[splits.HALVES.index("test")]) > 60
    assert splits.overlap(*parts) == {}
    with (_HERE / "photos.csv").open(newline="") as lines:
        assert {row["name"]: row["half"] for row in csv.DictReader(lines)} == halves


def test_the_list_holds_the_hashes_of_the_bundled_photos():
    hashes = manifest("photos.csv")
    demo = splits.hash_folder(str(_DEMO))
    assert demo
    assert {name: hashes[name] for name in demo} == demo


def test_a_smaller_or_paler_copy_is_found_and_another_photo_is_not(tmp_path):
    photos = sorted(_DEMO.glob("*.jpg"))[:2]
    with Image.open(photos[0]) as image:
        small = image.convert("RGB").resize((300, 200))
    ImageEnhance.Contrast(small).enhance(0.7).save(tmp_path / "copy.jpg", quality=60)
    known = {photo.name: splits.perceptual_hash(photo) for photo in photos}
    assert splits.overlap(splits.hash_folder(str(tmp_path)), known) == {"copy.jpg": photos[0].name}


def test_ranking_counts_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    clean, faulty = rng.integers(0, 20, 60).astype(float), rng.integers(5, 25, 40).astype(float)
    truth = np.repeat([0, 1], [60, 40])
    expected = roc_auc_score(truth, np.concatenate([clean, faulty]))
    assert metrics.auroc(clean, faulty) == pytest.approx(expected)


def test_a_perfect_and_a_blind_score_have_the_extremes():
    low, high = np.arange(100.0), np.arange(100.0) + 1000
    assert metrics.average_precision(low, high) == 1
    assert metrics.false_alarms_at_recall(low, high) == 0
    assert metrics.average_precision(low, low) == pytest.approx(metrics.PREVALENCE, abs=0.01)
    assert metrics.false_alarms_at_recall(low, low) == pytest.approx(0.95)


def test_uniform_p_values_are_near_uniform_and_small_ones_are_not():
    p = (np.arange(99) + 0.5) / 99
    assert metrics.spread_from_uniform(p) < 0.01
    assert metrics.spread_from_uniform(p / 10) > 0.85


def test_photos_are_drawn_whole():
    photos = np.repeat([f"{index:02}" for index in range(30)], 4)
    rng = np.random.default_rng(1)
    of_photo = rng.normal(size=30).repeat(4)  # rows of a photo agree: 120 rows tell as much as 30
    draws = metrics.Draws.of(photos, 2000, rng)
    found = draws.share(of_photo > 0, photos)
    share = (of_photo > 0).mean()
    assert found.mean() == pytest.approx(share, abs=0.01)
    assert found.std() == pytest.approx(np.sqrt(share * (1 - share) / 30), rel=0.1)


def test_drawn_rankings_lie_around_the_one_of_all_photos():
    rng = np.random.default_rng(2)
    photos = np.array([f"{index:02}" for index in range(40)])
    clean, faulty = rng.normal(size=40), rng.normal(size=40) + 1
    drawn = metrics.Draws.of(photos, 1000, rng).auroc(clean, photos, faulty, photos)
    low, high = metrics.interval(drawn)
    assert low < metrics.auroc(clean, faulty) < high
    assert 0.05 < high - low < 0.35


def test_kinds_that_calibrations_are_taught_are_told_from_those_they_have_never_seen():
    kinds = ["clean", "blur", "noise", "halo", "ripple"]
    group = ["clean", "fault", "fault", "fault", "unlisted"]
    rows = pd.DataFrame({"kind": kinds, "group": group, "severity": [0, *4 * [tables.MILD]]})
    scores, p = np.array([1.0, 2.0, 0.5, 3.0, 0.5]), np.array([0.5, 0.01, 0.5, 0.04, 0.5])
    scored = {tables.SHIPPED: Scored(scores=scores, reference=scores)}
    results = tables.Results(
        rows=rows, scored=scored, shipped_p=p, p_source=p, reasons=np.full(5, "unknown")
    )
    found = tables.by_teaching(results).set_index("kinds")
    assert found["AUROC"].to_dict() == {"taught": 0.5, "listed, not taught": 1.0, "unlisted": 0.0}
    assert found["TPR@1%"].tolist() == [0.5, 0.0, 0.0]
    assert found["TPR@5%"].tolist() == [0.5, 1.0, 0.0]


def test_runs_of_one_kind_are_stopped_by_what_their_outputs_have_in_common():
    even, low = np.linspace(0.05, 0.95, 10), np.full(10, 0.02)
    kinds = {"clean": (even, even), "snow": (low, even), "wrong_norm": (even, low)}
    rows = pd.DataFrame({"kind": [kind for kind in kinds for _ in range(10)], "seed": 0})
    rows["group"] = rows["kind"].map({"clean": "clean", "snow": "benign", "wrong_norm": "fault"})
    rows["severity"] = 4 * (rows["kind"] == "wrong_norm")
    p_source, p = (np.concatenate([pair[index] for pair in kinds.values()]) for index in (0, 1))
    results = tables.Results(
        rows=rows, scored={}, shipped_p=p, p_source=p_source, reasons=np.full(30, "unknown")
    )
    found = alarms.by_run(results).set_index("all images")
    assert found["stopped, 8"].to_dict() == {"clean": 0, "snow": 0, "wrong_norm": 1}
    assert found["other photos, 8"].to_dict() == {"clean": 0, "snow": 1, "wrong_norm": 0}
    assert found[["stopped, 12", "other photos, 20"]].isna().all(axis=None)


def test_rows_measured_against_other_paintings_or_places_are_not_taken_from_the_cache(tmp_path):
    def key(*, digest: str = "a", places: float = 0.0, early: str = "d") -> str:
        reference = SimpleNamespace(to_arrays=lambda: {"places": np.array([places])})
        bench: Any = SimpleNamespace(
            pack=SimpleNamespace(digest=digest),
            other=SimpleNamespace(digest="b"),
            calibration=SimpleNamespace(reference=reference),
            severities=(2.0,),
            max_side=480,
            undertrained={2.0: SimpleNamespace(digest=early)},
        )
        photo = tmp_path / "photo"
        photo.write_bytes(b"pixels")
        return cases._key(bench, ("faulty", photo, 0))

    assert key() == key()
    assert len({key(), key(digest="c"), key(places=1.0), key(early="e")}) == 4


def test_photos_are_found_by_hash_inside_of_other_files_too(tmp_path):
    red_panda = Image.open(_DEMO / "red_panda.jpg").convert("RGB")
    wanted = photos.Wanted(Path("a.jpg"), splits.hash_image(red_panda), 100)
    other = photos.Wanted(Path("b.jpg"), ~wanted.phash & (2**64 - 1), 100)
    packed = io.BytesIO()
    red_panda.save(packed, "webp")
    (tmp_path / "data.rcc").write_bytes(b"qres\0" + packed.getvalue() + b"more")
    red_panda.resize((200, 160)).save(tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    found = photos.search([wanted, other], photos.images(tmp_path))
    assert {photo.place.name: image.size for photo, image in found.items()} == {
        "a.jpg": red_panda.size
    }
    assert len(list(photos.read_lists())) > 200
