import numpy as np
import pytest

from ganst.video.acceptance import try_shot
from ganst.video.shot_scale import COLUMNS, ShotScale
from ganst.video.strategies import ShotStrategy, shot_ladder, shot_parameters

FLAGGED = {"v_frames": 0.7, "v_flicker": 9.0, "v_shimmer": 2.0, "v_lum_drift": 1.0, "v_stuck": 0.0}
USUAL = FLAGGED | {"v_flicker": 1.0}


@pytest.fixture(scope="module")
def scale() -> ShotScale:
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal([0.7, 1, 2, 1, 0], [0.2, 0.4, 0.5, 0.5, 0], size=(80, 5)))
    return ShotScale.fit([dict(zip(COLUMNS, row, strict=True)) for row in values])


def test_a_shot_that_is_usual_now_is_accepted(scale):
    assert try_shot(USUAL, FLAGGED, scale, needed=0.1, key="a").accepted


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (FLAGGED, "under"),
        (FLAGGED | {"v_flicker": 8.0}, "under"),
        (USUAL | {"v_lum_drift": 30.0}, "under"),
        (USUAL | {"v_stuck": 0.9}, "under"),
    ],
)
def test_a_shot_that_is_no_better_is_refused(scale, candidate, words):
    verdict = try_shot(candidate, FLAGGED, scale, needed=0.1, key="a")
    assert not verdict.accepted
    assert words in verdict.reason


def test_a_shot_that_was_usual_already_cannot_be_made_better(scale):
    verdict = try_shot(USUAL, USUAL, scale, needed=0.1, key="a")
    assert verdict.reason.startswith("no clear gain")


def test_an_objection_to_its_frames_refuses_the_best_of_scores(scale):
    verdict = try_shot(USUAL, FLAGGED, scale, needed=0.1, key="a", objection="it is the source")
    assert (verdict.accepted, verdict.reason) == (False, "it is the source")


@pytest.mark.parametrize("reason", ["flicker", "shimmer", "drift", "stuck", "blur", None])
def test_every_reason_has_strategies_and_none_that_the_style_cannot_do(reason):
    names = [step.name for step in shot_ladder(reason, ("final", "early"))]
    assert names[0] == "rerun_shared"
    assert len(set(names)) == len(names) <= 3
    alone = shot_ladder(reason, ("final",))
    assert all(step.checkpoint == "final" for step in alone)


def test_other_parameters_are_another_strategy():
    steps = shot_ladder("flicker", ("final",))
    assert len({str(shot_parameters(step)) for step in steps}) == len(steps)
    with pytest.raises(ValueError, match="strength"):
        ShotStrategy(name="x", cost=1.0, strength=0.5)
