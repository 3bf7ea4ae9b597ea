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
    assert p == pytest.approx(1 / 61)
    assert named == column
    assert score > 5


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
