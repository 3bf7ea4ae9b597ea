"""Every strategy on every flagged case, tried and judged: what all policies are read off."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganst.correction.acceptance import Verdict, try_candidate
from ganst.correction.bench import Bench, Parent, Rendering
from ganst.correction.colours import transport_colours
from ganst.correction.ladder import STRATEGIES, ladder
from ganst.correction.strategies import (
    MEGAPIXEL,
    NotApplicableError,
    RerunAsBefore,
    Restyling,
    Subject,
)
from ganst.correction.tuning import FineTuned
from ganst.inference import blend
from ganst.scoring.calibration import Calibration, Judgement
from ganst.scoring.canonical import blur
from ganst.scoring.measuring import measure
from pipelines.images import decode, encode
from tests.benchmarks.correction.damage import Workshop
from tests.benchmarks.correction.judge import Distance, distance, verdict

ALPHA = 0.05
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One damaged output with its undamaged twin; `where`: file or network."""

    where: str
    kind: str
    source: Tensor
    twin: Tensor
    flagged: Tensor
    workshop: Workshop
    good: Sequence[Pair]
    before: Distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One candidate: `outcome` is the judge's word on it, `cost` in runs of the network."""

    where: str
    kind: str
    image: int
    reason: str
    strategy: str
    is_bait: bool
    on_ladder: bool
    accepted: bool
    why: str
    anomaly: float
    outcome: str
    left: float  # smallest share of a distance that is left
    cost: float


def is_flagged(calibration: Calibration, fault: Fault) -> Judgement | None:
    """The judgement of the damaged output where it is flagged."""
    judgement = _judge(calibration, fault.source, fault.flagged)
    return judgement if judgement.p_anomaly <= ALPHA else None


def tries_of(
    calibration: Calibration, fault: Fault, judgement: Judgement, image: int, run_s: float
) -> Iterator[Try]:
    """Every strategy alone, the ladder of the reason in its order, and bait."""
    parent = Parent(pixels=fault.flagged, judgement=judgement)
    subject = Subject(source=fault.source, flagged=fault.flagged, good=lambda: fault.good)
    steps = ladder(judgement.reason, fault.workshop.pack.checkpoints)
    made: dict[Restyling, Tensor] = {}
    for strategy in _to_try(fault.workshop, steps):
        began = time.process_time()
        try:
            candidate = as_delivered(strategy.produce(subject, fault.workshop))
        except NotApplicableError as error:
            yield _not_made(fault, image, judgement, strategy, str(error))
            continue
        made[strategy] = candidate
        said = _offer(calibration, fault, candidate, parent, (), strategy.used_as_loss)
        cost = (time.process_time() - began) / run_s
        yield _row(fault, image, judgement, _name(strategy), candidate, said, cost=cost)
    yield from _climb(
        calibration, fault, image, judgement, parent, [(s, made[s]) for s in steps if s in made]
    )
    for name, candidate in bait(fault.source, made).items():
        said = _offer(calibration, fault, candidate, parent, (), ())
        yield _row(fault, image, judgement, name, candidate, said, is_bait=True)


def _climb(
    calibration: Calibration,
    fault: Fault,
    image: int,
    judgement: Judgement,
    parent: Parent,
    made: Sequence[tuple[Restyling, Tensor]],
) -> Iterator[Try]:
    """The ladder as `pipelines.correct` climbs it: each try with the ones before it as siblings."""
    siblings: list[Tensor] = []
    for strategy, candidate in made:
        said = _offer(calibration, fault, candidate, parent, siblings, strategy.used_as_loss)
        siblings.append(candidate)
        yield _row(
            fault,
            image,
            judgement,
            _name(strategy),
            candidate,
            said,
            on_ladder=True,
            cost=strategy.work(fault.source[0].numel()) * MEGAPIXEL / fault.source[0].numel(),
        )
        if said.accepted:
            return


def bait(photo: Tensor, made: dict[Restyling, Tensor]) -> dict[str, Tensor]:
    """What a loop without guards may fall for."""
    output = next(iter(made.values()))
    recoloured = transport_colours(photo.float(), output.float()).round().clamp(0, 255)
    return {
        "the photo": photo,
        "the photo recoloured": recoloured.to(torch.uint8),
        **{f"blend {share:g}": blend(photo, output, share) for share in (0.3, 0.5, 0.7)},
        "blurred": blur(output.float(), 2.0).round().clamp(0, 255).to(torch.uint8),
    }


def as_delivered(pixels: Tensor) -> Tensor:
    """Written as JPEG 95 and read back."""
    return decode(encode(pixels, format="jpeg", quality=95), max_pixels=2**62).pixels


def _to_try(workshop: Workshop, steps: Sequence[Restyling]) -> list[Restyling]:
    """All that the style has the checkpoints for; the dear ones only where a ladder ends in them."""
    known = set(workshop.pack.checkpoints)
    # In fp32 throughout a run as before is the same as one in full precision.
    other = [step for step in STRATEGIES if not isinstance(step, RerunAsBefore)]
    usable = [step for step in other if set(step.checkpoints) <= known]
    return [step for step in usable if step in steps or not isinstance(step, FineTuned)]


def _offer(
    calibration: Calibration,
    fault: Fault,
    candidate: Tensor,
    parent: Parent,
    siblings: Sequence[Tensor],
    ignored: tuple[str, ...],
) -> Verdict:
    rendering = fault.twin if fault.where == "file" else fault.flagged
    bench = Bench(
        calibration=calibration,
        alpha=ALPHA,
        others=fault.good,
        recompress=as_delivered,
        key=fault.kind,
        ignored=ignored,
        rendering=Rendering(
            columns=measure(fault.source, rendering, calibration.reference), pixels=rendering
        ),
        restored=fault.where == "file" and torch.equal(candidate, fault.twin),
    )
    return try_candidate(fault.source, candidate, parent, siblings, bench)


def _row(
    fault: Fault,
    image: int,
    judgement: Judgement,
    name: str,
    candidate: Tensor,
    said: Verdict,
    *,
    is_bait: bool = False,
    on_ladder: bool = False,
    cost: float = 0.0,
) -> Try:
    before, after = fault.before, distance(candidate, fault.twin)
    return Try(
        where=fault.where,
        kind=fault.kind,
        image=image,
        reason=judgement.reason,
        strategy=name,
        is_bait=is_bait,
        on_ladder=on_ladder,
        accepted=said.accepted,
        why=said.reason,
        anomaly=said.judgement.anomaly,
        outcome=verdict(after, before),
        left=min(after.ratios(before)),
        cost=cost,
    )


def _not_made(fault: Fault, image: int, judgement: Judgement, strategy: Restyling, why: str) -> Try:
    return Try(
        where=fault.where,
        kind=fault.kind,
        image=image,
        reason=judgement.reason,
        strategy=_name(strategy),
        is_bait=False,
        on_ladder=False,
        accepted=False,
        why=why,
        anomaly=float("inf"),
        outcome="not made",
        left=float("inf"),
        cost=0.0,
    )


def _name(strategy: Restyling) -> str:
    return (
        f"{strategy.name} ({strategy.towards})"
        if isinstance(strategy, FineTuned)
        else strategy.name
    )


def _judge(calibration: Calibration, source: Tensor, output: Tensor) -> Judgement:
    return calibration.judge(measure(source, output, calibration.reference), "key")
