"""Can the acceptance test be gamed? Hundreds of bad candidates an image; none of them may pass.

    PYTHONPATH=. python tests/benchmarks/gaming.py --photos DIR [--styles vangogh ukiyoe] [--limit N]

Candidates are photos, filtered photos, blends, other images, degraded outputs, and outputs pushed
towards a better score step by step. Each is offered four times: in place of a flagged output (inverted),
of a passthrough, which it need not beat by much, and of what a noisy and a dull network give.
Prints how many of each kind passed, and how many good outputs did: a test that refuses everything is
safe and useless. `--seed` takes other photos of the folder and other noise.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.correction import acceptance
from ganst.correction.acceptance import Verdict, try_candidate
from ganst.correction.bench import Bench, Parent, Rendering
from ganst.models.stylepack import load_stylepack
from ganst.scoring.calibration import Calibration
from ganst.scoring.faults import FAULTS, Case
from ganst.scoring.measuring import measure
from ganst.scoring.reference import Reference
from pipelines.images import decode, encode
from pipelines.judging import load_calibration
from pipelines.styles import find_style, open_stylizer
from tests.ganst.correction.bad_candidates import bad_candidates

Columns = dict[str, float]

_LARGEST_SIDE = 384  # pixels: the suite measures each image some thousand times


def main() -> None:
    """Print counts by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a flat folder")
    parser.add_argument("--styles", nargs="+", default=["vangogh", "ukiyoe"])
    parser.add_argument("--limit", type=int, default=4, help="photos")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    acceptance.measure = _remembering(acceptance.measure)
    files = sorted(file for file in arguments.photos.iterdir() if file.is_file())
    photos = [_open(file) for file in Random(arguments.seed).sample(files, arguments.limit + 1)]
    for style in arguments.styles:
        game(style, photos, arguments.seed)


def game(style: str, photos: Sequence[Tensor], seed: int) -> None:
    """Offer every bad candidate of all photos but the last, and the good outputs."""
    path = find_style(style, None)
    pack, found = load_stylepack(path), load_calibration(str(path))
    if found is None:
        raise SystemExit(f"style {pack.name} has no calibration")
    stylizer = open_stylizer(str(path), pack.digest, "final", "fp32", 1.0)
    outputs = [_recompressed(output) for output in stylizer.stylize(photos)]
    tried, passed, good = Counter(), Counter(), Counter()
    for index, (photo, output) in enumerate(zip(photos[:-1], outputs[:-1], strict=True)):
        others = [(photos[index + 1], outputs[index + 1])]
        score = partial(_anomaly, found[0], photo)
        bad = bad_candidates(photo, output, others[0][1], score, seed=seed)
        offer = partial(_offer, found[0], photo, others=others)
        places = list(_places(found[0], photo, output, others[0][1], seed))
        for place in places:
            good[offer(output, *place).accepted] += 1
        for kind, made in bad:
            candidate = made.contiguous()
            for place in places:
                verdict = offer(candidate, *place)
                tried[kind] += 1
                passed[kind] += verdict.accepted
                if verdict.accepted:
                    print(f"accepted: {kind}, {describe(candidate, photo, output)}", flush=True)
        print(f"image {index + 1}: {tried.total()} tried, {passed.total()} accepted", flush=True)
    print(f"style {pack.name} {pack.digest[:12]}")
    for kind, count in tried.items():
        print(f"  {kind:26} {passed[kind]:4} of {count} accepted")
    print(f"  {'good outputs':26} {good[True]:4} of {good.total()} accepted")


def describe(candidate: Tensor, photo: Tensor, output: Tensor) -> str:
    """Where to look: how far it is from the photo and from the good output, in levels."""
    levels = [float((candidate.float() - x.float()).abs().mean()) for x in (photo, output)]
    return f"{levels[0]:.1f} levels from the photo and {levels[1]:.1f} from the good output"


def _places(
    calibration: Calibration, photo: Tensor, output: Tensor, donor: Tensor, seed: int
) -> Iterator[tuple[Parent, Rendering]]:
    """What is to be replaced, and what the network makes of the photo."""
    sound = measure(photo, output, calibration.reference)
    for flagged in (255 - output, photo):
        yield _parent(calibration, photo, flagged), Rendering(columns=sound, pixels=output)
    for kind in ("noise", "exposure"):  # of the network itself
        rng = torch.Generator().manual_seed(seed)
        case = Case(source=photo, output=output, donor=donor, generator=rng)
        faulty = FAULTS[kind](case, 4.0)
        yield (
            _parent(calibration, photo, faulty),
            Rendering(columns=measure(photo, faulty, calibration.reference), pixels=faulty),
        )


def _parent(calibration: Calibration, photo: Tensor, flagged: Tensor) -> Parent:
    columns = measure(photo, flagged, calibration.reference)
    return Parent(pixels=flagged, judgement=calibration.judge(columns, "key"))


def _offer(
    calibration: Calibration,
    photo: Tensor,
    candidate: Tensor,
    parent: Parent,
    rendering: Rendering,
    others: Sequence[tuple[Tensor, Tensor]],
) -> Verdict:
    bench = Bench(
        calibration=calibration,
        alpha=0.05,
        others=others,
        recompress=_recompressed,
        key="key",
        rendering=rendering,
    )
    return try_candidate(photo, candidate, parent, (), bench)


def _remembering(measured: Callable[..., Columns]) -> Callable[..., Columns]:
    """A candidate that is offered twice in a row is measured once."""
    last: list[tuple[Tensor, Tensor, Columns]] = []

    def measure_once(photo: Tensor, candidate: Tensor, reference: Reference) -> Columns:
        if not (last and last[0][0] is photo and last[0][1] is candidate):
            last[:] = [(photo, candidate, measured(photo, candidate, reference))]
        return last[0][2]

    return measure_once


def _anomaly(calibration: Calibration, photo: Tensor, output: Tensor) -> float:
    return calibration.judge(measure(photo, output, calibration.reference), "key").anomaly


def _recompressed(pixels: Tensor) -> Tensor:
    return decode(encode(pixels, format="jpeg", quality=95), max_pixels=2**62).pixels


def _open(file: Path) -> Tensor:
    pixels = decode(file.read_bytes(), max_pixels=10**8).pixels
    factor = _LARGEST_SIDE / max(pixels.shape[1:])
    size = [round(factor * length) for length in pixels.shape[1:]]
    return F.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0]


if __name__ == "__main__":
    main()
