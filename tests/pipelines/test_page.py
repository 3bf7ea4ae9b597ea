"""report.html: self-contained, escaped, and a page that works in a browser."""

import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines import page_pictures, page_rows
from pipelines.page_rows import as_script, choose_rows
from pipelines.report import write_report
from pipelines.review_import import import_reviews
from tests.pipelines.browser import Page, find_chromium, open_page
from tests.pipelines.made_runs import (
    OUTCOMES,
    MadePhoto,
    make_run,
    write_run,
)

NASTY = (
    "näme with spaces & <b>.jpg",
    '"><script>window.hacked = 1<script>.jpg',
    "' onerror='window.hacked=1.jpg",
    "{{ 7 * 7 }}.jpg",
    "<img src=x onerror=window.hacked=1>.jpg",
)


def _write(root: Path, photos: list[MadePhoto]) -> Path:
    run = write_run(root, photos)
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
        self.facts = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset")
        ]

    def handle_data(self, data: str) -> None:
        if data.startswith('{"run"'):
            self.facts = data


def _tags(page: Path) -> _Tags:
    tags = _Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    return tags


def _rows(page: Path) -> list[dict[str, Any]]:
    return json.loads(_tags(page).facts)["rows"]


def test_the_page_loads_nothing_from_outside_of_itself(written):
    tags = _tags(written)
    assert tags.addresses
    assert all(address.startswith("data:") for address in tags.addresses)
    text = written.read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttp", text)


def test_no_file_name_becomes_markup(written):
    tags = _tags(written)
    assert tags.names.count("script") == 2  # the rows and the script
    assert "onerror" not in tags.attributes


def test_every_source_has_a_row_with_its_very_name(written):
    names = [row["name"] for row in _rows(written)]
    assert set(NASTY) <= set(names)
    assert len(set(names)) == len(names) == 9 * 4 + len(NASTY)


def test_the_worst_come_first(written):
    statuses = [row["status"] for row in _rows(written)]
    order = ["quarantined", "flagged", "corrected", "pending", "ok", "rejected"]
    assert statuses == sorted(statuses, key=order.index)


def test_links_lead_to_the_files_whatever_their_names(written):
    from urllib.parse import unquote

    linked = [picture["file"] for row in _rows(written) for picture in row.get("pictures", ())]
    assert len(linked) > 60
    assert all((written.parent / unquote(address)).is_file() for address in linked)
    assert not any(set(address) & set("<>\"'# ?") for address in linked)


def test_a_photo_that_is_gone_has_no_link_and_no_picture(tmp_path):
    photos = [MadePhoto(source="a.jpg", outcome="flagged")]
    _write(tmp_path, photos)
    shutil.rmtree(tmp_path / "photos")
    run = make_run(tmp_path, photos)
    write_report(run)
    [row] = _rows(Path(str(run.folder.report_html)))
    photo, delivered = row["pictures"]
    assert photo == {"role": "photo"}
    assert set(delivered) == {"role", "file", "thumb"}


def test_a_large_run_embeds_a_sample_and_links_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(page_pictures, "MAX_FLAGGED", 3)
    monkeypatch.setattr(page_pictures, "MAX_GOOD", 4)
    photos = [MadePhoto(source=f"{i}.jpg", outcome="flagged") for i in range(8)]
    photos += [MadePhoto(source=f"ok{i}.jpg") for i in range(9)]
    page = _write(tmp_path, photos)
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 3 * 2 + 4 * 2
    assert all(len(row["pictures"]) == 2 for row in _rows(page))


def test_a_huge_run_lists_what_is_wrong_and_says_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(page_rows, "MAX_ROWS", 5)
    photos = [MadePhoto(source=f"{i}.jpg", outcome="quarantined") for i in range(3)]
    photos += [MadePhoto(source=f"ok{i}.jpg") for i in range(9)]
    page = _write(tmp_path, photos)
    assert [row["status"] for row in _rows(page)] == ["quarantined"] * 3 + ["ok"] * 2
    assert "The page lists 5 of 12 files" in page.read_text(encoding="utf-8")


def test_more_faults_than_rows_leave_the_worst(monkeypatch):
    monkeypatch.setattr(page_rows, "MAX_ROWS", 2)
    rows = pa.table({"status": ["flagged"] * 4 + ["ok"], "at": list(range(5))})
    assert choose_rows(rows)["at"].to_pylist() == [0, 1]


