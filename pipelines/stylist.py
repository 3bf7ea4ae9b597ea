"""The networks of a run's style on a worker: the `Stylist` that strategies are given."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.stylepack import load_generator, load_stylepack
from pipelines.devices import own_device
from pipelines.judging import Judge
from pipelines.scratch import tiling_for
from pipelines.styles import open_stylizer


@dataclass(frozen=True, slots=True)
class WorkerStylist:
    """On uint8 `[3, H, W]`. Images over the memory of the run are cut in exact strips."""

    judge: Judge

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        """Stylize with a checkpoint in a precision."""
        judge = self.judge
        stylizer = open_stylizer(
            judge.style_path,
            judge.style_digest,
            checkpoint,
            precision,
            judge.strength,
            judge.memory_mb,
        )
        return stylizer.stylize([image])[0]

    def generator(self, checkpoint: str) -> ResnetGenerator:
        """A copy of that checkpoint in fp32, which the caller may change."""
        return load_generator(load_stylepack(Path(self.judge.style_path)), checkpoint)

    def run(self, generator: ResnetGenerator, image: Tensor) -> Tensor:
        """Stylize with a generator that came from here, in fp32."""
        tiling = tiling_for(self.judge.memory_mb)
        stylizer = Stylizer(
            generator, "fp32", strength=self.judge.strength, device=own_device(), tiling=tiling
        )
        return stylizer.stylize([image])[0]
