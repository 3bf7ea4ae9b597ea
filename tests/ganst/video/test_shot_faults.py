import pytest
import torch

from ganst.video.faults import NAMES, SHOT_FAULTS
from ganst.video.flicker import COLUMNS, FlickerMeter
from ganst.video.shot_scale import REASONS
from tests.ganst.video.test_flicker import inverted, pan

COLUMN_OF = {reason: column for column, reason in REASONS.items()}


def worst(name: str, severity: float) -> dict[str, float]:
    sources = pan(1)
    damaged = SHOT_FAULTS[name](inverted(sources), severity, torch.Generator().manual_seed(0))
    meter = FlickerMeter(24.0)
    for source, output in zip(sources, damaged, strict=True):
        meter.add(source, output)
    return meter.columns()


@pytest.mark.parametrize("name", SHOT_FAULTS)
def test_a_fault_raises_the_column_it_is_named_by(name):
    sources = pan(1)
    meter = FlickerMeter(24.0)
    for source, output in zip(sources, inverted(sources), strict=True):
        meter.add(source, output)
    clean, damaged = meter.columns(), worst(name, 4.0)
    assert any(
        damaged[COLUMN_OF[reason]] > clean[COLUMN_OF[reason]] + 0.2 for reason in NAMES[name]
    )
    assert set(damaged) == set(COLUMNS)


@pytest.mark.parametrize("name", SHOT_FAULTS)
def test_a_fault_gets_worse_with_severity_and_leaves_the_given_frames_alone(name):
    mild, strong = worst(name, 1.0), worst(name, 5.0)
    assert any(strong[column] > mild[column] + 0.05 for column in COLUMNS)
    frames = inverted(pan(1))
    kept = [frame.clone() for frame in frames]
    list(SHOT_FAULTS[name](frames, 5.0, torch.Generator().manual_seed(0)))
    assert all(torch.equal(a, b) for a, b in zip(frames, kept, strict=True))


@pytest.mark.parametrize("name", SHOT_FAULTS)
def test_a_severity_off_the_scale_is_refused(name):
    with pytest.raises(ValueError, match="severity"):
        list(SHOT_FAULTS[name](inverted(pan(1)), 6.0, torch.Generator()))
