import pytest
import torch

from ganst import precision
from ganst.precision import CLEARLY_FASTER, Probe, choose_precision, probe_cpu


@pytest.fixture
def measured(monkeypatch):
    """A CPU on which bf16 is so many times as fast; None: it has none."""

    def set_to(inference: float | None, training: float | None = None) -> None:
        speedups = {False: inference, True: training}

        def probe(*, training: bool = False) -> Probe | None:
            speedup = speedups[training]
            return None if speedup is None else Probe(bf16_s=1.0, fp32_s=speedup)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(precision, "probe_cpu", probe)

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
    assert probe_cpu() is None
    probe_cpu.cache_clear()
