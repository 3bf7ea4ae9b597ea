"""What correction would have come to under other policies, from one table of tries."""

from collections import Counter
from collections.abc import Callable, Iterator

import pandas as pd

CASE = ["where", "kind", "image"]
Policy = Callable[[pd.DataFrame], "pd.Series | None"]  # of the tries of a case: the one it delivers
_RANK = {"success": 0, "no-op": 1, "harm": 2, "not made": 3}


def policies(tries: pd.DataFrame) -> dict[str, Policy]:
    """The ladder, and what it is measured against."""
    alone = sorted(set(tries.strategy[~tries.is_bait]))
    return {
        "ladder": _ladder,
        "no correction": lambda _tries: None,
        "best of all by anomaly, no guards": _best_anomaly,
        "the same with bait": lambda tries: _lowest(tries[~tries.on_ladder]),
        **{f"always {name}": _always(name) for name in alone},
        "oracle": _oracle,
    }


def outcomes(tries: pd.DataFrame) -> Iterator[tuple[str, Counter, float]]:
    """Per policy: how many cases came to what, and the mean cost of a case in runs of the network."""
    for name, policy in policies(tries).items():
        counts: Counter = Counter()
        costs = []
        for _, case in tries.groupby(CASE):
            chosen = policy(case)
            counts["bait" if chosen is not None and chosen.is_bait else _word(chosen)] += 1
            costs.append(_cost(name, case))
        yield name, counts, sum(costs) / max(len(costs), 1)


def _cost(policy: str, case: pd.DataFrame) -> float:
    if policy == "ladder":
        return case.cost[case.on_ladder].sum()
    if policy.startswith("always "):
        name = policy.removeprefix("always ")
        return case.cost[~case.on_ladder & (case.strategy == name)].sum()
    return 0.0 if policy == "no correction" else case.cost[~case.on_ladder & ~case.is_bait].sum()


def by_strategy(tries: pd.DataFrame) -> pd.DataFrame:
    """Per strategy and kind: how many of its candidates are successes, and how many were accepted."""
    alone = tries[~tries.is_bait & ~tries.on_ladder]
    rows = []
    for (strategy, kind), group in alone.groupby(["strategy", "kind"], sort=False):
        made = group[group.outcome != "not made"]
        good = made.outcome == "success"
        text = f"{(good & made.accepted).sum()}/{good.sum()}/{len(group)}"
        rows.append((strategy, kind, text))
    table = pd.DataFrame(rows, columns=["strategy", "kind", "n"])
    return table.pivot(index="strategy", columns="kind", values="n")


def _word(chosen: "pd.Series | None") -> str:
    return "quarantine" if chosen is None else str(chosen.outcome)


def _ladder(tries: pd.DataFrame) -> "pd.Series | None":
    taken = tries[tries.on_ladder & tries.accepted]
    return None if taken.empty else taken.iloc[0]


def _best_anomaly(tries: pd.DataFrame) -> "pd.Series | None":
    return _lowest(tries[~tries.on_ladder & ~tries.is_bait])


def _lowest(tries: pd.DataFrame) -> "pd.Series | None":
    made = tries[tries.outcome != "not made"]
    return None if made.empty else made.sort_values("anomaly").iloc[0]


def _always(name: str) -> Policy:
    def policy(tries: pd.DataFrame) -> "pd.Series | None":
        taken = tries[~tries.on_ladder & (tries.strategy == name) & tries.accepted]
        return None if taken.empty else taken.iloc[0]

    return policy


def _oracle(tries: pd.DataFrame) -> "pd.Series | None":
    made = tries[~tries.on_ladder & ~tries.is_bait & (tries.outcome != "not made")]
    if made.empty:
        return None
    order = made.outcome.map(_RANK)
    best = made[order == order.min()]
    return best.sort_values("left").iloc[0]
