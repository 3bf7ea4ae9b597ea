"""Whatever a shot is cut into, its frames are the same; and they flicker less than each for itself."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ganst.inference import Stylizer
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.layers import InstanceNorm
from ganst.tiling import Tiling
from ganst.video.flicker import FlickerMeter
from ganst.video.shared_norms import SharedNorms
from ganst.video.shot import Piece, ShotStylizer, Steadiness
from ganst.video.steady import SharingSchedule
from tests.fake_gpu import GPU

EVERY_FRAME_FOR_ITSELF = Steadiness(sharing=None, blending=None)
SHORT = Steadiness(sharing=SharingSchedule(every=3, window=2))
LENGTH = 17


@pytest.fixture(scope="module", params=["instance", "affine", "none"])
def stylizer(request) -> Stylizer:
    rng = torch.Generator().manual_seed(0)
    config = GeneratorConfig(
        width=4, num_blocks=1, num_downs=1, stem_kernel=3, norm=request.param, exposure="kept"
    )
    generator = ResnetGenerator(config)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            low, high = (0.5, 1.5) if "norm" in name else (-0.2, 0.2)
            parameter.uniform_(low, high, generator=rng)
    return Stylizer(generator, "fp32", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def frames() -> list[Tensor]:
    """A still scene with noise, and something bright that comes in."""
    generator = torch.Generator().manual_seed(1)
    scene = torch.randint(40, 160, (3, 66, 70), generator=generator).float()
    scene = torch.nn.functional.avg_pool2d(scene[None], 9, 1, 4)[0]
    made = []
    for number in range(LENGTH):
        image = scene + 2 * torch.randn(scene.shape, generator=generator)
        image[:, 20:50, 70 - 3 * number :] = 240
        made.append(image.round().clamp(0, 255).to(torch.uint8))
    return made


def stylize(
    stylizer: Stylizer, frames: list[Tensor], start: int, stop: int, steadiness: Steadiness
) -> list[Tensor]:
    shots = ShotStylizer(stylizer, steadiness)
    piece = Piece(start=start, stop=stop, length=len(frames))
    first, last = shots.needed(piece)
    return list(shots.stylize(iter(frames[first:last]), piece))


@pytest.mark.parametrize(
    "steadiness",
    [
        EVERY_FRAME_FOR_ITSELF,
        SHORT,
        Steadiness(sharing=None),
        Steadiness(sharing=SharingSchedule(every=5, window=1), blending=None),
        Steadiness(),
    ],
)
@pytest.mark.parametrize("borders", [(0, 1, 17), (0, 6, 7, 17), (0, 9, 16, 17)])
def test_a_frame_does_not_depend_on_the_piece_it_is_in(stylizer, frames, steadiness, borders):
    whole = stylize(stylizer, frames, 0, LENGTH, steadiness)
    assert len(whole) == LENGTH
    pieces = [
        frame
        for start, stop in pairwise(borders)
        for frame in stylize(stylizer, frames, start, stop, steadiness)
    ]
    assert all(torch.equal(a, b) for a, b in zip(whole, pieces, strict=True))


def test_alone_each_frame_is_what_a_photo_would_be(stylizer, frames):
    made = stylize(stylizer, frames, 3, 6, EVERY_FRAME_FOR_ITSELF)
    assert all(torch.equal(a, b) for a, b in zip(made, stylizer.stylize(frames[3:6]), strict=True))


@pytest.mark.parametrize("light", [1, 4])
def test_a_shot_of_one_frame_is_stylized_by_its_own_statistics(stylizer, frames, light):
    dark = [frames[-1] // light]
    (made,) = stylize(stylizer, dark, 0, 1, Steadiness())
    (alone,) = stylizer.stylize(dark)
    assert (made.int() - alone.int()).abs().max() <= 1


def test_shared_statistics_and_blending_make_a_shot_steadier(stylizer, frames):
    def flicker(steadiness: Steadiness) -> float:
        meter = FlickerMeter(25.0)
        outputs = stylize(stylizer, frames, 0, LENGTH, steadiness)
        for source, output in zip(frames, outputs, strict=True):
            meter.add(source, output)
        return meter.columns()["v_shimmer"]

    alone = flicker(EVERY_FRAME_FOR_ITSELF)
    assert flicker(Steadiness(sharing=SHORT.sharing)) < 0.95 * alone


@pytest.mark.usefixtures("gpu")
def test_a_gpu_gives_the_frames_that_a_cpu_gives(stylizer, frames):
    there = Stylizer(copy.deepcopy(stylizer.generator), "fp32", device=GPU)
    outputs = stylize(there, frames, 0, LENGTH, SHORT)
    for one, other in zip(outputs, stylize(stylizer, frames, 0, LENGTH, SHORT), strict=True):
        assert (one.int() - other.int()).abs().max() <= 2


def test_too_few_frames_are_an_error(stylizer, frames):
    shots = ShotStylizer(stylizer, SHORT)
    with pytest.raises(ValueError, match="frames end at position 5"):
        list(shots.stylize(iter(frames[:5]), Piece(start=0, stop=9, length=LENGTH)))


@pytest.mark.parametrize(("start", "stop", "length"), [(3, 3, 5), (-1, 2, 5), (0, 6, 5)])
def test_a_piece_outside_of_its_shot_is_refused(start, stop, length):
    with pytest.raises(ValueError, match="inside of its shot"):
        Piece(start=start, stop=stop, length=length)


def test_by_its_own_statistics_a_generator_gives_what_it_always_gives(stylizer, frames):
    norms = SharedNorms(stylizer.generator)
    x = frames[0][None, :, :64, :64].float() / 127.5 - 1
    with torch.no_grad():
        plain = stylizer.generator(x)
        again = torch.tanh(norms.apply(x, norms.measure(x)))
    assert torch.allclose(again, plain, atol=1e-4)


def test_what_is_measured_is_what_the_norms_of_the_generator_see(stylizer, frames):
    seen = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        for module in stylizer.generator.modules()
        if isinstance(module, InstanceNorm)
    ]
    x = frames[0][None, :, :64, :64].float() / 127.5 - 1
    with torch.no_grad():
        stylizer.generator(x)
        measured = SharedNorms(stylizer.generator).measure(x)
    for hook in hooks:
        hook.remove()
    assert len(measured) == len(seen)
    for found, y in zip(measured, seen, strict=True):
        wanted = torch.stack([y.mean(dim=(0, 2, 3)), y.square().mean(dim=(0, 2, 3))])
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_an_image_that_is_cut_in_strips_is_known_beforehand(stylizer):
    assert not stylizer.cuts(5000, 5000)
    small = Stylizer(
        stylizer.generator, "fp32", tiling=Tiling(max_bytes=10_000), device=torch.device("cpu")
    )
    assert small.cuts(64, 64)