def test_no_text_ends_the_script_element_and_none_is_changed():
    text = "</script><!-- & \u2028 näme"
    assert not set("<>&") & set(as_script([text]))
    assert json.loads(as_script([text])) == [text]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (("ok", "ok"), "None of 2 scored outputs was flagged."),
        (("unscored",), "No output of this run has a calibrated score."),
        ((), "No output of this run has a calibrated score."),
    ],
)
def test_where_nothing_is_wrong_or_known_the_page_says_so(tmp_path, outcomes, said):
    photos = [MadePhoto(source=f"{i}.jpg", outcome=o) for i, o in enumerate(outcomes)]
    assert said in _write(tmp_path, photos).read_text(encoding="utf-8")


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
    browser.run("localStorage.clear()")
    browser.open(written.as_uri())
    return browser


def _listed(page: Page) -> list[str]:
    """The names in the list, top to bottom; the made runs fit into the window."""
    return page.run("chosenRows().map(row => row.name)")


def _drawn(page: Page) -> list[str]:
    return page.run(
        "[...document.querySelectorAll('.row')].sort((a, b) => parseFloat(a.style.top)"
        " - parseFloat(b.style.top)).map(row => row.dataset.name)"
    )


def _text(page: Page, name: str) -> str:
    return page.run(f"document.getElementById('{name}').textContent")


def _pick(page: Page, name: str, value: str) -> None:
    """What choosing an entry of a select does; the menu itself is not a part of the page."""
    page.run(f"{name}.value = {value!r}; {name}.dispatchEvent(new Event('change'))")


_BROKEN = """Promise.all([...document.querySelectorAll("img[src]")].map(
    (image) => image.complete || image.loading === "lazy" || new Promise((then) => {
        image.addEventListener("load", then); image.addEventListener("error", then); })
)).then(() => [...document.querySelectorAll("img[src]")].filter(
    (image) => image.hidden || (image.complete && !image.naturalWidth)).length)"""


@pytest.mark.slow
def test_the_page_opens_without_a_complaint_and_every_picture_of_every_row_is_there(opened):
    for _ in range(len(_listed(opened))):
        assert opened.run(_BROKEN) == 0
        opened.press("j")
    assert opened.run("window.hacked") is None
    assert opened.complaints == []


@pytest.mark.slow
def test_a_click_on_a_status_leaves_only_its_images(opened):
    opened.click("[data-filter-status=corrected]")
    names = _drawn(opened)
    assert len(names) == 5
    assert all(name.startswith("album/corrected") or name == NASTY[2] for name in names)
    assert opened.run("shown.value").startswith("5 of ")
    opened.click("[data-filter-status='']")
    assert len(_listed(opened)) == 9 * 4 + len(NASTY)


@pytest.mark.slow
def test_a_reason_and_a_status_filter_together(opened):
    opened.click("[data-filter-status=quarantined]")
    _pick(opened, "reason", "blur")
    assert sorted(_drawn(opened)) == ["album/quarantined-0.jpg", "album/quarantined-2.jpg"]


@pytest.mark.slow
def test_the_search_finds_file_names_whatever_the_case(opened):
    opened.press("/")
    opened.write("NÄME WITH")
    assert _drawn(opened) == [NASTY[0]]
    opened.write(" no such file")
    assert _drawn(opened) == []
    assert opened.run("document.getElementById('nothing').offsetParent !== null")
    assert opened.run("document.getElementById('detail').hidden")
    opened.click("#all")
    assert len(_listed(opened)) > 30


@pytest.mark.slow
def test_rows_are_sorted_by_p_name_or_reason_both_ways(opened):
    _pick(opened, "sort", "name")
    names = _listed(opened)
    assert names.index("album/corrected-0.jpg") < names.index("album/ok-1.jpg")
    _pick(opened, "sort", "p")
    ps = opened.run("chosenRows().map(row => row.p ?? 2)")
    assert ps == sorted(ps)
    _pick(opened, "sort", "reason")
    reasons = opened.run("chosenRows().map(row => row.reason ?? 'zzz')")
    assert reasons == sorted(reasons)
    opened.click("#direction")
    assert opened.run("chosenRows().map(row => row.reason ?? 'zzz')") == reasons[::-1]


@pytest.mark.slow
def test_a_link_with_a_filter_opens_filtered(opened, written):
    opened.open(written.as_uri() + "?again#status=rejected")
    assert NASTY[4] in _drawn(opened)
    assert len(_drawn(opened)) == 9


