"""The table of score columns; `ganst.scoring.measuring` fills a row of it."""

from dataclasses import dataclass
from typing import Literal

# Part of an attempt's identity: raise it whenever a column's value or the detector changes.
SCORER_VERSION = "3"

Family = Literal["content", "passthrough", "style", "artifact", "color", "source"]
Direction = Literal["high_bad", "low_bad", "two_sided"]


@dataclass(frozen=True, slots=True)
class Column:
    """One score column; `low` and `high` are what a value below or above the expected one means.

    `floor`: the smallest difference that matters, in the column's unit.
    """

    name: str
    family: Family
    direction: Direction
    floor: float
    unit: str
    low: str
    high: str


COLUMNS: tuple[Column, ...] = (
    Column(
        "c_gms",
        "content",
        "two_sided",
        0.01,
        "1 - GMS at 1/2, 0..1",
        "edges unchanged",
        "edges lost",
    ),
    Column(
        "c_gmsd",
        "content",
        "two_sided",
        0.01,
        "std of GMS, 0..0.5",
        "edges uniform",
        "edges lost locally",
    ),
    Column(
        "c_gms4",
        "content",
        "two_sided",
        0.02,
        "1 - GMS at 1/4, 0..1",
        "outlines unchanged",
        "outlines lost",
    ),
    Column("c_hog", "content", "high_bad", 0.02, "1 - cosine, 0..1", "lines kept", "lines turned"),
    Column("c_selfsim", "content", "high_bad", 0.05, "1 - r, 0..2", "layout kept", "layout lost"),
    Column(
        "c_lumcorr",
        "content",
        "high_bad",
        0.1,
        "-atanh r of thumbnails",
        "light and dark kept",
        "light and dark misplaced",
    ),
    Column(
        "c_gradcorr",
        "content",
        "high_bad",
        0.1,
        "-atanh r of gradients at 1/4",
        "outlines kept",
        "outlines misplaced or inverted",
    ),
    Column(
        "p_affine",
        "passthrough",
        "two_sided",
        0.1,
        "log(1 - R2)",
        "a recoloured photo",
        "colours unrelated to the photo",
    ),
    Column(
        "p_fine",
        "passthrough",
        "two_sided",
        0.05,
        "atanh r below 2 px",
        "photo detail gone",
        "photo detail left in",
    ),
    Column(
        "p_middle",
        "passthrough",
        "two_sided",
        0.05,
        "atanh r at 2-6 px",
        "photo shapes gone",
        "photo shapes left as they were",
    ),
    Column(
        "p_delta",
        "passthrough",
        "two_sided",
        0.1,
        "log mean dE76",
        "hardly changed",
        "changed too much",
    ),
    Column(
        "s_palette",
        "style",
        "high_bad",
        0.1,
        "log sliced W1 in Lab",
        "palette very close",
        "palette off",
    ),
    Column(
        "s_texture",
        "style",
        "high_bad",
        0.1,
        "log Mahalanobis",
        "texture very close",
        "brush texture off",
    ),
    Column(
        "s_gain",
        "style",
        "high_bad",
        0.1,
        "log distance ratio",
        "much closer to the style",
        "not closer to the style than the photo",
    ),
    Column(
        "s_statistics",
        "style",
        "high_bad",
        0.1,
        "log Mahalanobis",
        "local contrast very close",
        "local contrast off",
    ),
    Column(
        "s_spectrum",
        "style",
        "high_bad",
        0.1,
        "log Mahalanobis",
        "frequencies very close",
        "frequencies off",
    ),
    Column(
        "a_periodic_nat",
        "artifact",
        "high_bad",
        0.3,
        "log power ratio",
        "no grid",
        "a regular grid",
    ),
    Column("a_seam", "artifact", "high_bad", 0.2, "log MADs", "no seam", "a straight seam"),
    Column(
        "a_flat_nat",
        "artifact",
        "high_bad",
        0.5,
        "log share of flat blocks",
        "no flat areas",
        "flat areas",
    ),
    Column(
        "a_blank_nat",
        "artifact",
        "high_bad",
        0.5,
        "log flat x dE",
        "no blank areas",
        "a blank area",
    ),
    Column(
        "a_residual",
        "artifact",
        "two_sided",
        0.1,
        "log rms dE",
        "colours too regular",
        "colours unrelated to the photo",
    ),
    Column("a_blob", "artifact", "high_bad", 0.1, "log dE", "no blobs", "a foreign blob"),
    Column(
        "a_clip",
        "artifact",
        "high_bad",
        0.5,
        "log share of pixels",
        "no clipping",
        "clipped to black or white",
    ),
    Column(
        "a_sharp_nat", "artifact", "two_sided", 0.1, "log ratio of bands", "blurred", "too sharp"
    ),
    Column("a_soft_nat", "artifact", "two_sided", 0.1, "log ratio of bands", "soft", "harsh"),
    Column("a_noise_nat", "artifact", "two_sided", 0.1, "log |Laplacian|", "smoothed", "noisy"),
    Column("a_border", "artifact", "two_sided", 0.2, "log ratio", "borders smooth", "borders busy"),
    Column(
        "l_soft",
        "artifact",
        "high_bad",
        0.1,
        "log contrast",
        "evenly sharp",
        "blurred in one place",
    ),
    Column(
        "l_lost",
        "artifact",
        "high_bad",
        0.1,
        "log contrast",
        "strokes everywhere",
        "strokes missing in one place",
    ),
    Column(
        "l_rough",
        "artifact",
        "high_bad",
        0.1,
        "log contrast",
        "evenly smooth",
        "noisy in one place",
    ),
    Column(
        "l_excess",
        "artifact",
        "high_bad",
        0.1,
        "log contrast",
        "even strokes",
        "too much going on in one place",
    ),
    Column(
        "l_photo",
        "passthrough",
        "high_bad",
        0.03,
        "correlation",
        "evenly painted",
        "the photo shows in one place",
    ),
    Column(
        "l_foreign",
        "content",
        "high_bad",
        0.03,
        "correlation",
        "shapes kept everywhere",
        "other shapes in one place",
    ),
    Column("k_light", "color", "two_sided", 2.0, "L, 0..100", "too dark", "too light"),
    Column("k_red", "color", "two_sided", 2.0, "a", "too green", "too red"),
    Column("k_yellow", "color", "two_sided", 2.0, "b", "too blue", "too yellow"),
    Column(
        "k_contrast", "color", "two_sided", 1.0, "std of L", "contrast lost", "contrast too strong"
    ),
    Column(
        "k_chroma", "color", "two_sided", 2.0, "mean chroma", "colours dull", "colours too strong"
    ),
    Column(
        "k_dark",
        "color",
        "two_sided",
        2.0,
        "5 % quantile of L",
        "shadows too dark",
        "shadows too light",
    ),
    Column(
        "k_bright",
        "color",
        "two_sided",
        2.0,
        "95 % quantile of L",
        "lights too dark",
        "lights too light",
    ),
    Column("k_entropy", "color", "two_sided", 0.1, "bits, 0..6", "tones lost", "too many tones"),
    Column("x_light", "source", "two_sided", 5.0, "L, 0..100", "dark photo", "light photo"),
    Column("x_red", "source", "two_sided", 3.0, "a", "green photo", "red photo"),
    Column("x_yellow", "source", "two_sided", 3.0, "b", "blue photo", "yellow photo"),
    Column("x_contrast", "source", "two_sided", 2.0, "std of L", "flat light", "hard light"),
    Column("x_chroma", "source", "two_sided", 3.0, "mean chroma", "grey photo", "colourful photo"),
    Column("x_dark", "source", "two_sided", 5.0, "5 % quantile of L", "deep shadows", "no shadows"),
    Column(
        "x_bright", "source", "two_sided", 5.0, "95 % quantile of L", "no lights", "bright lights"
    ),
    Column("x_grad", "source", "two_sided", 0.2, "log mean gradient", "smooth photo", "busy photo"),
    Column(
        "x_grad4",
        "source",
        "two_sided",
        0.2,
        "log mean gradient at 1/4",
        "few outlines",
        "many outlines",
    ),
    Column("x_fine", "source", "two_sided", 0.2, "log |Laplacian|", "soft photo", "crisp photo"),
    Column("x_flat", "source", "two_sided", 0.05, "share, 0..1", "no flat areas", "flat areas"),
    Column("x_entropy", "source", "two_sided", 0.2, "bits, 0..6", "few tones", "many tones"),
    Column(
        "x_scale",
        "source",
        "two_sided",
        0.5,
        "log2 px of the short side",
        "small photo",
        "large photo",
    ),
)
COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
