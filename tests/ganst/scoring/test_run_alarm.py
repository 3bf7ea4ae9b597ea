import numpy as np
import pytest

from ganst.scoring.run_alarm import LEVEL, MIN_UNITS, RunAlarm, run_alarm

rng = np.random.default_rng(0)


def single(n: int) -> list[str]:
    return [f"photo{index}" for index in range(n)]


@pytest.mark.parametrize("n", [8, 30, 300])
def test_a_run_like_the_calibration_hardly_ever_raises_it(n):
    alarms = [run_alarm(rng.uniform(size=n), rng.uniform(size=n), single(n)) for _ in range(500)]
    raised = sum(alarm.state != "none" for alarm in alarms)
    assert raised <= 500 * 2 * LEVEL + 3


@pytest.mark.parametrize("n", [40, 5000])
def test_daily_faults_do_not_stop_correction(n):
    p = np.where(np.arange(n) < 0.1 * n, 0.005, rng.uniform(size=n))
    assert run_alarm(rng.uniform(size=n), p, single(n)).state == "none"


@pytest.mark.parametrize(
    ("sources", "outputs", "state"),
    [(1, 6, "outputs"), (6, 1, "sources"), (6, 6, "both"), (1, 1, "none")],
)
def test_it_says_what_has_moved(sources, outputs, state):
    p_source, p_anomaly = (rng.uniform(size=60) ** power for power in (sources, outputs))
    alarm = run_alarm(p_source, p_anomaly, single(60))
    assert alarm.state == state
    assert alarm.stops_correction == (outputs > 1)
    assert bool(alarm.sentence) == (state != "none")


def test_one_odd_shoot_of_many_photos_is_not_the_whole_run():
    groups = ["odd"] * 100 + single(30)
    p = np.concatenate([np.full(100, 0.001), rng.uniform(size=30)])
    assert run_alarm(rng.uniform(size=130), p, groups).state == "none"
    assert run_alarm(rng.uniform(size=130), p, single(130)).state == "outputs"


def test_photos_of_one_shoot_give_a_hint_and_stop_nothing():
    p = np.full(40, 0.1)
    alarm = run_alarm(rng.uniform(size=40), p, ["one shoot"] * 40)
    assert (alarm.state, alarm.is_rough, alarm.stops_correction) == ("outputs", True, False)
    assert run_alarm(rng.uniform(size=40), p, single(40)).stops_correction


def test_few_photos_raise_nothing():
    few = MIN_UNITS - 1
    alarm = run_alarm(np.full(few, 0.001), np.full(few, 0.001), single(few))
    assert alarm == RunAlarm(sources=None, outputs=None, units=few, is_rough=True)
    assert alarm.state == "none"


def test_outputs_without_a_score_do_not_count():
    p = np.concatenate([np.full(50, np.nan), np.full(MIN_UNITS, 0.001)])
    alarm = run_alarm(np.full(len(p), 0.5), p, single(len(p)))
    assert (alarm.units, alarm.state) == (MIN_UNITS, "outputs")