@pytest.mark.slow
def test_keys_walk_through_the_list_and_the_focus_can_be_seen(opened):
    names = _listed(opened)
    assert _text(opened, "name") == names[0]
    opened.press("j", "j", "k")
    assert _text(opened, "name") == names[1]
    opened.run("document.getElementById('list').focus()")
    opened.press("ArrowDown", "End")
    assert _text(opened, "name") == names[-1]
    assert opened.run("document.querySelector('[aria-selected=true]').dataset.name") == names[-1]
    assert opened.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    active = opened.run("document.getElementById('list').getAttribute('aria-activedescendant')")
    assert opened.run(f"document.getElementById('{active}').dataset.name") == names[-1]


@pytest.mark.slow
def test_the_boundary_follows_the_mouse_and_the_arrow_keys(opened):
    opened.drag("#compare", 0.5, 0.25)
    assert abs(int(opened.run("slider.value")) - 25) <= 1
    left = opened.run("getComputedStyle(document.getElementById('left')).clipPath")
    assert left.startswith("inset(0px 7")
    opened.press("ArrowRight", "ArrowRight")
    assert abs(int(opened.run("slider.value")) - 27) <= 1
    assert "percent" in opened.run("slider.getAttribute('aria-valuetext')")


@pytest.mark.slow
def test_a_corrected_image_is_compared_with_its_photo_and_with_its_first_output(opened):
    opened.click("[data-filter-status=corrected]")
    captions = "[...document.querySelectorAll('#triptych b')].map(b => b.textContent)"
    assert opened.run(captions) == ["Photograph", "First output", "Corrected"]
    assert (_text(opened, "left-label"), _text(opened, "right-label")) == (
        "Photograph",
        "Corrected",
    )
    opened.click("[data-against=first]")
    assert _text(opened, "left-label") == "First output"


@pytest.mark.slow
def test_an_image_enlarges_and_the_arrows_compare(opened):
    opened.click("[data-filter-status=corrected]")
    opened.click("#triptych button.frame")
    assert opened.run("document.getElementById('light').open")
    seen = [_text(opened, "light-label")]
    for _ in range(3):
        opened.press("ArrowRight")
        seen.append(_text(opened, "light-label"))
    assert seen == ["Photograph", "First output", "Corrected", "Photograph"]
    opened.press("Escape")
    assert not opened.run("document.getElementById('light').open")
    assert opened.complaints == []


@pytest.mark.slow
def test_of_many_rows_only_those_in_sight_are_in_the_document(browser, written, tmp_path):
    facts = json.loads(_tags(written).facts)
    row = {key: value for key, value in facts["rows"][0].items() if key != "pictures"}
    many = facts | {"rows": [row | {"name": f"{i:05}.jpg", "p": i / 10_000} for i in range(10_000)]}
    text = written.read_text(encoding="utf-8")
    page = tmp_path / "many.html"
    page.write_text(text.replace(_tags(written).facts, as_script(many)), encoding="utf-8")
    browser.open(page.as_uri())
    assert 5 < len(_drawn(browser)) < 40
    browser.run("document.getElementById('list').focus()")
    browser.press("End")
    assert _text(browser, "name") == "09999.jpg"
    assert _drawn(browser)[-1] == "09999.jpg"
    assert len(_drawn(browser)) < 40


_FLAGGED_0 = "album/flagged-0.jpg"


def _find(page: Page, name: str) -> None:
    page.press("/")
    page.write(name)
    page.press("Escape")


@pytest.mark.slow
def test_verdicts_by_key_and_by_mouse_outlive_the_page(opened, written):
    _find(opened, _FLAGGED_0)
    opened.press("b", "w")
    opened.write("a halo")
    opened.press("Enter", "Escape")
    _find(opened, NASTY[1])
    opened.run("search.value = ''")
    opened.click("[data-verdict=good]")
    assert _text(opened, "count") == "2 verdicts to export"
    opened.open(written.as_uri() + "?again")
    assert _text(opened, "count") == "2 verdicts to export"
    _pick(opened, "verdict", "bad")
    assert _drawn(opened) == [_FLAGGED_0]
    assert opened.run("why.value") == "a halo"
    assert opened.run("document.querySelector('.mark').textContent") == "✕ bad"
    opened.press("u")
    assert _text(opened, "count") == "1 verdict to export"
    assert opened.complaints == []


@pytest.mark.slow
def test_an_image_without_a_picture_takes_no_verdict(opened):
    opened.click("[data-filter-status=rejected]")
    opened.press("b")
    assert _text(opened, "count") == "0 verdicts to export"
    assert opened.run("document.getElementById('judge').hidden")


@pytest.mark.slow
def test_a_changed_verdict_drops_the_reason_of_the_other(opened):
    opened.press("b", "w")
    opened.write("too dark")
    opened.press("Enter", "g")
    assert opened.run("why.value") == ""


