"""A GPU trains as the CPU does: the CPU is the oracle. Without one, the rules of a GPU are checked."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist

from ganst.training.bank import ImageBank
from ganst.training.loop import READ_EVERY, Trainer, TrainEvent
from ganst.training.ranks import Ranks
from ganst.training.state import capture, from_bytes, restore, to_bytes
from ganst.training.watch import HeldBack, Watch
from tests.fake_gpu import GPU, fake_gpu
from tests.ganst.training.tiny import CONFIG, CPU, tiny_bank, tiny_trainer

pytestmark = pytest.mark.usefixtures("small_presets", "exact_products")
PRESETS = pytest.mark.parametrize("preset", ["tiny", "cyclegan", "dagan"])


@pytest.fixture
def exact_products() -> Iterator[None]:
    """Products in fp32, not TF32: a tenth of the digits would not tell an error from rounding."""
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def _trainer(**changes: Any) -> Trainer:  # noqa: ANN401 fields of TrainConfig
    """The tiny training, its pictures on the GPU; losses of every step are read."""
    photos, paintings = (ImageBank.of(tiny_bank(*of).images, GPU, 1024) for of in ((0, 0), (1, 2)))
    trainer = Trainer(dataclasses.replace(CONFIG, **changes), photos, paintings, GPU)
    trainer.read_every = 1
    return trainer


@pytest.mark.usefixtures("gpu")
@PRESETS
def test_the_losses_of_the_first_steps_are_those_of_the_cpu(preset: str):
    ours, theirs = _trainer(preset=preset), tiny_trainer(dataclasses.replace(CONFIG, preset=preset))
    for _ in range(3):
        assert ours.step(0.5) == pytest.approx(theirs.step(0.5), rel=2e-2, abs=1e-3)


@pytest.mark.gpu
@PRESETS
def test_bf16_follows_fp32(preset: str):
    half, full = _trainer(preset=preset, precision="bf16"), _trainer(preset=preset)
    assert half.step(0.5) == pytest.approx(full.step(0.5), rel=0.1, abs=2e-2)


@pytest.mark.usefixtures("gpu")
def test_a_checkpoint_of_the_gpu_goes_on_where_it_was():
    trainer = _trainer()
    trainer.step(0.5)
    resumed = _trainer(seed=5)
    restore(resumed, from_bytes(to_bytes(capture(trainer))))
    assert resumed.num_images == trainer.num_images
    assert resumed.step(0.5) == pytest.approx(trainer.step(0.5), rel=1e-3)


@pytest.mark.usefixtures("gpu")
def test_a_checkpoint_of_the_gpu_goes_on_on_the_cpu():
    trainer = _trainer()
    trainer.step(0.5)
    resumed = tiny_trainer(dataclasses.replace(CONFIG, seed=5))
    restore(resumed, from_bytes(to_bytes(capture(trainer))))
    assert all(weight.device == CPU for weight in resumed.G.parameters())
    assert resumed.step(0.5) == pytest.approx(trainer.step(0.5), rel=2e-2, abs=1e-3)


@pytest.mark.usefixtures("gpu")
def test_guards_and_evaluations_look_at_what_is_on_the_gpu():
    trainer = _trainer()
    watch = Watch(trainer, HeldBack.of(trainer.photos, trainer.paintings, 32))
    trainer.step(0.5)
    assert watch.guards.check() is None
    assert watch.evaluator is not None
    watch.evaluator.evaluate(
        TrainEvent(step=1, num_images=2, progress=0.5, elapsed_s=1.0, losses={})
    )
    assert trainer.best is not None
    assert all(weight.device.type == "cuda" for weight in trainer.best.parameters())


@PRESETS
def test_a_step_waits_for_the_gpu_to_read_the_losses_and_for_nothing_else(preset: str):
    with fake_gpu() as gpu:
        trainer = _trainer(preset=preset, grade_probability=0.5)
        trainer.read_every = READ_EVERY
        gpu.waits.clear()
        trainer.step(0.5)
        assert set(gpu.waits) == {
            "return int(self._nonfinite)",
            "values = torch.stack(list(told.values())).tolist()",
        }
        gpu.waits.clear()
        for _ in range(READ_EVERY - 1):
            trainer.step(0.5)
        assert not gpu.waits


def test_what_ranks_agree_on_does_not_wait_for_the_gpu(monkeypatch):
    told: list[torch.Tensor] = []
    monkeypatch.setattr(dist, "broadcast", lambda numbers, **_: told.append(numbers))
    with fake_gpu() as gpu:
        assert Ranks(rank=1, size=2).agree(1.5, 0) == [1.5, 0]
    assert told[0].device == CPU
    assert not gpu.waits
