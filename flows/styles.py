"""`ganst styles`: what is there, and styles that come from elsewhere or go there."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.telling import say

_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

styles_app = typer.Typer(help="The styles that are there.", no_args_is_help=True)


@styles_app.command("list")
def list_styles(as_json: _JSON = False) -> None:
    """Names of all styles."""
    from flows import verbs

    found = verbs.list_all_styles()
    lines = [f"{s['name']:<16} {s['checkpoints']}  {s['path']}" for s in found]
    say(found, "\n".join(lines) or "There is no style: train one with ganst train.", as_json)


@styles_app.command("show")
def show_style(name: str, as_json: _JSON = False) -> None:
    """Card of a style: data, licences, training, digest."""
    from flows import verbs

    card = verbs.show_style(name)
    say(card, json.dumps(card, indent=2, ensure_ascii=False), as_json)


@styles_app.command("import")
def import_style(
    file: Annotated[Path, typer.Argument(help="A .pth file: a CycleGAN or CUT generator.")],
    name: Annotated[str, typer.Option(help="Name of the new style.")],
    licence: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "unknown",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a style of that name.")
    ] = False,
    as_json: _JSON = False,
) -> None:
    """Make a style of a public CycleGAN or CUT checkpoint."""
    from flows import style_exchange
    from flows.wording import import_lines

    facts = style_exchange.import_style(file, name, licence, replace=replace)
    say(facts, import_lines(facts), as_json)


@styles_app.command("export")
def export_style(
    style: Annotated[str, typer.Argument(help="Name of a style, or path of a style pack.")],
    onnx: Annotated[str, typer.Option(help="ONNX file to write; its certificate goes beside it.")],
    as_json: _JSON = False,
) -> None:
    """Write a style as an ONNX graph for images of any size, with a certificate."""
    from flows import style_exchange
    from flows.wording import certificate_lines

    certificate = style_exchange.export_style(style, onnx)
    say(certificate, certificate_lines(certificate, onnx), as_json)


@styles_app.command("sheet")
def style_sheet(
    photos: Annotated[list[str], typer.Argument(help="Photos, or folders of photos.")],
    out: Annotated[str, typer.Option(help="JPEG file to write.")] = "styles.jpg",
    as_json: _JSON = False,
) -> None:
    """Photos in every style, on one sheet: one in large, or up to 24 in rows."""
    from flows import verbs

    names = verbs.style_sheet(photos, out)
    say({"sheet": out, "styles": names}, f"{', '.join(names)}: {out}", as_json)
