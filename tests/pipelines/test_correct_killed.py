"""kill -9 in the middle of correct, to real processes; the same call again ends as if nothing was."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from ganst.models.stylepack import StylePack
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.score import score
from pipelines.stylize import stylize
from tests.pipelines import correct_driver
from tests.pipelines.photo_folders import make_run, tree
from tests.pipelines.scenes import make_scenes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERIAL = ComputeConfig(workers=0)
FIRST = 5008  # scenes whose outputs are nowhere near the flag level
PLACES = ("images", "superseded", "quarantine", "report.parquet")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, calibrated_pack: StylePack) -> Path:
    """A scored RUN with two outputs that were inverted and one that was lost."""
    folder = tmp_path_factory.mktemp("scored")
    photos = make_scenes(folder / "photos", 5, first=FIRST)
    run = make_run(photos, folder / "RUN", calibrated_pack, shard_size=1)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    images = folder / "RUN" / "images"
    for name in ("a0.png", "c2.png"):
        ImageOps.invert(Image.open(images / name)).save(images / name)
    (images / "b1.png").unlink()
    score(run, SERIAL)
    return folder / "RUN"


@pytest.fixture(scope="module")
def undisturbed(scored: Path, tmp_path_factory: pytest.TempPathFactory):
    """What correction and report leave where nobody kills them, by outcome."""

    def make(outcome: str) -> dict[str, bytes]:
        out = tmp_path_factory.mktemp("undisturbed") / "RUN"
        shutil.copytree(scored, out)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipelines.candidates.decode", correct_driver.candidates.decode)
            correct_driver.main(str(out), "0", outcome, "0")
        return left(out)

    return {outcome: make(outcome) for outcome in ("accepted", "refused")}


def left(out: Path) -> dict[str, bytes]:
    """Delivered, superseded and quarantined images, and the report; without temporary files."""
    return {
        name: data
        for name, data in tree(out).items()
        if name.startswith(PLACES) and ".ganst-" not in name
    }


def command(out: Path, writes: int, outcome: str, workers: int) -> list[str]:
    given = [str(out), str(writes), outcome, str(workers)]
    return [sys.executable, "-m", "tests.pipelines.correct_driver", *given]


def again(out: Path, outcome: str) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.candidates.decode", correct_driver.candidates.decode)
        correct_driver.main(str(out), "0", outcome, "0")
    return left(out)


def committed(out: Path) -> int:
    return len(list((out / "attempts").glob("[!.]*.parquet")))


# Writes of an image: its copy, the image in its place, the rows; the lost one has no copy. The
# order of the images is that of their paths.
@pytest.mark.parametrize(
    ("writes", "outcome"), [(1, "accepted"), (4, "accepted"), (6, "accepted"), (1, "refused")]
)
def test_a_killed_correction_ends_as_an_undisturbed_one(
    tmp_path, scored, undisturbed, writes, outcome
):
    out = tmp_path / "RUN"
    shutil.copytree(scored, out)
    before = committed(out)
    ended = subprocess.run(command(out, writes, outcome, 0), cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    assert before <= committed(out) < before + 3
    assert again(out, outcome) == undisturbed[outcome]
