"""The page plays source and result in step, and shows where a shot was flagged or made again."""

import time
from pathlib import Path

import pytest

from pipelines.config import ComputeConfig
from pipelines.report import write_report
from pipelines.video.correct import correct_clips
from tests.pipelines.browser import Page, find_chromium, open_page
from tests.pipelines.video.conftest import CUT
from tests.pipelines.video.made_clips import RATE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHROMIUM = find_chromium()
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")


def wait_for(page: Page, expression: str) -> None:
    deadline = time.monotonic() + 30
    while not page.run(expression):
        assert time.monotonic() < deadline, f"{expression} did not come true"
        time.sleep(0.05)


def video(name: str, what: str) -> str:
    return f"document.querySelector('#clip-{name}').{what}"


def check_playing(page: Page) -> None:
    """A click on the second shot takes both videos there, and both play to their end."""
    for name in ("source", "result"):
        wait_for(page, f"{video(name, 'readyState')} >= 2")
        assert page.run(video(name, "videoWidth")) == 128
    page.click(".shot.flagged")
    for name in ("source", "result"):
        wait_for(page, f"Math.abs({video(name, 'currentTime')} - {CUT / RATE}) < 0.05")
    page.press("p")
    wait_for(page, video("result", "ended"))
    wait_for(page, f"Math.abs({video('source', 'currentTime')} - 1.2) < 0.1")
    assert page.complaints == []


@needs_chromium
def test_a_flagged_shot_is_marked_and_both_videos_follow_it(damaged, tmp_path, monkeypatch):
    assert CHROMIUM
    run = damaged(lambda number: number >= CUT, "a.mp4")
    monkeypatch.undo()
    write_report(run)
    address = Path(str(run.folder.report_html)).as_uri()
    with open_page(CHROMIUM, tmp_path / "profile") as page:
        page.open(address)
        assert page.run("document.querySelectorAll('.shot').length") == 2
        assert page.run("document.querySelectorAll('.shot.flagged').length") == 1
        told = page.run("document.querySelector('.shot.flagged').getAttribute('aria-label')")
        assert "flagged: flicker" in told
        check_playing(page)
        correct_clips(run, ComputeConfig(workers=0))
        write_report(run)
        page.run("location.reload()")
        wait_for(page, "document.querySelectorAll('.shot.mended').length === 1")
        assert page.run("document.querySelectorAll('.shot.flagged').length") == 0
        wait_for(page, f"{video('result', 'readyState')} >= 2")
        assert "/images/" in page.run(video("result", "src"))
        page.click("#which")
        wait_for(page, f"{video('result', 'src')}.includes('/superseded/')")
        assert page.complaints == []


@needs_chromium
def test_an_animated_gif_is_shown_beside_its_clip(damaged, tmp_path, monkeypatch):
    assert CHROMIUM
    run = damaged(lambda _: False, "a.gif")
    monkeypatch.undo()
    write_report(run)
    with open_page(CHROMIUM, tmp_path / "profile") as page:
        page.open(Path(str(run.folder.report_html)).as_uri())
        wait_for(page, "document.querySelector('#clip-gif').naturalWidth === 128")
        assert page.run(video("source", "hidden"))
        wait_for(page, f"{video('result', 'readyState')} >= 2")
        assert page.complaints == []
