"""Candidates of one flagged image: made, read back, tried, and written down as rows."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from torch import Tensor

from ganst.correction.acceptance import Verdict, try_candidate
from ganst.correction.bench import Bench, Parent, Rendering
from ganst.correction.ladder import parameters
from ganst.correction.strategies import MEGAPIXEL, NotApplicableError, Rerun, Restyling, Subject
from ganst.scoring.calibration import Judgement
from ganst.scoring.canonical import UnsupportedImageError
from ganst.scoring.columns import COLUMN_NAMES, SCORER_VERSION
from pipelines.delivery import encode_output
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.images import DecodedImage, decode, encode
from pipelines.judging import (
    JUDGEMENT_FIELDS,
    OutputsJob,
    load_calibration,
    read_output,
)
from pipelines.placing import first_output
from pipelines.runs import RunFolder
from pipelines.schema import attempts_schema
from pipelines.storage import open_root
from pipelines.stylist import WorkerStylist
from pipelines.stylize import read_source

Row = dict[str, Any]

_COMPARED = 3  # good outputs that a candidate is compared with; the others are read to learn from


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedImage:
    """A flagged first output: its row, what may be tried, and a source to take a decoy from."""

    row: Row
    steps: tuple[tuple[str, Restyling], ...]  # attempt id and strategy, in the order to try
    others: tuple[Row, ...]  # first attempts of other sources, whose outputs are good
    pixels: int = MEGAPIXEL  # of the output
    refused: frozenset[str] = frozenset()  # attempts that passed, and a person found bad
    forced: bool = False  # a person found the first output bad
    damaged: bool = False  # the file is not what the network gave: making it anew is enough
    written: str | None = None  # digest of what the network gave, where it is known
    behind: int = 0  # how many of the first steps have been refused in an earlier turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A strategy's image as it would be delivered: bytes, and the pixels they decode to."""

    data: bytes
    pixels: Tensor

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A try: its row, the candidate if one could be made, and what it promises.

    `promise`: whether it may be the photo in disguise, and its anomaly: the smaller the better. None
    where a person need not look: it is no output of this photo, or no better than the flagged one.
    """

    row: Row
    candidate: Candidate | None = None
    promise: tuple[bool, float] | None = None


def better(best: Tried | None, tried: Tried) -> Tried | None:
    """The one of two refused tries that a person should be shown, if any; the earlier of equals."""
    if tried.promise is None:
        return best
    if best is None or best.promise is None:
        return tried
    return tried if tried.promise < best.promise else best


def try_ladder(
    image: FlaggedImage, photo: DecodedImage, job: OutputsJob, folder: RunFolder
) -> Iterator[Tried]:
    """The tries in their order; a candidate that cannot be made has a row as well.

    Those of an earlier turn are made and judged again: what comes after them is compared with them.
    """
    siblings: list[Tensor] = []
    parent = _parent(image, job, folder)
    compared = cache(lambda: read_pairs(image.others[:_COMPARED], job, folder))
    good = cache(lambda: compared() + read_pairs(image.others[_COMPARED:], job, folder))
    subject = Subject(source=photo.pixels, flagged=parent.pixels, good=good)
    rendering = None if image.damaged else _rendering(image.row, parent)
    for index, (key, strategy) in enumerate(image.steps):
        try:
            candidate = _make(strategy, subject, photo, image.row["output"], job)
            bench = _bench(key, strategy, compared(), job)
            restored = image.damaged and candidate.sha256 == image.written
            bench = replace(bench, restored=restored, rendering=rendering)
            verdict = try_candidate(photo.pixels, candidate.pixels, parent, siblings, bench)
            if isinstance(strategy, Rerun):
                rendering = Rendering(columns=verdict.columns, pixels=candidate.pixels)
        except (UnstylizableImageError, UnsupportedImageError, NotApplicableError) as error:
            yield Tried(row=_refused_row(image, index, str(error)))
            continue
        siblings.append(candidate.pixels)
        if key in image.refused:
            continue
        row = _row(image, index, candidate, verdict, job.judge.alpha)
        yield Tried(row=row, candidate=candidate, promise=_promise(image, parent, verdict))


def _rendering(row: Row, flagged: Parent) -> Rendering | None:
    """A first output that nothing has happened to, if it could be measured."""
    if row["score_status"] != "scored":
        return None
    return Rendering(columns={name: row[name] for name in COLUMN_NAMES}, pixels=flagged.pixels)


def _promise(image: FlaggedImage, parent: Parent, verdict: Verdict) -> tuple[bool, float] | None:
    before = parent.judgement.anomaly if parent.judgement and not image.forced else None
    is_better = before is None or verdict.anomaly < before
    return (verdict.is_close, verdict.anomaly) if verdict.is_genuine and is_better else None


def all_refused(image: FlaggedImage, why: str) -> list[Row]:
    """Rows of a ladder that cannot be begun: every step refused, for one reason."""
    return [_refused_row(image, index, why) for index in range(image.behind, len(image.steps))]


def read_pairs(
    rows: Sequence[Row], job: OutputsJob, folder: RunFolder
) -> tuple[tuple[Tensor, Tensor], ...]:
    """Photos and first outputs of attempts; those that cannot be read any more are left out."""
    found = []
    for row in rows:
        output, _ = read_output(first_output(folder, row["output"]), job.max_pixels)
        try:
            photo = read_photo(row, job)
        except (StaleSourceError, UndecodableImageError):
            continue
        if output and output.pixels.shape == photo.pixels.shape:
            found.append((photo.pixels, output.pixels))
    return tuple(found)


def read_photo(row: Mapping[str, Any], job: OutputsJob) -> DecodedImage:
    """The photo of an attempt, as it was stylized.

    Raises:
        StaleSourceError: It is gone or has other bytes.
        UndecodableImageError: It cannot be decoded.

    """
    source, sha256 = row["source"], row["source_sha256"]
    return read_source(open_root(job.photos), source, sha256, job.max_pixels, job.max_side)


def _make(
    strategy: Restyling, subject: Subject, photo: DecodedImage, output: str, job: OutputsJob
) -> Candidate:
    """Run a strategy and read its file back, so that what is judged is what is delivered."""
    pixels = strategy.produce(subject, WorkerStylist(job.judge))
    data = encode_output(pixels, photo, output, job.delivery)
    return Candidate(data=data, pixels=decode(data, max_pixels=job.max_pixels).pixels)


def _parent(image: FlaggedImage, job: OutputsJob, folder: RunFolder) -> Parent:
    output, digest = read_output(first_output(folder, image.row["output"]), job.max_pixels)
    if digest != image.row["output_sha256"]:  # it was missing, and a killed call delivered here
        output = None
    judged = image.row["score_status"] == "scored"
    known = {name: image.row[name] for name in JUDGEMENT_FIELDS}
    return Parent(
        pixels=output.pixels if output else None, judgement=Judgement(**known) if judged else None
    )


def _bench(
    key: str, strategy: Restyling, good: Sequence[tuple[Tensor, Tensor]], job: OutputsJob
) -> Bench:
    known = load_calibration(job.judge.style_path)
    assert known is not None, "only calibrated runs are planned"
    return Bench(
        calibration=known[0],
        alpha=job.judge.alpha,
        others=good,
        recompress=recompress,
        key=key,
        ignored=strategy.used_as_loss,
        run_scale=job.run_scale,
    )


def recompress(pixels: Tensor) -> Tensor:
    """As a JPEG of quality 95 has it."""
    return decode(encode(pixels, format="jpeg", quality=95), max_pixels=2**62).pixels


def _row(
    image: FlaggedImage, index: int, candidate: Candidate, verdict: Verdict, alpha: float
) -> Row:
    decision = "accepted" if verdict.accepted else "refused"
    flagged = verdict.judgement.p_anomaly <= alpha
    judged = asdict(verdict.judgement)
    if not flagged:
        judged |= {"reason": None, "reason_probability": None}
    return (
        _refused_row(image, index, verdict.reason)
        | verdict.columns
        | judged
        | {
            "output_sha256": candidate.sha256,
            "score_status": "scored",
            "flagged": flagged,
            "decision": decision,
        }
    )


def _refused_row(image: FlaggedImage, index: int, why: str) -> Row:
    """The row of a candidate that could not be made or judged; lineage as its parent's."""
    key, strategy = image.steps[index]
    kept = ("source", "source_sha256", "group", "output", "style", "style_digest", "seed")
    return (
        dict.fromkeys(attempts_schema().names)
        | {name: image.row[name] for name in kept}
        | {
            "attempt_id": key,
            "parent_attempt_id": image.row["attempt_id"],
            "attempt_no": 2 + index,
            "strategy": strategy.name,
            "params": json.dumps(parameters(strategy), sort_keys=True),
            "checkpoint": strategy.checkpoint,
            "precision": strategy.precision,
            "scorer_version": SCORER_VERSION,
            "calibration_id": image.row["calibration_id"],
            "score_status": "unsupported",
            "flagged": True,
            "decision": "refused",
            "decision_reason": why,
        }
    )
