"""Which of the images that wait for a correction a call is about: all, or those of some kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ganst.scoring.reasons import UNKNOWN
from ganst.video.shot_scale import REASONS as CLIP_REASONS
from pipelines.candidates import FlaggedImage, Row
from pipelines.errors import GanstError
from pipelines.judging import load_calibration
from pipelines.reviews import REVIEWED_BAD
from pipelines.runs import Run

Waiting = Literal["flagged", "quarantined"]


class UnknownReasonError(GanstError):
    """No output of that style is ever flagged for that reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Images whose first output has one of `reasons` (none: any), and which wait as `only` says.

    flagged: nothing has been tried yet. quarantined: something was tried and all of it refused;
    such an image is tried again where its ladder has got new strategies since.
    """

    reasons: tuple[str, ...] = ()
    only: Waiting | None = None

    def of(
        self, images: Sequence[FlaggedImage], attempts: Mapping[str, list[Row]]
    ) -> list[FlaggedImage]:
        """Those of `images` that are meant, in their order."""
        return [
            image
            for image in images
            if (not self.reasons or _reason(image) in self.reasons)
            and (self.only is None or _waits_as(image, attempts) == self.only)
        ]


EVERYTHING = Selection()


def check_reasons(run: Run, selection: Selection) -> None:
    """Refuse reasons that the run's style does not know.

    Raises:
        UnknownReasonError: With the reasons there are.

    """
    calibration = load_calibration(str(run.style_path))
    named = calibration[0].namer.reasons if calibration else ()
    known = sorted({*named, *CLIP_REASONS.values(), UNKNOWN, REVIEWED_BAD})
    for reason in selection.reasons:
        if reason not in known:
            raise UnknownReasonError(f"there is no reason {reason!r}; there are {', '.join(known)}")


def _reason(image: FlaggedImage) -> str | None:
    return image.row["reason"] or (REVIEWED_BAD if image.forced else None)


def _waits_as(image: FlaggedImage, attempts: Mapping[str, list[Row]]) -> Waiting | None:
    """None for an image that has been corrected."""
    tries = [row for row in attempts[image.row["source"]] if row["decision"] != "first"]
    accepted = {row["attempt_id"] for row in tries if row["decision"] == "accepted"}
    if accepted - image.refused:
        return None
    return "quarantined" if tries else "flagged"
