"""What there is to correct in a run: flagged first outputs, each with its ladder."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pyarrow as pa

from ganst.correction.ladder import ladder, parameters
from ganst.correction.strategies import MEGAPIXEL, Rerun, Restyling
from ganst.scoring.columns import SCORER_VERSION
from pipelines.attempts import attempts_by_source
from pipelines.candidates import FlaggedImage, Row
from pipelines.judging import load_calibration
from pipelines.parquet import read_table
from pipelines.reviews import Verdicts, key_of
from pipelines.runs import Run, attempt_id, first_params
from pipelines.schema import CATALOG
from pipelines.shards import Key
from pipelines.stylized import read_stylized
from pipelines.video.signature import VIDEO

# What tells whether an attempt is one on the photo as it is now, and its place among them.
CURRENT = ("source", "source_sha256", "attempt_id", "attempt_no", "scorer_version")
MAX_ATTEMPTS = 5  # of an image, the first one included
# Good outputs that an image is given: to compare with, and to learn the colours of the style from.
NUM_OTHERS = 8


def current_attempts(run: Run, *names: str, clips: bool = False) -> dict[str, list[Row]]:
    """The attempts on the photos, or on the clips, as the catalog knows them now, by source.

    With all fields, or with those of `names`, which begin with `CURRENT`.
    """
    catalog = {
        row["source"]: row["sha256"]
        for row in read_table(run.folder.catalog, CATALOG).to_pylist()
        if (row["mode"] == VIDEO) == clips
    }
    found = {}
    for source, rows in attempts_by_source(run.folder, *names).items():
        now = [
            row
            for row in rows
            if row["source_sha256"] == catalog.get(source)
            and row["scorer_version"] == SCORER_VERSION
        ]
        if now:
            found[source] = now
    return found


def plan_corrections(
    run: Run, attempts: Mapping[str, list[Row]], verdicts: Verdicts = MappingProxyType({})
) -> list[FlaggedImage]:
    """Every image whose first output was flagged, with its ladder.

    A person's verdict on it comes before the flag: good is left alone, bad is made again.
    """
    firsts = {
        source: rows[0] for source, rows in attempts.items() if rows[0]["decision"] == "first"
    }
    if not _is_calibrated(run):
        return []
    good = sorted(source for source, row in firsts.items() if not row["flagged"])
    made = read_stylized(run.folder)
    written, pixels = _digests_of(made), _pixels_of(made)
    bad = (
        source
        for source, row in sorted(firsts.items())
        if _is_bad(row, verdicts) and not _is_taken(attempts[source], verdicts)
    )
    planned = (
        _plan_image(run, attempts[source], verdicts, written, _others(source, good, firsts))
        for source in bad
    )
    return [
        replace(image, pixels=pixels.get(image.row["source"], MEGAPIXEL))
        for image in planned
        if image.steps
    ]


def _plan_image(
    run: Run,
    rows: list[Row],
    verdicts: Verdicts,
    written: Mapping[str, str],
    others: tuple[Row, ...],
) -> FlaggedImage:
    first = rows[0]
    damaged = first["output_sha256"] != written.get(first["source"])
    tried = _ladder(run, first, damaged=damaged)
    if not damaged:
        tried = tuple(step for step in tried if not _is_the_same_again(run, step))
    tried = tried[: MAX_ATTEMPTS - 1]
    steps = tuple((_attempt_id(run, first, strategy), strategy) for strategy in tried)
    return FlaggedImage(
        row=first,
        steps=steps,
        others=others,
        refused=frozenset(key for key, _ in steps if _is_refused(rows, key, verdicts)),
        forced=key_of(first) in verdicts,
        damaged=damaged,
        written=written.get(first["source"]),
    )


def _is_bad(row: Row, verdicts: Verdicts) -> bool:
    said = verdicts.get(key_of(row))
    return said["verdict"] == "bad" if said else row["flagged"]


def _is_taken(rows: list[Row], verdicts: Verdicts) -> bool:
    """True where a person took what was only suggested: that is the end of it."""
    said = (verdicts.get(key_of(row)) for row in rows if row["decision"] == "suggested")
    return any(one["verdict"] == "good" for one in said if one)


def _is_refused(rows: list[Row], attempt: str, verdicts: Verdicts) -> bool:
    """True where that attempt was accepted and a person found it bad."""
    mine = (row for row in rows if row["attempt_id"] == attempt and row["decision"] == "accepted")
    return any(key_of(row) in verdicts and _is_bad(row, verdicts) for row in mine)


def _others(source: str, good: Sequence[str], firsts: Mapping[str, Row]) -> tuple[Row, ...]:
    """The next sources whose outputs are good, round about: correction will not touch those."""
    following = bisect_right(good, source)
    names = [*good[following:], *good[:following]][: NUM_OTHERS + 1]
    return tuple(firsts[name] for name in names if name != source)[:NUM_OTHERS]


def _digests_of(made: pa.Table) -> dict[str, str]:
    """Digest of each source's output as the network gave it: what has another one was damaged since."""
    rows = made.select(["source", "output_sha256"]).drop_null().to_pylist()
    return {row["source"]: row["output_sha256"] for row in rows}


def stylized_pixels(made: pa.Table) -> int:
    """How many pixels all outputs of a run have together."""
    return sum(_pixels_of(made).values())


def _pixels_of(made: pa.Table) -> dict[str, int]:
    """How many pixels the output of each source has, where one was made."""
    sizes = made.select(["source", "width", "height"]).drop_null().to_pylist()
    return {row["source"]: row["width"] * row["height"] for row in sizes}


def _is_the_same_again(run: Run, strategy: Restyling) -> bool:
    """Whether it would give the bytes of a first output that nobody has touched since."""
    return isinstance(strategy, Rerun) and strategy.precision == run.precision


def _attempt_id(run: Run, row: Row, strategy: Restyling) -> str:
    params = first_params(run) | parameters(strategy) | {"output": row["output_sha256"]}
    return attempt_id(
        source_sha256=row["source_sha256"],
        style_digest=run.pack.digest,
        strategy=strategy.name,
        params=params,
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def _ladder(run: Run, row: Row, *, damaged: bool) -> tuple[Restyling, ...]:
    return ladder(row["reason"], run.pack.checkpoints, run.precision, damaged=damaged)


def _is_calibrated(run: Run) -> bool:
    return load_calibration(str(run.style_path)) is not None


def is_settled(image: FlaggedImage, attempts: Mapping[str, list[Row]]) -> bool:
    """Accepted once, or refused at every step."""
    mine = {row["attempt_id"]: row["decision"] for row in attempts.get(image.row["source"], [])}
    accepted = {key for key, decision in mine.items() if decision == "accepted"}
    return bool(accepted - image.refused) or all(key in mine for key, _ in image.steps)


def key_of_image(image: FlaggedImage) -> Key:
    """What names the work on an image, for the parts that commit it."""
    # Not the key that the first output was scored under: a part of corrections would take the name
    # of a part of scores. And a ladder that goes on, in a second turn or after a person's word,
    # writes another part.
    turn = ("behind", str(image.behind)) if image.behind else ()
    return (image.row["source"], image.row["attempt_id"], "correct", *turn, *sorted(image.refused))
