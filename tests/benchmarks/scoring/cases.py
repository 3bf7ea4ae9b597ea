"""Measured rows of clean, benign and faulty outputs, one file a photo on disk: a run can go on."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.inference import Stylizer
from ganst.models.stylepack import StylePack, load_generator
from ganst.scoring.calibration import Calibration
from ganst.scoring.columns import SCORER_VERSION
from ganst.scoring.fault_catalog import CATALOG
from ganst.scoring.faults import Case, wrong_image
from ganst.scoring.measuring import measure
from ganst.scoring.model_faults import perturbed_weights, wrong_input_range, wrong_norm
from ganst.scoring.reference import Reference
from ganst.scoring.views import widen
from pipelines.images import decode
from tests.benchmarks.scoring.benign import FORMATS, SOURCES, written
from tests.benchmarks.scoring.features import describe, open_network
from tests.benchmarks.scoring.unlisted import UNLISTED

MODEL_KINDS = ("perturbed_weights", "undertrained", "wrong_norm", "wrong_input_range")
KINDS = (*CATALOG, "wrong_style", *MODEL_KINDS)
# What the namer may rightly say; it was taught none of the last five kinds.
REASONS = {name: kind.reasons for name, kind in CATALOG.items()}
_INJECTED = (
    *(("fault", name, kind.fault) for name, kind in CATALOG.items()),
    *(("unlisted", name, fault) for name, fault in UNLISTED.items()),
)
UNGRADED = tuple(name for name, kind in CATALOG.items() if not kind.is_graded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One style under test; `other` supplies outputs of the wrong style."""

    pack: StylePack
    other: StylePack
    calibration: Calibration
    cache: Path
    severities: tuple[float, ...] = (2.0, 4.0)
    max_side: int = 480
    undertrained: Mapping[float, StylePack] = field(default_factory=dict)  # by severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`rows`: one measured output each, `[n]`; `arrays` by name `[n, ...]`, in the same order."""

    rows: pd.DataFrame
    arrays: dict[str, np.ndarray]

    def pick(self, mask: np.ndarray) -> "Table":
        """The rows where `mask` `[n]` is true."""
        arrays = {name: array[mask] for name, array in self.arrays.items()}
        return Table(rows=self.rows[mask].reset_index(drop=True), arrays=arrays)


Row = tuple[dict[str, Any], dict[str, np.ndarray]]


def faulty_table(bench: Bench, pairs: Sequence[tuple[Path, Path]], seed: int) -> Table:
    """Clean, benign and faulty outputs of every photo; its donor's output stands in for a mix-up."""
    return joined(
        [
            _cached(
                bench,
                ("faulty", photo, donor.name, seed),
                partial(_faulty_rows, bench, photo, donor, seed),
            )
            for photo, donor in pairs
        ]
    )


def harmless_table(bench: Bench, photos: Sequence[Path]) -> Table:
    """Clean and benign outputs of every photo: nothing in these is drawn."""
    return joined(
        [
            _cached(bench, ("harmless", photo), partial(_harmless_rows, bench, photo))
            for photo in photos
        ]
    )


def normal_table(bench: Bench, photos: Sequence[Path], views: int) -> Table:
    """Views of the photos that detectors are fitted to, stylized and written as in production."""
    return joined(
        [
            _cached(bench, ("normal", photo, views), partial(_normal_rows, bench, photo, views))
            for photo in photos
        ]
    )


def _normal_rows(bench: Bench, photo: Path, views: int) -> Iterator[Row]:
    stylizer = _stylizer(bench.pack)
    pixels = decode(photo.read_bytes(), max_pixels=10**9).pixels
    for index, view in enumerate(widen(pixels, views, _seeded(photo.name))):
        output = written(stylizer.stylize([view])[0], ("png", "jpeg", "webp")[index % 3])
        yield _measured(bench, view, output, {"kind": "normal", "photo": photo.name})


def _faulty_rows(bench: Bench, photo: Path, donor: Path, seed: int) -> Iterator[Row]:
    stylizer = _stylizer(bench.pack)
    source, other_source = (_opened(path, bench.max_side) for path in (photo, donor))
    output, other = stylizer.stylize([source, other_source])

    def row(kind: str, severity: float, group: str, pixels: Tensor) -> Row:
        names = {"kind": kind, "severity": severity, "group": group, "photo": photo.name}
        return _measured(bench, source, pixels, names | {"seed": seed})

    if seed == 0:
        yield from _harmless_rows(bench, photo)
    for severity in bench.severities:
        for group, name, fault in _INJECTED:
            generator = _seeded(f"{photo.name}/{name}/{severity}/{seed}")
            case = Case(source=source, output=output, donor=other, generator=generator)
            yield row(name, severity, group, written(fault(case, severity)))
        for name, made in _by_models(bench, source, output, severity, seed):
            yield row(name, severity, "fault", written(made))


