"""report.html: self-contained, escaped, and a page that works in a browser."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines import page as page_module
from pipelines.page import p_words
from pipelines.report import write_report
from tests.pipelines.browser import find_chromium, open_page
from tests.pipelines.made_runs import (
    OUTCOMES,
    MadePhoto,
    attempt_rows,
    make_run,
    stylized_rows,
    write_parts,
    write_pictures,
)

NASTY = (
    "näme with spaces & <b>.jpg",
    '"><script>window.hacked = 1<script>.jpg',
    "' onerror='window.hacked=1.jpg",
    "{{ 7 * 7 }}.jpg",
    "<img src=x onerror=window.hacked=1>.jpg",
)


def _write(root: Path, photos: list[MadePhoto]) -> Path:
    run = make_run(root, photos)
    write_parts(run, "stylize", [[row for photo in photos for row in stylized_rows(photo)]])
    write_parts(run, "attempts", [[row for photo in photos for row in attempt_rows(photo)]])
    write_pictures(run, photos)
    write_report(run)
    return Path(str(run.folder.report_html))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    reasons = ("blur", "passthrough")
    photos = [
        MadePhoto(source=f"album/{o}-{i}.jpg", outcome=o, reason=reasons[i % 2], p=0.3 + i / 100)
        for o in OUTCOMES
        for i in range(4)
    ]
    photos += [
        MadePhoto(source=name, outcome=outcome, reason="colour_cast")
        for name, outcome in zip(
            NASTY, ("ok", "flagged", "corrected", "quarantined", "rejected"), strict=True
        )
    ]
    return _write(tmp_path_factory.mktemp("page"), photos)


class _Tags(HTMLParser):
    """The elements of a page and the addresses that they load."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.files: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.files += [value or "" for name, value in attrs if name == "data-name"]
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset")
        ]


def test_the_page_loads_nothing_from_outside_of_itself(written):
    text = written.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    assert tags.addresses
    assert all(address.startswith("data:") for address in tags.addresses)
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttp", text)


def test_no_file_name_becomes_markup(written):
    tags = _Tags()
    tags.feed(written.read_text(encoding="utf-8"))
    assert tags.names.count("script") == 1
    assert "onerror" not in tags.attributes


def test_every_nasty_name_can_be_read_on_the_page(written):
    tags = _Tags()
    tags.feed(written.read_text(encoding="utf-8"))
    assert set(NASTY) <= set(tags.files)


def test_a_photo_that_is_gone_leaves_a_page_that_says_so(tmp_path):
    photos = [MadePhoto(source="a.jpg", outcome="flagged")]
    _write(tmp_path, photos)
    shutil.rmtree(tmp_path / "photos")
    run = make_run(tmp_path, photos)
    write_report(run)
    assert "not there any more" in run.folder.report_html.read_text(encoding="utf-8")


def test_a_large_run_embeds_a_sample_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MAX_CARDS", 3)
    monkeypatch.setattr(page_module, "MAX_GALLERY", 4)
    photos = [MadePhoto(source=f"{i}.jpg", outcome="flagged") for i in range(8)]
    photos += [MadePhoto(source=f"ok{i}.jpg") for i in range(9)]
    text = _write(tmp_path, photos).read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 3 * 2 + 4 * 2
    assert "The 3 most unusual of 8 flagged images are shown with pictures" in text
    assert "4 of 9 images, picked evenly" in text
    assert text.count('data-item data-status="flagged"') == 8


@pytest.mark.parametrize(
    ("p", "said"),
    [(None, "not scored"), (0.5, "p = 0.50"), (0.004975, "p = 0.005"), (0.05, "p = 0.05")],
)
def test_a_p_value_is_said_in_two_digits(p, said):
    assert p_words(p) == said


_SHOWN = "[...document.querySelectorAll('[data-item]')].filter(i => i.offsetParent).map(i => i.dataset.name)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium is installed, so the page cannot be opened")
    with open_page(chromium, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def opened(browser, written):
    browser.complaints.clear()
    browser.open(written.as_uri())
    return browser


@pytest.mark.slow
def test_the_page_opens_without_a_complaint_and_shows_every_picture(opened):
    broken = opened.run(
        "Promise.all([...document.images].filter(i => i.src).map(i => i.decode().then(() => 0, () => 1)))"
        ".then(r => r.reduce((a, b) => a + b, 0))"
    )
    assert broken == 0
    assert opened.run("document.images.length") > 40
    assert opened.run("window.hacked") is None
    assert opened.complaints == []


@pytest.mark.slow
def test_a_click_on_a_status_leaves_only_its_images(opened):
    opened.run("document.querySelector('[data-filter-status=corrected]').click()")
    names = opened.run(_SHOWN)
    assert len(names) == 5
    assert all(name.startswith("album/corrected") or name == NASTY[2] for name in names)
    assert opened.run("document.getElementById('shown').value").startswith("5 of ")
    opened.run("document.querySelector('[data-filter-status=\"\"]').click()")
    assert len(opened.run(_SHOWN)) > 30


@pytest.mark.slow
def test_a_reason_and_a_status_filter_together(opened):
    opened.run("document.querySelector('[data-filter-status=quarantined]').click()")
    opened.run("reason.value = 'blur'; reason.dispatchEvent(new Event('change', {bubbles: true}))")
    assert sorted(opened.run(_SHOWN)) == ["album/quarantined-0.jpg", "album/quarantined-2.jpg"]


@pytest.mark.slow
def test_the_search_finds_file_names_whatever_the_case(opened):
    opened.run("search.value = 'NÄME WITH'; search.dispatchEvent(new Event('input'))")
    assert opened.run(_SHOWN) == [NASTY[0]]
    opened.run("search.value = 'no such file'; search.dispatchEvent(new Event('input'))")
    assert opened.run(_SHOWN) == []
    assert opened.run("document.getElementById('nothing').offsetParent !== null")


@pytest.mark.slow
def test_a_link_with_a_filter_opens_filtered(opened, written):
    opened.open(written.as_uri() + "?again#status=rejected")
    assert NASTY[4] in opened.run(_SHOWN)
    assert len(opened.run(_SHOWN)) == 9


@pytest.mark.slow
def test_an_image_enlarges_and_the_arrows_compare(opened):
    opened.run("document.querySelector('.card.corrected button.frame').click()")
    label = "document.getElementById('light-label').textContent"
    arrow = (
        "document.getElementById('light')"
        ".dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))"
    )
    assert opened.run("document.getElementById('light').open")
    seen = [opened.run(label), opened.run(f"{arrow}, {label}"), opened.run(f"{arrow}, {label}")]
    assert seen == ["Photograph", "First output", "Corrected"]
    assert opened.run(f"{arrow}, {label}") == "Photograph"
    assert opened.complaints == []
