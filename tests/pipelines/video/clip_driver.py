"""Ingest and stylize clips as a command of its own, to be killed: PHOTOS RUN STYLE_FOLDER."""

import sys
from pathlib import Path

from ganst.models.stylepack import load_stylepack
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.video.stylize import stylize_clips
from tests.pipelines.photo_folders import make_run


def main(photos: str, out: str, style: str) -> None:
    run = make_run(photos, out, load_stylepack(Path(style)))
    with shared_cluster(ComputeConfig(workers=2)) as compute:
        ingest(run, compute)
        stylize_clips(run, compute)


if __name__ == "__main__":
    main(*sys.argv[1:])
