"""The columns of every Parquet file of a run: names, types, units. The contract with pandas.

Two files with the same bytes are two sources with one attempt id, because an attempt is named after
the *bytes* it starts from. So the key of a row in STYLIZED and in the attempts is
(`source`, `attempt_id`), never `attempt_id` alone: see `pipelines.shards.distinct_rows`.
"""

import pyarrow as pa

from ganst.scoring.backbone import BACKBONE_COLUMNS
from ganst.scoring.columns import COLUMN_NAMES

SCHEMA_VERSION = "2"


def _field(name: str, kind: pa.DataType, meaning: str, unit: str = "") -> pa.Field:
    return pa.field(name, kind, metadata={"meaning": meaning, "unit": unit})


def _schema(table: str, *fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={"ganst.table": table, "ganst.schema": SCHEMA_VERSION})


_SOURCE = _field("source", pa.string(), "path below the photo folder, POSIX")
_SHA = _field("source_sha256", pa.string(), "of the source's bytes at ingest", "hex")
_GROUP = _field("group", pa.string(), "photos that belong together; if not set: the parent folder")
_CHECKPOINT = _field("checkpoint", pa.string(), "checkpoint of the style pack")
_PRECISION = _field("precision", pa.string(), "bf16 | fp32")
_SEED = _field("seed", pa.int64(), "seed of the run")
_ERROR = _field("error", pa.string(), "one sentence; null where all is well")
_FAMILIES = tuple(
    _field(f"p_{family}", pa.float64(), f"conformal p-value of the {family} columns", "0..1")
    for family in ("content", "style", "passthrough", "artifact", "color")
)
_REASON = _field("reason", pa.string(), "most probable defect; null if none")
_REASON_PROBABILITY = _field("reason_probability", pa.float64(), "of that defect", "0..1")
_EVIDENCE = _field("evidence", pa.string(), "the columns that stand out, in words")
_P_SOURCE = _field(
    "p_source", pa.float64(), "of the photo: small = unlike those calibrated on", "0..1"
)
_P = _field("p_anomaly", pa.float64(), "conformal p-value, small = anomalous", "0..1")

CATALOG = _schema(
    "catalog",
    _SOURCE,
    _field("sha256", pa.string(), "of the file's bytes; null if it could not be read", "hex"),
    _field("width", pa.int32(), "upright, after EXIF orientation", "px"),
    _field("height", pa.int32(), "upright, after EXIF orientation", "px"),
    _field("mode", pa.string(), "pixel mode in the file, in Pillow's words"),
    _field("bytes", pa.int64(), "size of the file", "bytes"),
    _field("modified", pa.string(), "the store's own stamp; a hint for re-ingest, no identity"),
    _field("format", pa.string(), "format found in the bytes, whatever the name says"),
    _GROUP,
    _field("output", pa.string(), "path below images/ planned for it; null if there is none"),
    _field("status", pa.string(), "ok | rejected"),
    _ERROR,
    _field("note", pa.string(), "what decoding decided, e.g. first of 12 frames"),
)

STYLIZED = _schema(
    "stylized",
    _field("attempt_id", pa.string(), "digest of the work; key together with source", "hex"),
    _SOURCE,
    _SHA,
    _field("output", pa.string(), "path below images/; null if rejected"),
    _field("output_sha256", pa.string(), "of the bytes written", "hex"),
    _field("width", pa.int32(), "of the output", "px"),
    _field("height", pa.int32(), "of the output", "px"),
    _CHECKPOINT,
    _PRECISION,
    _SEED,
    _field("status", pa.string(), "ok | rejected"),
    _ERROR,
    _field("note", pa.string(), "of a clip: what was left out of it; null: nothing"),
)

SEGMENTS = _schema(
    "segments",
    _SOURCE,
    _field("attempt_id", pa.string(), "of the clip; key together with source and segment", "hex"),
    _field("segment", pa.int32(), "number in the clip's plan, from 0"),
    _field("frames", pa.int32(), "shown in it", "count"),
    _field("status", pa.string(), "ok | rejected"),
    _ERROR,
)

_SHOT_COLUMNS = (
    _field("v_frames", pa.float64(), "largest anomaly of the sampled frames"),
    _field("v_flicker", pa.float64(), "colours that jump, beyond the source", "levels"),
    _field("v_shimmer", pa.float64(), "change where the source stands still", "levels"),
    _field("v_lum_drift", pa.float64(), "slow change of light, beyond the source", "levels/s"),
    _field("v_stuck", pa.float64(), "steps that were dropped or doubled", "share"),
)

SHOTS = _schema(
    "shots",
    _SOURCE,
    _field("attempt_id", pa.string(), "of the clip; key together with source and shot", "hex"),
    _field("shot", pa.int32(), "number in the clip, from 0"),
    _field("start_s", pa.float64(), "when it begins, from the first frame of the clip", "s"),
    _field("stop_s", pa.float64(), "when the next one begins", "s"),
    _field("frames", pa.int32(), "shown in it", "count"),
    _P,
    _field("anomaly", pa.float64(), "furthest column, 1 = 90th percentile of usual shots"),
    _field("flagged", pa.bool_(), "p_anomaly times the clip's shots up to the run's alpha"),
    _REASON,
    _EVIDENCE,
    _field("p_frame", pa.float64(), "p-value of its worst sampled frame, as of a photo", "0..1"),
    *_FAMILIES,
    _P_SOURCE,
    *_SHOT_COLUMNS,
)

