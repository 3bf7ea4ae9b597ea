"""How public CycleGAN and CUT generators name their tensors, and what that says of the architecture.

Both publish `model`, an nn.Sequential: the number in a key is a position in it, and layers without
tensors (pads, ReLU, plain instance norm) take positions too. With two downs and B blocks:

            stem  downs                 blocks       ups                           head
    CycleGAN  1   4, 7 (3 a slot)       10 .. 9+B    10+B, 13+B (3 a slot)         17+B
    CUT       1   4, 8 (4: blur last)   12 .. 11+B   13+B, 17+B (4: blur first)    21+B

A norm stands right behind its convolution. Dropout in a block moves its second convolution from 5 to 6.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Shapes = Mapping[str, tuple[int, ...]]
PublicNorm = Literal["instance", "affine", "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLayer:
    """A convolution and its norm: their keys in the public file, and in a ResnetGenerator."""

    conv: str
    norm: str | None  # None: the head
    ours: str
    our_norm: str = ""
    is_transposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLayout:
    """A public architecture."""

    width: int
    num_downs: int
    num_blocks: int
    first_block: int  # its position
    block_name: str  # `conv_block`, or `block` as re-implementations call it
    blurs_down: bool
    blurs_up: bool
    has_dropout: bool
    norm: PublicNorm
    has_statistics: bool  # running mean and variance

    @property
    def filters(self) -> dict[str, int]:
        """Keys of the blur kernels, and how many taps each has a side."""
        downs = [4 + 4 * level + 3 for level in range(self.num_downs) if self.blurs_down]
        ups = [self._up(level) - 1 for level in range(self.num_downs) if self.blurs_up]
        return {f"model.{i}.filt": 3 for i in downs} | {f"model.{i}.filt": 4 for i in ups}

    def layers(self) -> Iterator[PublicLayer]:
        """All convolutions, front to back."""
        yield _plain(1, "stem")
        for level in range(self.num_downs):
            yield _plain(4 + level * (4 if self.blurs_down else 3), f"downs.{level}.0")
        for block in range(self.num_blocks):
            yield from self._block(block)
        for level in range(self.num_downs):
            yield _plain(self._up(level), f"ups.{level}", is_transposed=not self.blurs_up)
        head = self._up(self.num_downs) + (0 if self.blurs_up else 1)
        yield PublicLayer(conv=f"model.{head}", norm=None, ours="head")

    def norm_entries(self) -> list[str]:
        """Names of the tensors that each norm has."""
        scale = [] if self.norm == "instance" else ["weight", "bias"]
        return scale + (["running_mean", "running_var"] if self.has_statistics else [])

    def _block(self, block: int) -> Iterator[PublicLayer]:
        place, ours = f"model.{self.first_block + block}.{self.block_name}", f"blocks.{block}"
        second = 6 if self.has_dropout else 5
        yield PublicLayer(
            conv=f"{place}.1",
            norm=f"{place}.2",
            ours=f"{ours}.first",
            our_norm=f"{ours}.first.norm",
        )
        yield PublicLayer(
            conv=f"{place}.{second}",
            norm=f"{place}.{second + 1}",
            ours=f"{ours}.second",
            our_norm=f"{ours}.norm",
        )

    def _up(self, level: int) -> int:
        behind = self.first_block + self.num_blocks
        return behind + 1 + 4 * level if self.blurs_up else behind + 3 * level


def read_layout(shapes: Shapes) -> PublicLayout | None:
    """The layout that would explain `shapes`, None where there is nothing to go by.

    A guess: whether the keys are those of the layout, no more and no less, is checked by the caller.
    """
    found = [m for key in shapes if (m := re.match(r"model\.(\d{1,4})\.(conv_block|block)\.", key))]
    stem = shapes.get("model.1.weight", ())
    if not found or len(stem) != 4:
        return None
    blocks = {int(match[1]) for match in found}
    first, name = min(blocks), found[0][2]
    convs = _convolutions(shapes)
    num_downs = sum(1 < place < first for place in convs)
    behind = [place for place in convs if place > first]
    return PublicLayout(
        width=stem[0],
        num_downs=num_downs,
        num_blocks=len(blocks),
        first_block=first,
        block_name=name,
        blurs_down=first != 4 + 3 * num_downs,
        blurs_up=bool(behind) and min(behind) != first + len(blocks),
        has_dropout=len(shapes.get(f"model.{first}.{name}.6.weight", ())) == 4,
        norm=_read_norm(shapes),
        has_statistics="model.2.running_mean" in shapes,
    )


def _convolutions(shapes: Shapes) -> list[int]:
    matches = {key: re.fullmatch(r"model\.(\d{1,4})\.weight", key) for key in shapes}
    return [int(m[1]) for key, m in matches.items() if m and len(shapes[key]) == 4]


def _read_norm(shapes: Shapes) -> PublicNorm:
    """Public networks give a convolution a bias exactly where an instance norm follows."""
    if "model.2.weight" not in shapes:
        return "instance"
    is_batch = "model.2.running_mean" in shapes and "model.1.bias" not in shapes
    return "batch" if is_batch else "affine"


def _plain(place: int, ours: str, *, is_transposed: bool = False) -> PublicLayer:
    return PublicLayer(
        conv=f"model.{place}",
        norm=f"model.{place + 1}",
        ours=ours,
        our_norm=f"{ours}.norm",
        is_transposed=is_transposed,
    )
