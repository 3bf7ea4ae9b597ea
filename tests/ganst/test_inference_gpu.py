"""A GPU paints what the CPU paints, whatever the photo; without one, the rules of a GPU are checked."""

import dataclasses

import pytest
import torch
from torch import Tensor

from ganst.batches import CapturedForward
from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.precision import Precision
from ganst.tiling import Tiling
from tests.fake_gpu import GPU, fake_gpu

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16"])
CPU = torch.device("cpu")


def _stylizer(
    device: torch.device, precision: Precision = "fp32", max_bytes: int = 10**6
) -> Stylizer:
    """Of a style that keeps exposure, at half strength: all there is to do besides the network."""
    config = dataclasses.replace(PRESETS["tiny"].generator, exposure="kept", skip="lowpass")
    generator = ResnetGenerator(config)
    rng = torch.Generator().manual_seed(1)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2, generator=rng)
    tiling = Tiling(max_bytes=max_bytes)
    return Stylizer(generator, precision, strength=0.5, device=device, tiling=tiling)


def _image(height: int, width: int, seed: int = 0, light: int = 256) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, light, (3, height, width), dtype=torch.uint8, generator=rng)


@pytest.mark.usefixtures("gpu")
@PRECISIONS
def test_batch_mates_change_no_bit(precision: Precision):
    stylizer = _stylizer(GPU, precision)
    images = [_image(64, 96, seed) for seed in range(5)] + [_image(30, 40, 9)]
    together = stylizer.stylize(images)
    alone = [stylizer.stylize([image])[0] for image in reversed(images)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("light", [256, 60], ids=["bright", "dark"])
@pytest.mark.parametrize("size", [(100, 130), (1, 1), (200, 190)], ids=["whole", "point", "strips"])
def test_every_photo_is_painted_as_by_the_cpu(size: tuple[int, int], light: int):
    image = _image(*size, light=light)
    here, there = _stylizer(CPU), _stylizer(GPU)
    assert there.cuts(*size) == (size == (200, 190))
    (expected,), (output,) = here.stylize([image]), there.stylize([image])
    assert output.device == CPU
    assert (expected.int() - output.int()).abs().float().mean() < 0.5


def test_a_captured_forward_pass_neither_waits_nor_moves_anything_between_the_devices():
    """While a graph is captured that would fail; `fake_gpu` refuses it as CUDA does."""
    with fake_gpu() as gpu:
        stylizer = _stylizer(GPU)
        forward = CapturedForward(stylizer._forward, (2, 3, 64, 64), GPU)
        gpu.waits.clear()
        image = _image(64, 64)
        once, again = (
            forward(torch.stack([image, image])),
            forward(torch.stack([image, 255 - image])),
        )
        assert torch.equal(once[0], again[0])
        assert not torch.equal(again[0], again[1])
        assert not gpu.waits
        with pytest.raises(RuntimeError, match="capturing"):
            CapturedForward(lambda images: images.cpu(), (2, 3, 64, 64), GPU)
