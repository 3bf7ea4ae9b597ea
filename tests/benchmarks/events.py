"""How long from the event of a flagged run to the correction at work, with everything started here.

    PYTHONPATH=. python tests/benchmarks/events.py [--rounds 3]

Starts what `make up` starts (a Prefect server, a worker that asks every 2 s, the deployments) and
runs `nightly` with `correct: false` on three small photos, one of whose outputs was inverted before
it is scored. Prints the seconds from the event `ganst.score.flagged` to the start of `on-flagged`.
"""

import argparse
import tempfile
from pathlib import Path

from ganst.models.stylepack import StylePack
from tests.flows.test_chain import FLAGGED, Up, damaged_run, moment, nightly_parameters, start
from tests.pipelines.conftest import make_calibrated_pack


def main() -> None:
    """Print one line a round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pack = make_calibrated_pack(Path(name) / "styles")
        home = Path(name) / "prefect"
        home.mkdir()
        up = Up(home)
        try:
            up.wait_until_ready()
            for number in range(1, arguments.rounds + 1):
                print(
                    f"round {number}: {measure(up, Path(name) / str(number), pack, number):.1f} s"
                )
        finally:
            up.end()


def measure(up: Up, folder: Path, pack: StylePack, number: int) -> float:
    """Seconds between the event of a new run and the start of its correction."""
    run = damaged_run(folder, pack)
    start(up, "nightly/nightly", nightly_parameters(run))
    correction = up.wait_for_end("on-flagged", num=number)
    events = up.ask("/events/filter", filter=FLAGGED)["events"]
    latest = max(moment(event["occurred"]) for event in events)
    return (moment(correction["start_time"]) - latest).total_seconds()


if __name__ == "__main__":
    main()