SHOT_TRIES = _schema(
    "shot_tries",
    _SOURCE,
    _field("attempt_id", pa.string(), "digest of the work; key together with source", "hex"),
    _field("parent_attempt_id", pa.string(), "the attempt at the clip that it mends", "hex"),
    _field("attempt_no", pa.int16(), "2 = the first try at the shot", "count"),
    _field("shot", pa.int32(), "number in the clip, from 0"),
    _field("strategy", pa.string(), "how it was made again"),
    _field("params", pa.string(), "parameters of the strategy", "JSON"),
    _CHECKPOINT,
    _PRECISION,
    _P,
    _field("anomaly", pa.float64(), "furthest column, 1 = 90th percentile of usual shots"),
    _EVIDENCE,
    *_SHOT_COLUMNS,
    _field("decision", pa.string(), "accepted | refused"),
    _field("decision_reason", pa.string(), "why"),
)

REVIEWS = _schema(
    "reviews",
    _SOURCE,
    _field("attempt_id", pa.string(), "the attempt that was looked at", "hex"),
    _field("output_sha256", pa.string(), "of the bytes that were looked at", "hex"),
    _field("verdict", pa.string(), "good | bad"),
    _field("why", pa.string(), "in the reviewer's words"),
    _field("reviewer", pa.string(), "who says so"),
    _field("time", pa.timestamp("ms", tz="UTC"), "when it was said; of a CSV table: imported"),
)

REPORT = _schema(
    "report",
    _SOURCE,
    _SHA,
    _GROUP,
    _field("status", pa.string(), "ok | corrected | flagged | quarantined | rejected"),
    _field("output", pa.string(), "path below RUN of the delivered image, or null"),
    _field("attempt_id", pa.string(), "the attempt that made it", "hex"),
    _field("output_sha256", pa.string(), "of its bytes", "hex"),
    _field("style", pa.string(), "name of the style"),
    _field("style_digest", pa.string(), "of weights and architecture", "hex"),
    _field("attempts", pa.int16(), "images made for this source", "count"),
    _field("strategy", pa.string(), "of the delivered attempt; null if the first"),
    _P,
    _field("flagged", pa.bool_(), "the delivered image is still anomalous"),
    _field("was_flagged", pa.bool_(), "the first attempt was anomalous"),
    _REASON,
    _REASON_PROBABILITY,
    *_FAMILIES,
    _P_SOURCE,
    _field(
        "q_anomaly", pa.float64(), "p_anomaly of the first attempt among those of the run", "0..1"
    ),
    _field(
        "p_relative",
        pa.float64(),
        "p-value of the first attempt relative to the run; only where the run's photos have moved",
        "0..1",
    ),
    _field("twin_of", pa.string(), "another photo whose first output is the same picture"),
    _ERROR,
    _EVIDENCE,
    _field(
        "suggestion",
        pa.string(),
        "path below RUN of the best refused correction of a quarantined image; null if none",
    ),
    _field("verdict", pa.string(), "of a person on the delivered image: good | bad; null if none"),
    _field("verdict_why", pa.string(), "in that person's words"),
)


def attempts_schema() -> pa.Schema:
    """One row per image ever made: lineage, judgement, then every score column as float64."""
    scores = (_field(name, pa.float64(), "score column") for name in COLUMN_NAMES)
    return _schema("attempts", *_ATTEMPT_FIELDS, *scores, *_BACKBONE)


_BACKBONE = tuple(
    _field(name, pa.float64(), "of a pretrained network; null without ganst[backbone]")
    for name in BACKBONE_COLUMNS
)
_ATTEMPT_FIELDS = (
    _field("attempt_id", pa.string(), "digest of the work; key together with source", "hex"),
    _field("parent_attempt_id", pa.string(), "the attempt it mends; null if the first", "hex"),
    _field("attempt_no", pa.int16(), "1 = first", "count"),
    _SOURCE,
    _SHA,
    _GROUP,
    _field("output", pa.string(), "path that the bytes were written for"),
    _field("output_sha256", pa.string(), "of the bytes written", "hex"),
    _field("strategy", pa.string(), "null: the first attempt"),
    _field("params", pa.string(), "parameters of the strategy", "JSON"),
    _field("style", pa.string(), "name of the style"),
    _field("style_digest", pa.string(), "of weights and architecture", "hex"),
    _CHECKPOINT,
    _PRECISION,
    _SEED,
    _field("scorer_version", pa.string(), "version of the score columns"),
    _field("calibration_id", pa.string(), "reference and thresholds judged by", "hex"),
    _field("score_status", pa.string(), "scored | unsupported | nonfinite | uncalibrated"),
    _P,
    _field("source_print", pa.string(), "perceptual hash of the photo, 64 bits", "hex"),
    _field("output_print", pa.string(), "perceptual hash of the output, 64 bits", "hex"),
    _field("anomaly", pa.float64(), "anomaly score before it became a p-value"),
    *_FAMILIES,
    _P_SOURCE,
    _REASON,
    _REASON_PROBABILITY,
    _EVIDENCE,
    _field("flagged", pa.bool_(), "p_anomaly up to the run's alpha"),
    _field(
        "decision",
        pa.string(),
        "first | accepted | refused | suggested: refused too, but the best by then, kept for a person",
    ),
    _field("decision_reason", pa.string(), "why; null for a first attempt"),
)
