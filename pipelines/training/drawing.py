"""A training to look at: samples, and the curve of its evaluations."""

import io
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ganst.models.stylepack import write_atomically
from ganst.pixels import to_pixels
from ganst.training.loop import Trainer
from ganst.training.watch import Watch, stylize_all
from pipelines.training.folder import TrainingFolder

_NUM_SAMPLES = 6
_GAP = 8
_PAPER = (247, 245, 240)


def draw(folder: TrainingFolder, watch: Watch, trainer: Trainer) -> None:
    """Write samples.png, history.jsonl, and, where matplotlib is installed, curve.png.

    Raises:
        OSError: The folder cannot be written.

    """
    facts = watch.facts()
    guards = [{"event": "intervention", **asdict(done)} for done in watch.guards.interventions]
    evaluations = [{"event": "evaluation", **found} for found in facts["evaluations"]]
    folder.write_history(sorted(guards + evaluations, key=lambda line: line["progress"]))
    photos = watch.held.photos[:_NUM_SAMPLES]
    sheet = sample_sheet(list(to_pixels(photos.cpu())), stylize_all(trainer, photos))
    write_atomically(folder.root / "samples.png", _to_png(sheet))
    unstyled = watch.evaluator.unstyled if watch.evaluator else 0.0
    curve = draw_curve(facts["evaluations"], guards, unstyled)
    if curve is not None:
        write_atomically(folder.root / "curve.png", curve)


def sample_sheet(photos: list[Tensor], outputs: list[Tensor]) -> Image.Image:
    """Photos above, their outputs below; uint8 `[3, S, S]` each."""
    side = photos[0].shape[-1]
    step = side + _GAP
    sheet = Image.new("RGB", (_GAP + step * len(photos), _GAP + 2 * step), _PAPER)
    for number, pixels in enumerate(chain(photos, outputs)):
        row, column = divmod(number, len(photos))
        tile = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
        sheet.paste(tile, (_GAP + step * column, _GAP + step * row))
    return sheet


def draw_curve(
    evaluations: list[dict[str, float]], guards: list[dict[str, Any]], unstyled: float
) -> bytes | None:
    """Kernel distance and content distance over the budget, as PNG; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(7, 4), layout="constrained")
    style = figure.add_subplot()
    percent = [100 * found["progress"] for found in evaluations]
    style.errorbar(
        percent,
        [found["style"] for found in evaluations],
        [found["style_margin"] for found in evaluations],
        marker="o",
        capsize=3,
        label="outputs to paintings",
    )
    style.axhline(unstyled, linestyle="--", color="grey", label="photos to paintings")
    for done in guards:
        style.axvline(100 * done["progress"], color="red", linewidth=0.8, label=done["kind"])
    style.set(xlabel="share of the budget, %", ylabel="kernel distance", xlim=(0, 102))
    content = style.twinx()
    content.plot(percent, [found["content"] for found in evaluations], "s:", color="darkorange")
    content.set_ylabel("content distance (dotted)")
    style.legend(loc="upper right", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _to_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
