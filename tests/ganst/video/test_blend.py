import pytest
import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur
from ganst.video.blend import Blending, TemporalBlend

SIZE = (3, 40, 40)


def blend(sources: list[torch.Tensor], outputs: list[torch.Tensor], middle: int) -> torch.Tensor:
    made = TemporalBlend(Blending())
    seen = middle + made.blending.radius + 1
    for position, pair in enumerate(zip(sources[:seen], outputs[:seen], strict=True)):
        made.add(position, *pair)
    return made.at(middle)


def noisy(level: float, seed: int, amount: float = 2.0) -> torch.Tensor:
    noise = torch.randn(SIZE, generator=torch.Generator().manual_seed(seed))
    return (level + amount * noise).round().clamp(0, 255).to(torch.uint8)


def test_noise_of_a_still_scene_is_averaged_away():
    sources = [noisy(100, seed) for seed in range(5)]
    outputs = [noisy(150, 10 + seed, 10.0) for seed in range(5)]
    made = blend(sources, outputs, 2).float()
    assert made.std() < 0.7 * outputs[2].float().std()
    assert abs(made.mean() - 150) < 1


def test_what_moves_is_left_alone():
    sources = [torch.zeros(SIZE, dtype=torch.uint8) for _ in range(3)]
    for number, source in enumerate(sources):
        source[:, :, 12 * number : 12 * number + 12] = 200
    outputs = [255 - source for source in sources]
    made = blend(sources, outputs, 1)
    assert torch.equal(made[:, :, 12:24], outputs[1][:, :, 12:24])
    assert torch.equal(made[:, :, :9], outputs[1][:, :, :9])


def drifting(num: int, right: float, noise: float = 0.0) -> list[torch.Tensor]:
    """Windows of a scene that moves to the right by that much a frame, and noise."""
    rng = torch.Generator().manual_seed(0)
    scene = (128 + 300 * blur(torch.randn(3, 120, 200, generator=rng), 2.0)).clamp(0, 255)
    frames = []
    for number in range(num):
        across = -2 * right * number / 200
        matrix = torch.tensor([[[0.6, 0.0, across], [0.0, 1.0, 0.0]]])
        grid = F.affine_grid(matrix, [1, 3, 120, 120], align_corners=False)
        frame = F.grid_sample(scene[None], grid, mode="bicubic", align_corners=False)[0]
        frames.append(frame + noise * torch.randn(frame.shape, generator=rng))
    return [frame.round().clamp(0, 255).to(torch.uint8) for frame in frames]


@pytest.mark.parametrize("right", [0.0, 0.5, 3.0])
def test_noise_of_the_output_is_averaged_along_the_way_of_the_camera(right):
    clean, noisy = drifting(5, right), drifting(5, right, 12.0)
    inside = (slice(None), slice(8, -8), slice(14, -14))
    made, given_, wanted = (x[inside].float() for x in (blend(clean, noisy, 2), noisy[2], clean[2]))
    assert (made - wanted).std() < 0.75 * (given_ - wanted).std()


def test_a_thing_that_moves_before_what_stands_still_leaves_no_ghost():
    ground, thing = drifting(1, 0.0)[0], drifting(1, 0.0)[0].flip(2)[:, 30:80, :40]
    sources = []
    for number in range(5):
        frame = ground.clone()
        frame[:, 40:90, 8 + 15 * number : 48 + 15 * number] = 255 - thing
        sources.append(frame)
    made = blend(sources, sources, 2).float()
    assert (made - sources[2].float()).abs().mean(dim=0).max() < 40
    assert (made - sources[2].float()).abs().mean() < 0.7


def test_what_has_just_come_into_the_picture_is_left_alone():
    sources = drifting(5, -9.0)
    for source in sources:
        source[:, :, :30] = source[:, :, -30:] = 120  # nothing there tells what has come
    outputs = [torch.full_like(source, 20 * n) for n, source in enumerate(sources)]
    made = blend(sources, outputs, 2)
    assert made[:, :, -6:].min() >= 45  # those before do not have it
    assert made[:, :, :6].max() <= 35  # nor those behind


def test_weights_come_from_the_source_and_not_from_the_output():
    still = [noisy(100, 0, 0.0)] * 3
    outputs = [torch.full(SIZE, level, dtype=torch.uint8) for level in (100, 160, 100)]
    assert torch.equal(blend(still, outputs, 1), torch.full(SIZE, 130, dtype=torch.uint8))


def test_what_changes_to_and_fro_is_taken_out():
    still = [noisy(100, 0, 0.0)] * 5
    outputs = [torch.full(SIZE, level, dtype=torch.uint8) for level in (90, 110, 90, 110, 90)]
    made = TemporalBlend(Blending(radius=2))
    for position, pair in enumerate(zip(still, outputs, strict=True)):
        made.add(position, *pair)
    assert torch.equal(made.at(2), torch.full(SIZE, 100, dtype=torch.uint8))
    assert torch.equal(blend(still, outputs, 2), torch.full(SIZE, 100, dtype=torch.uint8))


def test_what_is_brightest_does_not_run_over():
    rng = torch.Generator().manual_seed(0)
    outputs = [255 * (torch.rand(3, 120, 120, generator=rng) > 0.5).byte() for _ in range(3)]
    made = blend(drifting(3, 0.5), outputs, 1).float()
    assert ((made - outputs[1].float()).abs() < 200).all()


def test_at_the_end_of_a_shot_there_are_fewer_neighbours():
    still = [noisy(100, 0, 0.0)] * 3
    outputs = [torch.full(SIZE, level, dtype=torch.uint8) for level in (0, 30, 60)]
    assert blend(still, outputs, 0).unique().tolist() == [10]
    assert torch.equal(blend(still[:1], outputs[:1], 0), outputs[0])


@pytest.mark.parametrize("wrong", [{"radius": 0}, {"tolerance": 0.0}])
def test_a_blending_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        Blending(**wrong)
