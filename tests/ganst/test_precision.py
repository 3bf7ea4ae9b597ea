import pytest
import torch

from ganst import precision
from ganst.models.presets import PRESETS
from ganst.precision import CLEARLY_FASTER, Probe, choose_precision, probe_cpu, probe_network

TINY = PRESETS["tiny"].generator


@pytest.fixture
def measured(monkeypatch):
    """A CPU on which bf16 is so many times as fast; None: it has none."""

    def set_to(
        convolution: float | None, training: float | None = None, network: float | None = None
    ) -> None:
        def answer(speedup: float | None) -> Probe | None:
            return None if speedup is None else Probe(bf16_s=1.0, fp32_s=speedup)

        def probe(*, training: bool = False) -> Probe | None:
            return answer(trained if training else convolution)

        trained = training
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(precision, "probe_cpu", probe)
        monkeypatch.setattr(precision, "probe_network", lambda _network: answer(network))

    return set_to


@pytest.mark.parametrize(
    ("speedup", "chosen"),
    [(None, "fp32"), (0.5, "fp32"), (1.0, "fp32"), (CLEARLY_FASTER, "bf16"), (2.0, "bf16")],
)
def test_bf16_is_taken_where_it_is_clearly_faster(measured, speedup, chosen):
    measured(speedup)
    assert choose_precision() == chosen


def test_training_is_measured_on_its_own(measured):
    measured(2.0, training=0.9)
    assert choose_precision() == "bf16"
    assert choose_precision(training=True) == "fp32"


def test_a_network_is_judged_by_its_own_speed_and_not_by_that_of_a_convolution(measured):
    measured(4.9, network=1.1)
    assert choose_precision(TINY) == "fp32"
    measured(0.5, network=1.6)
    assert choose_precision(TINY) == "bf16"


def test_a_network_is_timed_in_both_and_draws_no_random_number(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    probe_network.cache_clear()
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    found = probe_network(TINY)
    assert found is not None
    assert found.bf16_s > 0 < found.fp32_s
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    probe_network.cache_clear()


@pytest.mark.parametrize("training", [False, True])
def test_a_cpu_with_bf16_is_timed_in_both(monkeypatch, training):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    probe_cpu.cache_clear()
    found = probe_cpu(training=training)
    assert found is not None
    assert found.bf16_s > 0 < found.fp32_s
    assert probe_cpu(training=training) is found
    probe_cpu.cache_clear()


def test_a_cpu_without_bf16_is_not_timed(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    probe_cpu.cache_clear()
    probe_network.cache_clear()
    assert probe_cpu() is None
    assert probe_network(TINY) is None
    probe_cpu.cache_clear()
    probe_network.cache_clear()


@pytest.mark.parametrize(("speedup", "rounds"), [(2.0, 3), (1.0, 9), (1.3, 9), (0.5, 3)])
def test_where_the_difference_is_clear_few_rounds_are_enough(monkeypatch, speedup, rounds):
    clock = [0.0]
    monkeypatch.setattr(precision.time, "process_time", lambda: clock[0])
    made: list[str] = []

    def work(name: str, seconds: float) -> None:
        made.append(name)
        clock[0] += seconds

    found = precision._alternate(
        {"bf16": lambda: work("bf16", 0.01), "fp32": lambda: work("fp32", 0.01 * speedup)}
    )
    assert found.speedup == pytest.approx(speedup)
    assert made.count("bf16") == made.count("fp32") == 1 + rounds
