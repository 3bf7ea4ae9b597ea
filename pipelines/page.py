"""report.html: one page of what was flagged, mended, given up, and is fine; it opens offline."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
import pyarrow.compute as pc
from markupsafe import Markup

from pipelines import storage
from pipelines.histogram import histogram
from pipelines.page_rows import FAMILIES, as_script, page_rows
from pipelines.runs import run_key
from pipelines.summary import count_reasons

if TYPE_CHECKING:
    import pyarrow as pa

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


def write_page(
    run: Run, report: pa.Table, tries: pa.Table, summary: Summary, verdicts: Verdicts
) -> None:
    """Render and commit report.html."""
    html = render_page(run, report, tries, summary, verdicts)
    storage.commit_bytes(run.folder.report_html, html.encode())


def render_page(
    run: Run, report: pa.Table, tries: pa.Table, summary: Summary, verdicts: Verdicts
) -> str:
    """The whole page. Text is escaped, file names too, and no script but the page's own may run."""
    # Text by text: all rows as objects of Python, and then once more as text, would be much.
    rows = [as_script(row) for row in page_rows(run, report, tries, verdicts)]
    facts = as_script({"run": run_key(run), "families": FAMILIES, "alpha": summary.alpha})
    data = "".join((facts[:-1], ',"rows":[', ",".join(rows), "]}"))
    script = "".join(_part(name) for name in _SCRIPTS)
    return _template().render(
        summary=summary,
        run=run,
        histogram=histogram(_first_p_values(tries), summary.alpha),
        reasons=count_reasons(report),
        num_listed=len(rows),
        facts=Markup(data),  # no < in it
        css=Markup(_part("report.css")),  # package data, not input
        script=Markup(script),  # package data, not input
        script_hash=_csp_hash(script),
    )


def words(name: str | None) -> str:
    """A reason or a strategy as a person says it: `wrong_image` -> `wrong image`."""
    return (name or "").replace("_", " ")


def _first_p_values(tries: pa.Table) -> list[float]:
    first = tries.filter(pc.equal(tries["decision"], "first"))
    return first["p_anomaly"].drop_null().to_pylist()


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
