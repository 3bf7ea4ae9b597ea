import numpy as np
import pytest

from ganst.video.shot_scale import COLUMNS, MIN_SHOTS, ShotScale


@pytest.fixture(scope="module")
def rows() -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal([1, 3, 2, 4, 0], [0.5, 1, 1, 2, 0], size=(60, 5)))
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


@pytest.fixture(scope="module")
def scale(rows) -> ShotScale:
    return ShotScale.fit(rows)


def test_p_values_of_usual_shots_are_even(rows, scale):
    p = np.array([scale.judge(row, str(n))[0] for n, row in enumerate(rows)])
    assert abs(p.mean() - 0.5) < 0.05
    assert (p <= 0.1).mean() <= 0.12


@pytest.mark.parametrize("column", COLUMNS)
def test_a_shot_that_is_off_by_one_column_is_named_by_it(rows, scale, column):
    p, score, named = scale.judge(rows[0] | {column: 50.0}, "key")
    assert 0 < p < 1 / 61
    assert named == column
    assert score > 5


def test_beyond_what_was_seen_p_falls_without_a_jump(scale):
    largest = scale.scores[-1]
    off = {"v_flicker": scale.medians[1] + largest * scale.units[1]}
    calm = dict(zip(COLUMNS, scale.medians, strict=True))
    found = [
        scale.judge(calm | {"v_flicker": off["v_flicker"] + step * scale.units[1]}, "k")[0]
        for step in (1e-6, 1, 3, 10, 30, 100)
    ]
    assert found[0] == pytest.approx(1 / 61, rel=1e-3)
    assert found == sorted(found, reverse=True)
    assert found[-1] > 0


def test_a_clip_of_a_hundred_shots_can_be_flagged_for_one_of_them(rows, scale):
    assert 100 * scale.judge(rows[0] | {"v_flicker": 100.0}, "key")[0] < 0.05


def test_what_nobody_sees_is_no_fault(rows):
    calm = [row | {"v_flicker": 0.001 * n} for n, row in enumerate(rows)]
    assert ShotScale.fit(calm).judge(calm[0] | {"v_flicker": 0.3}, "key")[0] > 0.1


def test_too_few_shots_are_refused(rows):
    with pytest.raises(ValueError, match=f"at least {MIN_SHOTS}"):
        ShotScale.fit(rows[: MIN_SHOTS - 1])


def test_a_scale_survives_json(scale):
    again = ShotScale.from_json(scale.to_json())
    assert np.array_equal(again.scores, scale.scores)
    with pytest.raises(ValueError, match="another number of columns"):
        ShotScale.from_json(scale.to_json() | {"medians": [1.0]})
