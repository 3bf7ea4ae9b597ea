"""What there is to correct in the clips of a run: flagged shots, each with what is to be tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganst.scoring.columns import SCORER_VERSION
from ganst.video.strategies import ShotStrategy, shot_ladder, shot_parameters
from pipelines.candidates import FlaggedImage, Row
from pipelines.correction_plan import current_attempts
from pipelines.judging import load_calibration
from pipelines.reviews import Verdicts, key_of
from pipelines.runs import Run, RunFolder, attempt_id
from pipelines.selection import Selection
from pipelines.shards import Key
from pipelines.video.clips import Clip, clip_params, key_of_clip, plan_clips
from pipelines.video.shot_calibration import load_shot_calibration
from pipelines.video.shots import read_shots


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedShot:
    """A shot to be made again: its row, and attempt id and strategy of each step in their order."""

    clip: Clip
    row: Row
    steps: tuple[tuple[str, ShotStrategy], ...]

    @property
    def cost(self) -> float:
        """Stylizations of frames, if everything is tried."""
        return self.row["frames"] * sum(step.cost for _, step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedClip:
    """A clip to be joined again once its shots are settled: its first row, and the flagged shots.

    Without one the clip could not be read: its segments are joined anew.
    """

    clip: Clip
    row: Row
    shots: tuple[FlaggedShot, ...]


def plan_clip_corrections(run: Run, verdicts: Verdicts, only: Selection) -> list[FlaggedClip]:
    """Every clip whose first output was flagged, the worst first.

    A person's verdict comes before the flag: good is left alone, bad is made again, and where no
    shot was flagged that is the worst.
    """
    path = str(run.style_path)
    if load_calibration(path) is None or load_shot_calibration(path) is None:
        return []
    attempts = current_attempts(run, clips=True)
    firsts = {key: rows[0] for key, rows in attempts.items() if rows[0]["decision"] == "first"}
    meant = {image.row["source"] for image in only.of(_as_images(firsts, verdicts), attempts)}
    shots = _shots_by_clip(run.folder)
    found = [
        _plan_clip(run, clip, firsts[clip.source], shots.get(key_of_clip(clip), ()))
        for clip in plan_clips(run)
        if clip.source in meant and firsts[clip.source]["attempt_id"] == clip.attempt_id
    ]
    return sorted(found, key=_badness)


def tries_at(shot: FlaggedShot, tries: Mapping[Key, Row]) -> list[Row]:
    """Those at one shot, in order."""
    keys = ((shot.clip.source, key) for key, _ in shot.steps)
    return [tries[key] for key in keys if key in tries]


def is_shot_settled(shot: FlaggedShot, tries: Mapping[Key, Row]) -> bool:
    """Accepted once, or refused at every step."""
    mine = tries_at(shot, tries)
    return any(row["decision"] == "accepted" for row in mine) or len(mine) == len(shot.steps)


def key_of_shot(shot: FlaggedShot) -> Key:
    """What names the work on a shot."""
    return (*key_of_clip(shot.clip), "shot", f"{shot.row['shot']:06d}", *(k for k, _ in shot.steps))


def _as_images(firsts: Mapping[str, Row], verdicts: Verdicts) -> list[FlaggedImage]:
    """What a `Selection` chooses from."""
    found = []
    for _, row in sorted(firsts.items()):
        said = verdicts.get(key_of(row))
        if said["verdict"] == "bad" if said else row["flagged"]:
            found.append(FlaggedImage(row=row, steps=(), others=(), forced=said is not None))
    return found


def _plan_clip(run: Run, clip: Clip, first: Row, shots: Sequence[Row]) -> FlaggedClip:
    flagged = [shot for shot in shots if shot["flagged"]]
    if shots and not flagged:
        flagged = [min(shots, key=lambda shot: (shot["p_anomaly"], -shot["anomaly"]))]
    planned = tuple(_plan_shot(run, clip, first, shot) for shot in flagged)
    return FlaggedClip(clip=clip, row=first, shots=planned)


def _plan_shot(run: Run, clip: Clip, first: Row, shot: Row) -> FlaggedShot:
    ladder = shot_ladder(shot["reason"], run.pack.checkpoints)
    steps = tuple((_attempt_id(run, first, shot, strategy), strategy) for strategy in ladder)
    return FlaggedShot(clip=clip, row=shot, steps=steps)


def _attempt_id(run: Run, first: Row, shot: Row, strategy: ShotStrategy) -> str:
    made_of = {"shot": shot["shot"], "output": first["output_sha256"]}
    return attempt_id(
        source_sha256=first["source_sha256"],
        style_digest=run.pack.digest,
        strategy=strategy.name,
        params=clip_params(run) | shot_parameters(strategy) | made_of,
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def _badness(flagged: FlaggedClip) -> tuple[float, str]:
    p = flagged.row["p_anomaly"]
    return (-1.0 if p is None else p, flagged.clip.source)


def _shots_by_clip(folder: RunFolder) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in read_shots(folder).to_pylist():
        found.setdefault((row["source"], row["attempt_id"]), []).append(row)
    return found
