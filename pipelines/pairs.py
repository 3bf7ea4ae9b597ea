"""Pairs of sources and outputs that any tool made: matched by path, measured, judged."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import torch.nn.functional as F
from torch import Tensor

from ganst.models.stylepack import StylePack, load_stylepack
from ganst.scoring.columns import SCORER_VERSION
from pipelines.calibrate import list_images
from pipelines.cluster import count_workers, open_client
from pipelines.config import ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.fan_out import fan_out
from pipelines.images import decode
from pipelines.judging import (
    Judge,
    load_calibration,
    read_output,
    score_fields,
    stale_fields,
    unreadable_fields,
)
from pipelines.parquet import commit_table
from pipelines.progress import OnProgress, Progress, StageSummary
from pipelines.runs import attempt_id
from pipelines.schema import attempts_schema
from pipelines.shards import Plan, Shard, plan_shards, summarize
from pipelines.storage import open_root, read_bytes
from pipelines.stylize import one_thread

STAGE = "score-pairs"
ALPHA = 0.05
_SHARD_SIZE = 64
_MAX_PIXELS = 200_000_000
_SAME_SHAPE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """An output, and the source it belongs to; None where no source has its path."""

    output: str
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJob:
    """What a worker needs to know besides the pairs of its shard."""

    sources: str
    outputs: str
    style: str
    judge: Judge


def score_pairs(
    sources: str,
    outputs: str,
    pack_path: Path,
    out: str,
    compute: ComputeConfig,
    on_progress: OnProgress | None = None,
) -> StageSummary:
    """Score the outputs of any tool against their sources and write one Parquet file to `out`.

    Its columns are those of the attempts; an output without a source is a row that says so.

    Raises:
        EmptyFolderError: One of the folders holds no image.
        CalibrationError: The style's calibration file is damaged or of another version.

    """
    pack = load_stylepack(pack_path)
    pairs = match_pairs(list_images(open_root(sources)), list_images(open_root(outputs)))
    job = PairJob(sources=sources, outputs=outputs, style=pack.name, judge=_judge(pack))
    plan = plan_shards(
        STAGE,
        pairs,
        key=lambda pair: (pair.output,),
        committed=(),
        shard_size=_SHARD_SIZE,
        workers=count_workers(compute),
    )
    with open_client(compute) as client:
        tables: list[pa.Table] = [attempts_schema().empty_table()]
        failed: list[str] = []
        for shard, table, error in fan_out(client, measure_pairs, plan.shards, job):
            if table is None:
                failed.append(f"{STAGE} shard {shard.name[:8]}: {type(error).__name__}: {error}")
            else:
                tables.append(table)
            _tell(plan, sum(t.num_rows for t in tables), on_progress)
    rows = pa.concat_tables(tables).sort_by([("output", "ascending")])
    commit_table(open_root(out), rows)
    return summarize(plan, tuple(sorted(failed)), committed=rows.num_rows, rejected=0)


def match_pairs(sources: Sequence[str], outputs: Sequence[str]) -> list[Pair]:
    """The source of every output: the same path, or the only one that differs in its suffix."""
    exact = set(sources)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        by_stem[_stem(source)].append(source)
    found = []
    for output in outputs:
        candidates = [output] if output in exact else by_stem[_stem(output)]
        found.append(Pair(output=output, source=candidates[0] if len(candidates) == 1 else None))
    return found


def measure_pairs(shard: Shard[Pair], job: PairJob) -> pa.Table:
    """The rows of a shard's pairs."""
    with one_thread():
        rows = [_pair_row(pair, job) for pair in shard.items]
    return pa.Table.from_pylist(rows, schema=attempts_schema())


def _pair_row(pair: Pair, job: PairJob) -> dict[str, Any]:
    output, digest = read_output(open_root(job.outputs) / pair.output, _MAX_PIXELS)
    row = _lineage(pair, job) | {"output_sha256": digest}
    if pair.source is None:
        return row | unreadable_fields("no photo, or more than one, has this path") | _REFUSED
    data = read_bytes(open_root(job.sources) / pair.source)
    sha256 = hashlib.sha256(data).hexdigest()
    key = _attempt(sha256, digest or "", job)
    row |= {"source_sha256": sha256, "attempt_id": key}
    if output is None:
        return row | unreadable_fields("the output cannot be decoded")
    try:
        photo = decode(data, max_pixels=_MAX_PIXELS)
    except UndecodableImageError as error:
        return row | stale_fields(error)
    source = _fit(photo.pixels, output.pixels)
    return row | score_fields(source, output.pixels, job.judge, key=key, output_name=pair.output)


_REFUSED: dict[str, Any] = {"flagged": False, "reason": None, "reason_probability": None}


def _lineage(pair: Pair, job: PairJob) -> dict[str, Any]:
    return dict.fromkeys(attempts_schema().names) | {
        "attempt_id": _attempt("", pair.output, job),
        "attempt_no": 1,
        "source": pair.source or pair.output,
        "group": str(PurePosixPath(pair.output).parent),
        "output": pair.output,
        "params": "{}",
        "style": job.style,
        "style_digest": job.judge.style_digest,
        "decision": "first",
    }


def _attempt(source_sha256: str, output: str, job: PairJob) -> str:
    return attempt_id(
        source_sha256=source_sha256,
        style_digest=job.judge.style_digest,
        strategy=None,
        params={"output": output},
        seed=0,
        scorer_version=SCORER_VERSION,
    )


def _judge(pack: StylePack) -> Judge:
    """How another tool computed or compressed is not known: taken to be what was calibrated."""
    known = load_calibration(str(pack.path))
    scope = known[0].scope if known else None
    return Judge(
        style_path=str(pack.path),
        style_digest=pack.digest,
        precision=scope.precisions[0] if scope else "fp32",
        quality=100,
        strength=scope.strength if scope else 1.0,
        alpha=ALPHA,
    )


def _fit(source: Tensor, output: Tensor) -> Tensor:
    """The source at the output's size, where a tool changed the size but not the shape."""
    height, width = output.shape[1:]
    wanted = source.shape[1] / source.shape[2]
    if source.shape == output.shape or abs(height / width / wanted - 1) > _SAME_SHAPE:
        return source
    return F.interpolate(source[None], size=(height, width), mode="bicubic", antialias=True)[0]


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _tell(plan: Plan[Pair], done: int, on_progress: OnProgress | None) -> None:
    if on_progress:
        on_progress(Progress(stage=STAGE, done=done, total=plan.total, rejected=0, elapsed_s=0.0))
