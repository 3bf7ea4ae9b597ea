"""What a training step costs next to the public CycleGAN's, and what each preset costs and gives.

    PYTHONPATH=. python tests/benchmarks/train.py [--batch N] [--crop 256] [--steps 20] [--compile]
    PYTHONPATH=. python tests/benchmarks/train.py --photos DIR --paintings DIR [--minutes 8] [--presets ...]

The first prints ratios of images/s at equal crop: the public step is re-created at its defaults
(ResNet-9/64 both ways, InstanceNorm2d, reflection pads, LSGAN, cycle 10, identity 5, pool of 50, Adam,
fp32, eager). On a CPU both take batches of one; on a GPU the public step does, as its defaults have it, and
ours takes eight and is compiled, as a long training is. The second trains every preset for the same time
on the same pictures.
"""

import argparse
import dataclasses
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst import __version__
from ganst.inference import Stylizer
from ganst.models.stylepack import StylePack, load_generator, load_stylepack
from ganst.precision import choose_precision
from ganst.training.bank import ImageBank
from ganst.training.config import Budget
from ganst.training.loop import Trainer
from ganst.training.recipes import recipe
from pipelines.train import train
from pipelines.training.job import TrainJob

_PRESETS = ("fast", "default", "cyclegan", "dagan")


def main() -> None:
    """Print ratios, then, if there are pictures, the table of presets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--batch", type=int, help="else 1, on a GPU 8; on a CPU of the public step too"
    )
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="our networks; else on a GPU only"
    )
    parser.add_argument("--presets", nargs="+", default=_PRESETS)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--paintings", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--skip-steps", action="store_true", help="only the table of presets")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = on_gpu
    arguments.batch = arguments.batch or (8 if on_gpu else 1)
    arguments.compile = on_gpu if arguments.compile is None else arguments.compile
    print(f"{_describe(device)}; batch {arguments.batch}, crop {arguments.crop}")
    if not arguments.skip_steps:
        _print_ratios(arguments, device)
    if arguments.photos and arguments.paintings:
        _print_presets(arguments)


def _describe(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return (
        f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, ganst {__version__}"
    )


def _print_ratios(arguments: argparse.Namespace, device: torch.device) -> None:
    public = PublicCycleGan(device)
    batch = 1 if device.type == "cuda" else arguments.batch
    x, y = (
        torch.rand(batch, 3, arguments.crop, arguments.crop, device=device) * 2 - 1
        for _ in range(2)
    )
    base = batch * _rate(lambda: public.step(x, y), arguments.steps, device)
    print(f"{'public CycleGAN':16} {base:9.2f} images/s, batch {batch}")
    for preset in arguments.presets:
        trainer = _trainer(preset, arguments, device)
        if arguments.compile:
            trainer.compile()
        rate = arguments.batch * _rate(lambda t=trainer: t.step(0.5), arguments.steps, device)
        print(f"{preset:16} {rate:9.2f} images/s  x {rate / base:.2f}, {trainer.bench.precision}")
        if device.type == "cuda":
            _print_targets(preset, rate, rate / base, _peak_flops(device))


# A pair of 256 x 256 crops: six passes of ResNet-9 there and back, a pass being 99.1 GFLOP; the two
# discriminators add 5.7 %. The first layers of four passes have no gradient of their input: not subtracted.
_PAIR_FLOP = 1.057 * 6 * 3 * 99.1e9


def _print_targets(preset: str, rate: float, ratio: float, peak: float) -> None:
    """What was aimed at on one H100, for crops of 256 pixels."""
    if preset == "default":
        print(f"{'':16} target 600 images/s: {rate / 600:.2f} of it")
    if preset == "cyclegan":
        share = rate * _PAIR_FLOP / peak
        print(
            f"{'':16} target x 12: {ratio / 12:.2f} of it; share of the bf16 peak {share:.2f} (0.35)"
        )


def _peak_flops(device: torch.device) -> float:
    """Floating-point operations a second of the best of ten large bf16 matrix products."""
    a = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(10):
        _wait(device)
        began = time.perf_counter()
        a @ a
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * 8192**3 / best


def _trainer(preset: str, arguments: argparse.Namespace, device: torch.device) -> Trainer:
    config = recipe(preset, batch_size=arguments.batch, crop_px=arguments.crop)
    rng = torch.Generator().manual_seed(0)
    side = 2 * arguments.crop
    pictures = [
        torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=rng) for _ in range(4)
    ]
    bank = ImageBank.of(pictures, device, config.largest_side_px)
    return Trainer(config, bank, bank, device)


def _rate(step: Callable[[], object], num_steps: int, device: torch.device) -> float:
    """Steps a second, after three to warm up."""
    for _ in range(3):
        step()
    _wait(device)
    began = time.perf_counter()
    for _ in range(num_steps):
        step()
    _wait(device)
    return num_steps / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _print_presets(arguments: argparse.Namespace) -> None:
    print(
        f"\n{arguments.minutes:g} minutes each; distances with 95 % margins; images/s at 256 x 256"
    )
    print(
        f"{'preset':10} {'kernel distance':>20} {'gain':>6} {'content':>8} {'crops':>8} "
        f"{'stylizing':>10}"
    )
    for preset in arguments.presets:
        with tempfile.TemporaryDirectory() as home:
            job = TrainJob(
                style=preset,
                photos=arguments.photos,
                paintings=arguments.paintings,
                out=Path(home) / preset,
                budget=Budget(minutes=arguments.minutes),
                config=dataclasses.replace(recipe(preset)),
            )
            pack = load_stylepack(train(job))
            rate = _stylizing_rate(pack)
        card = pack.card["training"]
        found = card["evaluations"][-1]
        distance = f"{found['style']:.3f} ± {found['style_margin']:.3f}"
        print(
            f"{preset:10} {distance:>20} {found['gain']:6.2f} {found['content']:8.3f} "
            f"{card['images']:8d} {rate:10.1f}",
            flush=True,
        )


def _stylizing_rate(pack: StylePack) -> float:
    """Images/s of the pack, one image of 256 x 256 after the other, in the precision of this machine."""
    stylizer = Stylizer(load_generator(pack), choose_precision())
    image = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        stylizer.stylize([image])
        _wait(stylizer.device)
        seconds.append(time.perf_counter() - began)
    return 1 / statistics.median(seconds)


class PublicCycleGan:
    """One training step as the public PyTorch code does it at its defaults."""

    def __init__(self, device: torch.device) -> None:
        self.G_A, self.G_B = public_generator().to(device), public_generator().to(device)
        self.D_A, self.D_B = public_discriminator().to(device), public_discriminator().to(device)
        self.optimizer_G = _adam(self.G_A, self.G_B)
        self.optimizer_D = _adam(self.D_A, self.D_B)
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])
        self.random = random.Random(0)

    def step(self, real_A: Tensor, real_B: Tensor) -> None:
        """Generators first, then discriminators."""
        fake_B, fake_A = self.G_A(real_A), self.G_B(real_B)
        rec_A, rec_B = self.G_B(fake_B), self.G_A(fake_A)
        self._judging(is_judging=False)
        self.optimizer_G.zero_grad()
        loss = 5 * (F.l1_loss(self.G_A(real_B), real_B) + F.l1_loss(self.G_B(real_A), real_A))
        loss = loss + 10 * (F.l1_loss(rec_A, real_A) + F.l1_loss(rec_B, real_B))
        loss = loss + _toward(self.D_A(fake_B), 1.0) + _toward(self.D_B(fake_A), 1.0)
        loss.backward()
        self.optimizer_G.step()
        self._judging(is_judging=True)
        self.optimizer_D.zero_grad()
        for D, real, fake, pool in (
            (self.D_A, real_B, fake_B, self.pools[0]),
            (self.D_B, real_A, fake_A, self.pools[1]),
        ):
            seen = torch.stack([self._swap(image, pool) for image in fake.detach()])
            (0.5 * (_toward(D(real), 1.0) + _toward(D(seen), 0.0))).backward()
        self.optimizer_D.step()

    def _judging(self, *, is_judging: bool) -> None:
        for D in (self.D_A, self.D_B):
            D.requires_grad_(requires_grad=is_judging)

    def _swap(self, image: Tensor, pool: list[Tensor]) -> Tensor:
        if len(pool) < 50:
            pool.append(image)
            return image
        if self.random.random() <= 0.5:
            return image
        place = self.random.randrange(50)
        old, pool[place] = pool[place], image
        return old


def public_generator(width: int = 64, num_blocks: int = 9) -> nn.Sequential:
    """ResNet-9 with InstanceNorm2d and explicit reflection pads."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7)]
    layers += [nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
    for level in (1, 2):
        layers += [nn.Conv2d(width * level, width * level * 2, 3, 2, 1)]
        layers += [nn.InstanceNorm2d(width * level * 2), nn.ReLU(inplace=True)]
    layers += [_PublicBlock(width * 4) for _ in range(num_blocks)]
    for level in (4, 2):
        layers += [nn.ConvTranspose2d(width * level, width * level // 2, 3, 2, 1, 1)]
        layers += [nn.InstanceNorm2d(width * level // 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


class _PublicBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        halves = [
            [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            for _ in range(2)
        ]
        self.conv_block = nn.Sequential(*halves[0], nn.ReLU(inplace=True), *halves[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def public_discriminator(width: int = 64) -> nn.Sequential:
    """70 x 70 PatchGAN."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for narrow, wide, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers += [nn.Conv2d(width * narrow, width * wide, 4, stride, 1)]
        layers += [nn.InstanceNorm2d(width * wide), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 1))


def _adam(*networks: nn.Module) -> torch.optim.Adam:
    parameters = itertools.chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, 2e-4, (0.5, 0.999))


def _toward(logits: Tensor, label: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, label))


if __name__ == "__main__":
    main()
