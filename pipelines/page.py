"""report.html: one self-contained page of what was flagged, mended, given up, and is fine."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from pipelines import storage, thumbnails
from pipelines.histogram import histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from pipelines.runs import Run
    from pipelines.summary import Summary

# What is embedded of a large run; the rest is named in a table and is in report.parquet.
MAX_CARDS = 240
MAX_GALLERY = 60
MAX_LISTED = 2000
_SMALL_SIDE_PX = 320
_LARGE_SIDE_PX = 640
# Up to here every picture of a card is embedded large: 24 cards of 3 come to about 10 MB.
_FEW_CARDS = 24
_GALLERY_SIDE_PX = 400

_FAMILIES = ("content", "style", "passthrough", "artifact", "color")
# What needs somebody's eyes comes first.
_RANK = {"quarantined": 0, "flagged": 1, "corrected": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture with its caption; `uri` is None where the file is gone."""

    label: str
    note: str
    uri: str | None
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family's p-value of the first output and of the corrected one, small = unusual."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An image somebody should look at: what went wrong, and what was done about it."""

    row: Mapping[str, Any]
    first: Mapping[str, Any]
    tries: tuple[Mapping[str, Any], ...]
    figures: tuple[Figure, ...]
    families: tuple[Family, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A good image of the gallery with its photo."""

    row: Mapping[str, Any]
    photo: Figure
    output: Figure


def write_page(run: Run, report: pa.Table, tries: pa.Table, summary: Summary) -> None:
    """Render and commit report.html."""
    html = render_page(run, report, tries, summary)
    storage.commit_bytes(run.folder.report_html, html.encode())


def render_page(run: Run, report: pa.Table, tries: pa.Table, summary: Summary) -> str:
    """The whole page. Text is escaped, file names too, and no script but the page's own may run."""
    flagged = _worst_first(report, tries)
    cards = _cards(run, flagged[:MAX_CARDS], tries)
    rejected = report.filter(_has_status(report, "rejected"))
    gallery = _gallery(run, report)
    script = _part("report.js")
    return _template().render(
        summary=summary,
        run=run,
        histogram=histogram(_first_p_values(tries), summary.alpha),
        cards=cards,
        unlisted=flagged[MAX_CARDS : MAX_CARDS + MAX_LISTED],
        num_flagged=len(flagged),
        reasons=_reasons(cards),
        gallery=gallery,
        rejected=rejected.slice(0, MAX_LISTED).to_pylist(),
        css=Markup(_part("report.css")),  # package data, not input
        script=Markup(script),  # package data, not input
        script_hash=_csp_hash(script),
    )


def words(name: str | None) -> str:
    """A reason or a strategy as a person says it: `wrong_image` -> `wrong image`."""
    return (name or "").replace("_", " ")


def p_words(p: float | None) -> str:
    """A p-value with two digits that mean something."""
    if p is None:
        return "not scored"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.2g}"


def _worst_first(report: pa.Table, tries: pa.Table) -> list[dict[str, Any]]:
    rows = report.filter(pc.and_(report["was_flagged"], pc.is_valid(report["status"]))).to_pylist()
    p_first = {row["source"]: row["p_anomaly"] or 0.0 for row in _first_attempts(tries)}
    return sorted(
        rows, key=lambda row: (_RANK.get(row["status"], 3), p_first[row["source"]], row["source"])
    )


def _first_attempts(tries: pa.Table) -> list[dict[str, Any]]:
    is_first = pc.equal(tries["decision"], "first")
    return tries.filter(is_first).select(["source", "p_anomaly"]).to_pylist()


def _first_p_values(tries: pa.Table) -> list[float]:
    return [row["p_anomaly"] for row in _first_attempts(tries) if row["p_anomaly"] is not None]


def _cards(run: Run, rows: Sequence[Mapping[str, Any]], tries: pa.Table) -> list[Card]:
    side = _LARGE_SIDE_PX if len(rows) <= _FEW_CARDS else _SMALL_SIDE_PX
    lineages = _lineages(tries, [row["source"] for row in rows])
    return [_card(run, row, lineages[row["source"]], side) for row in rows]


def _lineages(tries: pa.Table, sources: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The attempts of each source in the order in which they were made."""
    wanted = tries.filter(pc.is_in(tries["source"], pa.array(sources, pa.string())))
    lineages: dict[str, list[dict[str, Any]]] = {source: [] for source in sources}
    for row in wanted.sort_by([("source", "ascending"), ("attempt_no", "ascending")]).to_pylist():
        lineages[row["source"]].append(row)
    return lineages


def _card(
    run: Run, row: Mapping[str, Any], lineage: Sequence[Mapping[str, Any]], side: int
) -> Card:
    first, *others = lineage
    figures = [
        _figure("Photograph", "", thumbnails.photo(run, row, side)),
        _figure(
            "First output", p_words(first["p_anomaly"]), thumbnails.first_output(run, row, side)
        ),
    ]
    after: Mapping[str, Any] = {}
    if row["status"] == "corrected":
        after = row
        note = f"{words(row['strategy'])} · {p_words(row['p_anomaly'])}"
        figures.append(_figure("Corrected", note, thumbnails.output(run, row, side)))
    families = tuple(
        Family(name=name, before=first[f"p_{name}"], after=after.get(f"p_{name}"))
        for name in _FAMILIES
    )
    return Card(
        row=row, first=first, tries=tuple(others), figures=tuple(figures), families=families
    )


def _gallery(run: Run, report: pa.Table) -> list[Pair]:
    """Up to `MAX_GALLERY` good images, evenly over the whole run."""
    good = report.filter(_has_status(report, "ok"))
    return [
        Pair(
            row=row,
            photo=_figure("Photograph", "", thumbnails.photo(run, row, _GALLERY_SIDE_PX)),
            output=_figure(
                "Output", p_words(row["p_anomaly"]), thumbnails.output(run, row, _GALLERY_SIDE_PX)
            ),
        )
        for row in thumbnails.sample_evenly(good, MAX_GALLERY)
    ]


def _figure(label: str, note: str, picture: Image.Image | None) -> Figure:
    if picture is None:
        return Figure(label=label, note=note, uri=None, width=3, height=2)
    width, height = picture.size
    return Figure(
        label=label, note=note, uri=thumbnails.data_uri(picture), width=width, height=height
    )


def _reasons(cards: Sequence[Card]) -> list[tuple[str, int]]:
    """Reasons of the cards, most frequent first."""
    names = [card.row["reason"] for card in cards if card.row["reason"]]
    return sorted(((name, names.count(name)) for name in set(names)), key=lambda r: (-r[1], r[0]))


def _has_status(report: pa.Table, status: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(report["status"], status), False)


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
    environment.filters["p_words"] = p_words
    return environment.get_template("report.html.j2")
