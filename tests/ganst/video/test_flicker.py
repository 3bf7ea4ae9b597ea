import pytest
import torch

from ganst.scoring.canonical import blur
from ganst.video.flicker import COLUMNS, FlickerMeter

NUM = 24


def pan(speed: int = 1) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    wide = 128 + 60 * blur(torch.randn(3, 64, 64 + speed * NUM, generator=rng), 3.0) * 6
    return [
        wide[:, :, speed * n : speed * n + 64].clamp(0, 255).to(torch.uint8) for n in range(NUM)
    ]


def columns(sources: list[torch.Tensor], outputs: list[torch.Tensor]) -> dict[str, float]:
    meter = FlickerMeter(24.0)
    for source, output in zip(sources, outputs, strict=True):
        meter.add(source, output)
    return meter.columns()


def inverted(frames: list[torch.Tensor]) -> list[torch.Tensor]:
    """A style that is perfectly steady."""
    return [255 - frame for frame in frames]


def jittered(frames: list[torch.Tensor], levels: float) -> list[torch.Tensor]:
    return [
        (frame.float() + levels * (-1) ** n).clamp(0, 255).to(torch.uint8)
        for n, frame in enumerate(frames)
    ]


@pytest.mark.parametrize("speed", [0, 1, 3])
def test_a_steady_output_has_no_flicker_however_the_source_moves(speed):
    found = columns(pan(speed), inverted(pan(speed)))
    assert found["v_flicker"] < 0.5
    assert found["v_stuck"] == 0


def test_more_jitter_is_more_flicker():
    sources = pan()
    found = [columns(sources, jittered(inverted(sources), levels)) for levels in (0, 2, 4, 8)]
    flicker = [row["v_flicker"] for row in found]
    assert flicker == sorted(flicker)
    assert flicker[-1] > 20  # 8 levels up and down are second differences of 32


def test_shimmer_is_seen_where_the_source_stands_still():
    still = [pan()[0]] * NUM
    assert columns(still, inverted(still))["v_shimmer"] == 0
    assert columns(still, jittered(still, 3))["v_shimmer"] == pytest.approx(6, abs=0.5)


def test_slow_brightening_is_drift_in_levels_a_second():
    sources = pan(0)
    brighter = [(frame.float() * 0.5 + 0.5 * n).to(torch.uint8) for n, frame in enumerate(sources)]
    found = columns(sources, brighter)
    assert found["v_lum_drift"] == pytest.approx(12, abs=0.6)
    assert found["v_flicker"] < 1.5


def test_an_output_that_stops_while_its_source_goes_on_is_stuck():
    sources = pan(2)
    stuck = [inverted(sources)[4 * (n // 4)] for n in range(NUM)]
    assert columns(sources, stuck)["v_stuck"] == pytest.approx(0.75, abs=0.06)


def test_a_shot_that_is_too_short_has_no_faults():
    assert columns(pan()[:1], pan()[:1]) == dict.fromkeys(COLUMNS, 0.0)


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match="a frame is"):
        FlickerMeter(24.0).add(pan()[0], pan()[0][:, 1:])