@pytest.mark.slow
def test_the_download_names_the_run_and_the_very_bytes_that_were_judged(opened, written, tmp_path):
    opened.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.run("reviewer.value = 'Zoë'; reviewer.dispatchEvent(new Event('input'))")
    _find(opened, NASTY[2])
    opened.press("b")
    opened.click("#export")
    file = _downloaded(tmp_path)
    head, verdict = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    row = next(row for row in _rows(written) if row["name"] == NASTY[2])
    assert head == {"ganst_reviews": 1, "run": json.loads(_tags(written).facts)["run"]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z", verdict.pop("time"))
    assert verdict == {
        "source": NASTY[2],
        "attempt_id": row["attempt"],
        "output_sha256": row["sha"],
        "verdict": "bad",
        "why": "",
        "reviewer": "Zoë",
    }


def _downloaded(folder: Path) -> Path:
    deadline = time.monotonic() + 20
    while not (files := list(folder.glob("*.jsonl"))):
        assert time.monotonic() < deadline, "nothing was downloaded"
        time.sleep(0.05)
    return files[0]


def test_what_was_flagged_has_a_heat_map_and_nothing_else(written):
    for row in _rows(written):
        was_flagged = row["status"] in ("flagged", "corrected", "quarantined")
        assert ("heat" in row) == was_flagged
        if was_flagged:
            assert row["heat"]["role"] == ("delivered" if row["status"] == "flagged" else "first")
            assert row["heat"]["map"].startswith("data:image/webp;base64,")
            assert row["heat"]["words"]


def test_only_the_worst_have_heat_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(page_pictures, "MAX_HEATED", 2)
    photos = [MadePhoto(source=f"{k}.jpg", outcome="flagged", p=0.1 * k + 0.1) for k in range(4)]
    rows = _rows(_write(tmp_path, photos))
    assert [row["name"] for row in rows if "heat" in row] == ["0.jpg", "1.jpg"]


@pytest.mark.slow
def test_a_key_and_a_button_lay_the_heat_over_the_first_output(opened):
    shown = """Promise.all([...document.querySelectorAll('.heat:not([hidden])')].map(
        image => image.decode().then(() => image.naturalWidth > 0)))"""
    opened.run("want({status: 'corrected'})")
    assert opened.run(shown) == []
    opened.press("h")
    assert opened.run(shown) == [True, True]  # in the comparison and in the triptych
    assert opened.run("document.querySelector('[data-against=first]').ariaPressed") == "true"
    opened.click("#heat")
    assert opened.run(shown) == []
    opened.run("want({status: 'ok'})")
    opened.press("h")
    assert opened.run(shown) == []
    assert opened.run("element('heating').hidden")


@pytest.mark.slow
def test_a_suggestion_is_seen_beside_the_others_and_taken_by_key_or_by_mouse(browser, tmp_path):
    photos = [
        MadePhoto(source="kept.jpg", outcome="quarantined", is_suggested=True, p=0.1),
        MadePhoto(source="lost.jpg", outcome="quarantined", p=0.2),
    ]
    page = _write(tmp_path, photos)
    browser.open(page.as_uri())
    captions = "[...document.querySelectorAll('#triptych b')].map(b => b.textContent)"
    labels = ["Photograph", "First output, in quarantine", "Suggestion, not delivered"]
    assert browser.run(captions) == labels
    assert _text(browser, "right-label") == labels[2]
    browser.press("t")
    assert browser.run("document.querySelector('.mark').textContent") == "✓ suggestion"
    assert browser.run("take.ariaPressed") == "true"
    assert browser.run("JSON.parse(localStorage.getItem(`ganst.reviews.${facts.run}`)).length") == 1
    browser.open(page.as_uri() + "?again")
    assert _text(browser, "count") == "1 verdict to export"
    browser.click("#take")
    assert _text(browser, "count") == "0 verdicts to export"
    browser.press("j", "t")
    assert _text(browser, "name") == "lost.jpg"
    assert browser.run("take.hidden")
    assert _text(browser, "count") == "0 verdicts to export"
    assert browser.complaints == []


@pytest.mark.slow
def test_what_the_page_says_of_a_suggestion_can_be_imported(browser, tmp_path):
    run = write_run(
        tmp_path / "made", [MadePhoto(source="kept.jpg", outcome="quarantined", is_suggested=True)]
    )
    write_report(run)
    browser.open(Path(str(run.folder.report_html)).as_uri())
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.press("t")
    browser.click("#export")
    import_reviews(run, str(_downloaded(tmp_path)))
    assert write_report(run).counts["corrected"] == 1
