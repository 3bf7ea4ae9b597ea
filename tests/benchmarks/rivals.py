"""What the stage is compared with, each a process of its own: WAY PHOTOS OUT --pack DIR ...

    loop       the loop of the public CycleGAN test script on the public network: fp32, one image at
               a time, all cores for one forward pass
    bare       the forward pass alone on tensors in memory, one process of one thread a core
    compiled   on a GPU: the network alone, compiled, over full batches that are there already
    ray        Ray Data: read_images, then map_batches over actors that stylize and write
    ray-paths  Ray Data: map_batches over paths; the actors read, stylize and write

All but `bare` and `compiled` write images to OUT; these two write when each image was done to OUT/times.json.
"""

import argparse
import json
import logging
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganst.batches import batch_size
from ganst.models.stylepack import load_stylepack
from ganst.pixels import to_model, to_pixels
from pipelines.images import decode, encode
from pipelines.styles import open_stylizer
from tests.ganst.models.public_networks import Variant, make_public

PUBLIC = Variant(width=64, num_blocks=9)
PUBLIC_SEED = 7
QUALITY = 95
_RAY_BATCH = 8
_LIMIT = 10**9


def main() -> None:
    """Run the named way to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    WAYS[arguments.way](arguments)


def loop(arguments: argparse.Namespace) -> None:
    """As test.py does it: load, scale to -1..1, forward without gradients, tensor2im, save."""
    torch.set_num_threads(arguments.workers)
    network = make_public(PUBLIC, torch.Generator().manual_seed(PUBLIC_SEED))
    for path in sorted(arguments.photos.iterdir()):
        photo = np.asarray(Image.open(path).convert("RGB"))
        x = torch.from_numpy(photo.copy()).permute(2, 0, 1).contiguous().float().div(255)
        x = ((x - 0.5) / 0.5)[None]
        with torch.no_grad():
            y = network(x)[0].float().numpy()
        image = ((np.transpose(y, (1, 2, 0)) + 1) / 2 * 255).astype(np.uint8)
        Image.fromarray(image).save(arguments.out / path.name, quality=QUALITY, subsampling=0)


def bare(arguments: argparse.Namespace) -> None:
    """All processes begin together, when each has its network and its tensors."""
    paths = sorted(arguments.photos.iterdir())
    context = multiprocessing.get_context("spawn")
    barrier = context.Manager().Barrier(arguments.workers)
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:
        shares = [paths[index :: arguments.workers] for index in range(arguments.workers)]
        pack, precision = str(arguments.pack), arguments.precision
        waiting = [pool.submit(forward, share, pack, precision, barrier) for share in shares]
        times = sorted(stamp for future in waiting for stamp in future.result())
    (arguments.out / "times.json").write_text(json.dumps(times))


def forward(paths: list[Path], pack: str, precision: str, barrier: Any) -> list[float]:  # noqa: ANN401
    """The times at which the passes ended; one to warm up is not among them."""
    network = _Network(pack, precision)
    stylizer = network.stylizer
    tensors = [stylizer.to_input(_read(path)[None]) for path in paths]
    times = []
    with torch.inference_mode():
        stylizer.generator(tensors[0])
        barrier.wait()
        for x in tensors:
            stylizer.generator(x)
            times.append(time.time())
    return times


def compiled(arguments: argparse.Namespace) -> None:
    """Pixels to pixels in one process, which has the GPU to itself."""
    paths = sorted(arguments.photos.iterdir())
    network = _Network(str(arguments.pack), arguments.precision)
    generator, dtype = network.stylizer.generator, network.stylizer.dtype
    photo = _read(paths[0])
    batch = photo.expand(batch_size(photo.shape), *photo.shape).to("cuda")

    @torch.compile
    def forward(pixels: Tensor) -> Tensor:
        x = to_model(pixels, dtype).contiguous(memory_format=torch.channels_last)
        return to_pixels(generator(x))

    with torch.inference_mode():
        for _ in range(5):
            forward(batch)
        torch.cuda.synchronize()
        began = time.time()
        for _ in range(-(-len(paths) // len(batch))):
            forward(batch)
        torch.cuda.synchronize()
    times = np.linspace(began, time.time(), len(paths) + 1)[1:]
    (arguments.out / "times.json").write_text(json.dumps(times.tolist()))


def ray(arguments: argparse.Namespace) -> None:
    """Images travel through the object store."""
    data = _ray(arguments).read_images(str(arguments.photos), mode="RGB", include_paths=True)
    _map(data, arguments)


def ray_paths(arguments: argparse.Namespace) -> None:
    """Only paths travel: nothing goes through the object store.

    Actors that book whole cores leave none for the task that lists the paths: Ray waits for ever.
    """
    paths = [str(path) for path in sorted(arguments.photos.iterdir())]
    blocks = max(arguments.workers, len(paths) // _RAY_BATCH)
    items = [{"path": path} for path in paths]
    _map(_ray(arguments).from_items(items, override_num_blocks=blocks), arguments)


def _ray(arguments: argparse.Namespace) -> Any:  # noqa: ANN401 Ray is no dependency
    import ray as ray_package  # pyrefly: ignore

    ray_package.init(
        num_cpus=arguments.workers,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    import ray.data as ray_data  # pyrefly: ignore

    ray_data.DataContext.get_current().enable_progress_bars = False
    return ray_data


def _map(data: Any, arguments: argparse.Namespace) -> None:  # noqa: ANN401
    """Actors book half a core each, so that tasks that read or list find room beside them."""
    data.map_batches(
        _Network,
        fn_constructor_args=(str(arguments.pack), arguments.precision, str(arguments.out)),
        batch_size=_RAY_BATCH,
        concurrency=arguments.workers,
        num_cpus=0.5,
    ).materialize()


class _Network:
    """A worker: the pack is loaded once, one thread."""

    def __init__(self, pack: str, precision: str, out: str = "") -> None:
        torch.set_num_threads(1)
        digest = load_stylepack(Path(pack)).digest
        self.stylizer = open_stylizer(pack, digest, "final", precision, 1.0)
        self.out = Path(out)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[str]]:
        names = [Path(path).name for path in batch["path"]]
        for index, name in enumerate(names):
            if "image" in batch:
                planes = np.ascontiguousarray(batch["image"][index].transpose(2, 0, 1))
                pixels = torch.from_numpy(planes)
            else:
                pixels = _read(Path(batch["path"][index]))
            (styled,) = self.stylizer.stylize([pixels])
            (self.out / name).write_bytes(encode(styled, format="jpeg", quality=QUALITY))
        return {"name": names}


def _read(path: Path) -> Tensor:
    return decode(path.read_bytes(), max_pixels=_LIMIT).pixels


WAYS: dict[str, Callable[[argparse.Namespace], None]] = {
    "loop": loop,
    "bare": bare,
    "compiled": compiled,
    "ray": ray,
    "ray-paths": ray_paths,
}


if __name__ == "__main__":
    main()
