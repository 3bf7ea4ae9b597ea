"""`ganst styles import` and `export`, as functions that the command line prints the result of."""

import re
from pathlib import Path
from typing import Any

from flows.failures import refusing
from flows.settings import styles_home
from flows.training import STYLE_NAME, check_free
from pipelines.errors import GanstError


def import_style(file: Path, name: str, licence: str, *, replace: bool) -> dict[str, Any]:
    """Make a style pack of a public checkpoint; gives its name, digest, folder and notes."""
    from pipelines.style_exchange import read_foreign

    with refusing():
        if not re.fullmatch(STYLE_NAME, name):
            raise GanstError(
                f"--name {name!r}: a style's name is made of letters, digits, '-' and '_'"
            )
        check_free(name, replace=replace)
        foreign = read_foreign(file, licence)
    pack = foreign.save(styles_home() / name)
    return {
        "style": pack.name,
        "digest": pack.digest,
        "folder": str(pack.path),
        "generator": pack.card["generator"],
        "notes": pack.card["imported"]["notes"],
    }


def export_style(style: str, onnx: str) -> dict[str, Any]:
    """Write a style as an ONNX graph; gives the certificate that lies beside it."""
    from pipelines.style_exchange import make_onnx
    from pipelines.styles import find_style

    with refusing():
        pack = find_style(style, styles_home())
        if not onnx.endswith(".onnx"):
            raise GanstError(f"--onnx {onnx}: the file's name must end in .onnx")
        made = make_onnx(pack)
    made.save(onnx)
    return made.certificate