def _harmless_rows(bench: Bench, photo: Path) -> Iterator[Row]:
    stylizer, source = _stylizer(bench.pack), _opened(photo, bench.max_side)
    output = stylizer.stylize([source])[0]

    def row(kind: str, group: str, pixels: Tensor, view: Tensor = source) -> Row:
        names = {"kind": kind, "severity": 0, "group": group, "photo": photo.name, "seed": 0}
        return _measured(bench, view, pixels, names)

    yield row("clean", "clean", written(output))
    for name in FORMATS:
        yield row(name, "benign", written(output, name))
    for name, change in SOURCES.items():
        view = change(source)
        yield row(name, "benign", written(stylizer.stylize([view])[0]), view)


def _by_models(
    bench: Bench, source: Tensor, output: Tensor, severity: float, seed: int
) -> Iterator[tuple[str, Tensor]]:
    """What a wrong or damaged generator makes of the photo."""
    generator = load_generator(bench.pack)
    rng = _seeded(f"weights/{severity}/{seed}")
    foreign = _stylizer(bench.other).stylize([source])[0]
    case = Case(source=source, output=output, donor=foreign, generator=rng)
    yield "wrong_style", wrong_image(case, severity)
    damaged = {"perturbed_weights": perturbed_weights(generator, severity, rng)}
    damaged["wrong_norm"] = wrong_norm(generator, severity)
    if severity in bench.undertrained:
        damaged["undertrained"] = load_generator(bench.undertrained[severity])
    for name, model in damaged.items():
        yield name, Stylizer(model, "fp32").stylize([source])[0]
    yield (
        "wrong_input_range",
        _stylizer(bench.pack).stylize([wrong_input_range(source, severity)])[0],
    )


def _measured(bench: Bench, source: Tensor, output: Tensor, names: dict[str, Any]) -> Row:
    started = time.process_time()
    columns = measure(source, output, bench.calibration.reference)
    cpu_ms = 1000 * (time.process_time() - started)
    numbers, arrays = describe(source, output)
    return names | {"cpu_ms": cpu_ms, "pixels": source[0].numel()} | columns | numbers, arrays


def _cached(bench: Bench, key: tuple[Any, ...], produce: Callable[[], Iterator[Row]]) -> Table:
    path = bench.cache / f"{_key(bench, key)}.npz"
    if not path.exists():
        rows = list(produce())
        frame = pd.DataFrame([row for row, _ in rows])
        arrays = {name: np.stack([found[name] for _, found in rows]) for name in rows[0][1]}
        bench.cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        text = np.array(frame.to_json(orient="split", double_precision=15))
        np.savez(partial, allow_pickle=False, rows=text, **arrays)
        partial.rename(path)
    with np.load(path) as stored:
        frame = pd.DataFrame(**json.loads(str(stored["rows"])))
        return Table(rows=frame, arrays={k: stored[k] for k in stored.files if k != "rows"})


def _key(bench: Bench, key: tuple[Any, ...]) -> str:
    parts = (
        *(hashlib.sha256(p.read_bytes()).hexdigest() if isinstance(p, Path) else p for p in key),
        bench.pack.digest,
        bench.other.digest,
        _reference_digest(bench.calibration.reference),
        SCORER_VERSION,
        bench.severities,
        bench.max_side,
        (*KINDS, *UNLISTED),
        open_network() is not None,
        *((severity, pack.digest) for severity, pack in bench.undertrained.items()),
    )
    return f"{key[0]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"


def _reference_digest(reference: Reference) -> str:
    """Columns are measured against the paintings and places of a calibration, not by its detector."""
    arrays = sorted(reference.to_arrays().items())
    return hashlib.sha256(b"".join(value.tobytes() for _, value in arrays)).hexdigest()


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all tables, one after the other."""
    names = tables[0].arrays
    return Table(
        rows=pd.concat([table.rows for table in tables], ignore_index=True),
        arrays={name: np.concatenate([table.arrays[name] for table in tables]) for name in names},
    )


def _stylizer(pack: StylePack) -> Stylizer:
    """In fp32: what another machine measures is then the same."""
    return Stylizer(load_generator(pack), "fp32")


def _opened(path: Path, max_side: int) -> Tensor:
    pixels = decode(path.read_bytes(), max_pixels=10**9).pixels
    scale = min(1.0, max_side / max(pixels.shape[1:]))
    size = (round(pixels.shape[1] * scale), round(pixels.shape[2] * scale))
    return F.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0]


def _seeded(text: str) -> torch.Generator:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(seed)
