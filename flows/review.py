"""`ganst review`: what people say of outputs goes into a RUN, and what that makes of its flags."""

import json
from typing import Annotated, Any

import typer

review_app = typer.Typer(help="Verdicts of people on outputs.", no_args_is_help=True)

_RUN = Annotated[str, typer.Argument(help="RUN folder of an earlier command.")]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@review_app.command("import")
def import_verdicts(
    run: _RUN,
    file: Annotated[
        str, typer.Argument(help="From the page; or CSV: source,verdict,why,reviewer.")
    ],
    as_json: _JSON = False,
) -> None:
    """Take verdicts into a RUN: good waives a flag, bad asks for a correction."""
    from dataclasses import asdict

    from flows import stages
    from flows.failures import refusing
    from pipelines.review_import import import_reviews
    from pipelines.run_lock import one_at_a_time

    with refusing():
        opened = stages.load_ingested(run)
        imported = import_reviews(opened, file)
    root = str(opened.folder.root)
    with one_at_a_time(opened.folder.root):  # images of reviewed photos are moved
        summary = stages.report_stage(root)
    reviews = asdict(summary.reviews)
    lines = [
        f"{_count(imported.verdicts, 'verdict')}, {imported.new} of them new",
        *_said(reviews),
        *_to_do(root, summary.counts["flagged"]),
        f"page   {root}/report.html",
    ]
    facts = {"run": root, **asdict(imported), "reviews": reviews, "counts": summary.counts}
    _tell(facts, lines, as_json=as_json)


@review_app.command("list")
def list_verdicts(run: _RUN, as_json: _JSON = False) -> None:
    """Every verdict, oldest first, and how often the flags were right."""
    from dataclasses import asdict

    from flows import stages
    from flows.failures import refusing
    from pipelines.report import current_report
    from pipelines.reviews import list_reviews, summarise_reviews

    with refusing():
        opened = stages.load_ingested(run)
    rows = [row | {"time": row["time"].isoformat()} for row in list_reviews(opened.folder)]
    reviews = asdict(summarise_reviews(*current_report(opened)))
    lines = [_line(row) for row in rows] or ["Nobody has said anything yet: see docs/review.md."]
    _tell({"verdicts": rows, "reviews": reviews}, [*lines, *_said(reviews)], as_json=as_json)


def _line(row: dict[str, Any]) -> str:
    """One verdict; what a later one on the same output has replaced is in brackets."""
    verdict = row["verdict"] if row["in_force"] else f"({row['verdict']})"
    notes = " · ".join(text for text in (row["why"], row["reviewer"]) if text)
    return f"{row['time'][:16].replace('T', ' ')}  {verdict:<6}  {row['source']}  {notes}".rstrip()


def _said(reviews: dict[str, Any]) -> list[str]:
    """The reviews in words, each line only where there is something to say."""
    lines = []
    if reviews["good"] or reviews["bad"]:
        lines.append(f"reviewed: {reviews['good']} good, {reviews['bad']} bad")
    if reviews["flags_reviewed"]:
        low, high = reviews["precision_low"], reviews["precision_high"]
        lines.append(
            f"precision of the flags: {reviews['flags_confirmed']} of {reviews['flags_reviewed']}"
            f" were right, {reviews['precision']:.0%} (95 % interval {low:.0%} to {high:.0%})"
        )
    if reviews["passed_reviewed"]:
        lines.append(
            f"not flagged and reviewed: {reviews['passed_bad']} of {reviews['passed_reviewed']}"
            " were bad"
        )
    return lines


def _to_do(root: str, flagged: int) -> list[str]:
    if not flagged:
        return []
    verb = "waits" if flagged == 1 else "wait"
    return [f"{_count(flagged, 'flagged image')} {verb} for: ganst correct {root}"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _tell(facts: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else "\n".join(lines))
