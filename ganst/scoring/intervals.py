"""How sure a share is that was counted on few."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a binomial share, in [0, 1] (Wilson 1927); 95 % unless told.

    It stays inside of [0, 1] and keeps its coverage with few trials and shares near 0 and 1, where
    the usual mean ± z·sd does not.

    Raises:
        ValueError: No trials, or successes outside of 0..trials.

    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials have no interval")
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)
