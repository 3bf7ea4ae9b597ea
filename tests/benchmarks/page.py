"""How long until the page of a large run can be used, and how long a key, a filter, an order take.

    PYTHONPATH=. python tests/benchmarks/page.py [--rows 10000] [--repeats 5]

Writes the page of a made run of so many photos into a temporary folder (a few hundred with real
pictures inside, as in production), opens it in headless Chromium and prints milliseconds. A page is
taken to be interactive when its script has run, a row and the pictures of the first image are
drawn, and two frames have passed.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from pipelines.report import write_report
from tests.pipelines.browser import Page, find_chromium, open_page
from tests.pipelines.made_runs import MadePhoto, write_run

_FRAMES = "new Promise(then => requestAnimationFrame(() => requestAnimationFrame(then)))"
_READY = f"""(async () => {{
    while (!document.querySelector("#right")?.naturalWidth || !document.querySelector(".row"))
        await {_FRAMES};
    await {_FRAMES};
    return performance.now();
}})()"""
_ACTIONS = {
    "next image (j)": "list.step(1)",
    "end of the list": "list.choose(list.last())",
    "filter by status": "want({status: 'ok'})",
    "filter by name": "want({status: '', name: '99'})",
    "order by name": "want({name: '', sort: 'name'})",
    "order by p": "want({sort: 'p'})",
    "a verdict": "judging.good()",
}


def main() -> None:
    """Print the size of the page and the time of each step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error("no chromium is installed")
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        page = write_large_run(Path(name) / "made", arguments.rows)
        print(f"{arguments.rows} rows, page of {page.stat().st_size / 1e6:.1f} MB")
        print(f"{'written with its run in':24} {time.perf_counter() - began:8.1f} s")
        with open_page(chromium, Path(name) / "profile") as browser:
            measure(browser, page, arguments.repeats)


def write_large_run(root: Path, num: int) -> Path:
    """A run with 5 % flagged, a fifth of those corrected and a fifth quarantined."""
    outcomes = ("flagged", "corrected", "flagged", "quarantined", "flagged")
    photos = [
        MadePhoto(
            source=f"album{i % 40}/IMG_{i:06}.jpg",
            outcome="ok" if i % 20 else outcomes[i // 20 % 5],
            reason=("blur", "passthrough", "colour_cast")[i // 20 % 3],
            p=0.06 + 0.94 * (i * 7919 % num) / num,
        )
        for i in range(num)
    ]
    run = write_run(root, photos)
    write_report(run)
    return Path(str(run.folder.report_html))


def measure(browser: Page, page: Path, repeats: int) -> None:
    """Open the page afresh some times, then every action once on each."""
    times: dict[str, list[float]] = {"interactive after": []}
    for index in range(repeats):
        browser.open(f"{page.as_uri()}?{index}")
        times["interactive after"].append(browser.run(_READY))
        for action, script in _ACTIONS.items():
            spent = browser.run(
                f"(async () => {{ const t = performance.now(); {script}; await {_FRAMES};"
                " return performance.now() - t; })()"
            )
            times.setdefault(action, []).append(spent)
    for action, spent in times.items():
        print(f"{action:24} {statistics.median(spent):8.0f} ms (worst {max(spent):.0f})")


if __name__ == "__main__":
    main()
