"""report.html: one page of what was flagged, mended, given up, and is fine; it opens offline."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from pipelines import storage
from pipelines.histogram import histogram
from pipelines.page_rows import as_script, listed, page_rows
from pipelines.report_draft import FAMILIES
from pipelines.runs import run_key
from pipelines.summary import count_reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from pipelines.report_draft import Draft
    from pipelines.reviews import Verdicts
    from pipelines.runs import Run
    from pipelines.summary import Summary

# One script, because a page that is opened from a disk may load no other file.
_SCRIPTS = (
    "rows.js",
    "verdicts.js",
    "list.js",
    "clip.js",
    "detail.js",
    "light.js",
    "judging.js",
    "main.js",
)


def write_page(run: Run, draft: Draft, summary: Summary, verdicts: Verdicts) -> None:
    """Render and commit report.html."""

    def write(made: Path) -> None:
        with made.open("x", encoding="utf-8", newline="") as file:
            file.writelines(render_page(run, draft, summary, verdicts))

    storage.commit_file(run.folder.report_html, write)


def render_page(run: Run, draft: Draft, summary: Summary, verdicts: Verdicts) -> Iterator[str]:
    """The page, piece by piece: all its rows at once would be much.

    Text is escaped, file names too, and no script but the page's own may run.
    """
    places = listed(draft)
    script = "".join(_part(name) for name in _SCRIPTS)
    return _template().generate(
        summary=summary,
        run=run,
        histogram=histogram(_first_p_values(draft.firsts), summary.alpha),
        reasons=count_reasons(draft.overview),
        num_listed=len(places),
        facts=_facts(run, summary, page_rows(run, draft, places, verdicts)),
        css=Markup(_part("report.css")),  # package data, not input
        script=Markup(script),  # package data, not input
        script_hash=_csp_hash(script),
    )


def _facts(run: Run, summary: Summary, rows: Iterable[dict[str, Any]]) -> Iterator[Markup]:
    """What the page's script reads, in pieces; no < is in it."""
    head = as_script({"run": run_key(run), "families": FAMILIES, "alpha": summary.alpha})
    yield Markup(head[:-1] + ',"rows":[')
    for number, row in enumerate(rows):
        yield Markup(("," if number else "") + as_script(row))
    yield Markup("]}")


def words(name: str | None) -> str:
    """A reason or a strategy as a person says it: `wrong_image` -> `wrong image`."""
    return (name or "").replace("_", " ")


def _first_p_values(firsts: pa.Table) -> list[float]:
    return firsts["p_anomaly"].drop_null().to_pylist()


def _csp_hash(script: str) -> str:
    """For `script-src`: a browser runs this script and nothing else, whatever got into the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _part(name: str) -> str:
    return resources.files("pipelines").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = words
    return environment.get_template("report.html.j2")
