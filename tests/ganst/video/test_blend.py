import pytest
import torch

from ganst.video.blend import Blending, TemporalBlend

SIZE = (3, 40, 40)


def blend(sources: list[torch.Tensor], outputs: list[torch.Tensor], middle: int) -> torch.Tensor:
    made = TemporalBlend(Blending())
    for position, (source, output) in enumerate(zip(sources, outputs, strict=True)):
        made.add(position, source, output)
    return made.at(middle)


def noisy(level: float, seed: int, amount: float = 2.0) -> torch.Tensor:
    noise = torch.randn(SIZE, generator=torch.Generator().manual_seed(seed))
    return (level + amount * noise).round().clamp(0, 255).to(torch.uint8)


def test_noise_of_a_still_scene_is_averaged_away():
    sources = [noisy(100, seed) for seed in range(5)]
    outputs = [noisy(150, 10 + seed, 10.0) for seed in range(5)]
    made = blend(sources, outputs, 2).float()
    assert made.std() < 0.6 * outputs[2].float().std()
    assert abs(made.mean() - 150) < 1


def test_what_moves_is_left_alone():
    sources = [torch.zeros(SIZE, dtype=torch.uint8) for _ in range(3)]
    for number, source in enumerate(sources):
        source[:, :, 12 * number : 12 * number + 12] = 200
    outputs = [255 - source for source in sources]
    made = blend(sources, outputs, 1)
    assert torch.equal(made[:, :, 12:24], outputs[1][:, :, 12:24])
    assert torch.equal(made[:, :, :9], outputs[1][:, :, :9])


def test_weights_come_from_the_source_and_not_from_the_output():
    still = [noisy(100, 0, 0.0)] * 3
    outputs = [torch.full(SIZE, level, dtype=torch.uint8) for level in (100, 160, 100)]
    assert torch.equal(blend(still, outputs, 1), torch.full(SIZE, 120, dtype=torch.uint8))


def test_at_the_end_of_a_shot_there_are_fewer_neighbours():
    still = [noisy(100, 0, 0.0)] * 3
    outputs = [torch.full(SIZE, level, dtype=torch.uint8) for level in (0, 30, 60)]
    assert blend(still, outputs, 0).unique().tolist() == [30]
    assert torch.equal(blend(still[:1], outputs[:1], 0), outputs[0])


@pytest.mark.parametrize("wrong", [{"radius": 0}, {"tolerance": 0.0}])
def test_a_blending_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        Blending(**wrong)
