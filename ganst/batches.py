"""Which images a GPU stylizes together, and the proof that they do not feel each other.

A convolution may sum in another order for another number of images. So a shape always goes in
batches of one size, which hangs on nothing but the shape: a batch that is not full is filled up
with copies. And before the first batch of a shape counts, a certificate is asked for: noise in two
orders and beside other noise must give the same bits. A shape that fails it is stylized one by one.
On a CPU a batch is one image: it gains nothing from more.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

K = TypeVar("K", bound=Hashable)
Forward = Callable[[Tensor], Tensor]  # uint8 [N, 3, H, W] to the same shape, each image by itself

# Pixels of a full batch: 16 images of 512 x 512. More kept no GPU busier in published runs of this family.
BATCH_PIXELS = 16 * 512 * 512
LARGEST_BATCH = 32
_SHAPES_KEPT = 4  # captured graphs hold the memory of their activations


def plan_batches(keys: Sequence[K], size_of: Callable[[K], int]) -> list[tuple[int, ...]]:
    """Positions of equal `keys` together, in their order, at most `size_of(key)` at a time.

    Batches are in the order of their first positions; every position is in exactly one.
    """
    places: dict[K, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    batches = [
        tuple(found[start : start + size_of(key)])
        for key, found in places.items()
        for start in range(0, len(found), size_of(key))
    ]
    return sorted(batches)


def batch_size(shape: tuple[int, ...]) -> int:
    """Images of a shape (its last two sides count) in a batch on a GPU."""
    return min(max(BATCH_PIXELS // math.prod(shape[-2:]), 1), LARGEST_BATCH)


def mates_change_nothing(forward: Forward, shape: tuple[int, ...]) -> bool:
    """Whether an image's output has the same bits at any place of a batch and beside any others.

    `shape` is that of a full batch, `[N, 3, H, W]`.
    """
    rng = torch.Generator().manual_seed(0)
    images, others = (
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng) for _ in range(2)
    )
    alone = forward(images)
    turned = all(
        torch.equal(forward(images.roll(by, 0)).roll(-by, 0), alone)
        for by in {1, shape[0] // 2} - {0}
    )
    others[0] = images[0]
    return turned and torch.equal(forward(others)[0], alone[0])


class FullBatches:
    """A network over images of one shape at a time, in full batches that are certified."""

    def __init__(self, prepare: Callable[[tuple[int, ...]], Forward]) -> None:
        """`prepare` makes the network ready for one shape of batch, `[N, 3, H, W]`."""
        self._prepare = prepare
        self._ready: OrderedDict[tuple[int, ...], tuple[Forward, int]] = OrderedDict()

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 `[n, 3, H, W]`, any n -> the same shape."""
        forward, size = self._certified(tuple(images.shape[1:]))
        return torch.cat([_filled_up(forward, part, size) for part in images.split(size)])

    def _certified(self, shape: tuple[int, ...]) -> tuple[Forward, int]:
        """The network for that shape, and how many images it takes."""
        if shape not in self._ready:
            size = batch_size(shape)
            forward = self._prepare((size, *shape))
            if size > 1 and not mates_change_nothing(forward, (size, *shape)):
                forward, size = self._prepare((1, *shape)), 1
            self._ready[shape] = forward, size
            if len(self._ready) > _SHAPES_KEPT:
                self._ready.popitem(last=False)
        self._ready.move_to_end(shape)
        return self._ready[shape]


class CapturedForward:
    """A forward pass over one shape of batch as a CUDA graph: one launch instead of hundreds.

    Pixels travel as bytes between pinned buffers and the GPU.
    """

    def __init__(self, forward: Forward, shape: tuple[int, ...], device: torch.device) -> None:
        self._pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._input = torch.zeros(shape, dtype=torch.uint8, device=device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # what is chosen or set up at first use is not captured
            for _ in range(2):
                forward(self._input)
        torch.cuda.current_stream(device).wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = forward(self._input)
        self._stream = torch.cuda.current_stream(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Pixels in the memory of the host, in and out."""
        self._pinned.copy_(images)
        self._input.copy_(self._pinned, non_blocking=True)
        self._graph.replay()
        self._pinned.copy_(self._output, non_blocking=True)
        self._stream.synchronize()
        return self._pinned.clone()


def _filled_up(forward: Forward, images: Tensor, size: int) -> Tensor:
    missing = size - len(images)
    filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images
    return forward(filled)[: len(images)]
