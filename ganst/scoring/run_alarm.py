"""Has a run moved as a whole? Then it is the run that is to be looked at, not its images one by one.

Two questions, one test: are the photos unlike those calibrated on (`p_source`), and are the outputs
not what these photos should give (`p_anomaly`)? A new checkpoint or another preprocessing moves the
outputs of photos that have not moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.001  # of either test: one false alarm in a thousand runs
MIN_UNITS = 8
_SMALL = 0.25
# So many faulty images in a hundred are the daily work of correction and no reason to stop it.
_USUAL_FAULTS = 0.15
_EXPECTED = _SMALL * (1 - _USUAL_FAULTS) + _USUAL_FAULTS

_SENTENCES = {
    "none": "",
    "sources": "the photos are unlike those calibrated on; their outputs are as expected all the same",
    "outputs": "the outputs are not what this style gives photos like these:"
    " look at the checkpoint, the preprocessing and the files of the run",
    "both": "photos and outputs are both unlike those calibrated on:"
    " calibrate the style on photos like these",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAlarm:
    """p-values of the two tests over `units` groups or photos; None with fewer than 8 of them.

    `is_rough`: the units are photos of a few groups, which are not independent.
    """

    sources: float | None
    outputs: float | None
    units: int
    is_rough: bool = False

    @property
    def state(self) -> str:
        """What has moved: none, sources, outputs or both."""
        moved = [name for name in ("sources", "outputs") if _is_small(getattr(self, name))]
        return "both" if len(moved) == 2 else (moved or ["none"])[0]

    @property
    def stops_correction(self) -> bool:
        """True where mending images one by one would hide what is wrong with all of them.

        Not on a rough test: with 200 photos of one shoot whose p-values correlate by .3, one run in
        eight would be stopped for nothing.
        """
        return self.state in ("outputs", "both") and not self.is_rough

    @property
    def sentence(self) -> str:
        """The state in words; empty where nothing has moved."""
        return _SENTENCES[self.state]


def run_alarm(
    p_source: np.ndarray, p_anomaly: np.ndarray, groups: Sequence[str] | np.ndarray
) -> RunAlarm:
    """Test the p-values `[n]` of the first outputs of a run; those that are NaN do not count.

    `groups` are names, or numbers in their place.

    The unit is the group, as photos of one shoot are not independent; the photo where there are
    fewer than 8 groups: then the alarm is a hint.
    """
    known = ~(np.isnan(p_source) | np.isnan(p_anomaly))
    names = np.unique(np.asarray(groups)[known], return_inverse=True)[1]
    is_rough = len(set(names.tolist())) < MIN_UNITS
    units = np.arange(len(names)) if is_rough else names
    return RunAlarm(
        sources=_moved(p_source[known], units),
        outputs=_moved(p_anomaly[known], units),
        units=len(set(units.tolist())),
        is_rough=is_rough,
    )


def _moved(p: np.ndarray, units: np.ndarray) -> float | None:
    """Are more units in the lowest quarter of p-values than usual faults put there? Binomial test.

    `units` are numbers from 0: which p-values belong together.
    """
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    if len(starts) < MIN_UNITS:
        return None
    from scipy.stats import binomtest  # half a second, not needed for a run without scores

    # The median of dependent p-values, doubled, is one again (Rueger 1978); of one, itself.
    stops = np.append(starts[1:], len(order))
    of_unit = [_combined(p[order[a:b]]) for a, b in zip(starts, stops, strict=True)]
    small = int(np.sum(np.asarray(of_unit) <= _SMALL))
    return float(binomtest(small, len(starts), _EXPECTED, alternative="greater").pvalue)


def _combined(p: np.ndarray) -> float:
    return float(p[0]) if len(p) == 1 else min(1.0, 2 * float(np.median(p)))


def _is_small(p: float | None) -> bool:
    return p is not None and p <= LEVEL
