import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.naming import assign_outputs, find_odd, format_of, output_name

FORMATS = ["JPEG", "PNG", "GIF", "TIFF", "MPO"]
SOURCES = st.dictionaries(
    st.from_regex(r"([aAb]/)?[ab](\.[aA])?(\.(jpg|JPG|png|gif|tif))?", fullmatch=True),
    st.sampled_from(FORMATS),
    max_size=12,
)
WANTED = st.sampled_from(["same", "jpeg", "png", "webp"])


def assign(formats, wanted, kept=None):
    return assign_outputs(formats, wanted, kept=kept or {}, sources=formats)


@pytest.mark.parametrize(
    ("source", "found", "wanted", "output"),
    [
        ("a/b.JPG", "JPEG", "same", "a/b.JPG"),
        ("b.jpg", "MPO", "same", "b.jpg"),
        ("b.gif", "GIF", "same", "b.png"),
        ("b.jp2", "JPEG2000", "same", "b.png"),
        ("b.png", "JPEG", "same", "b.jpg"),
        ("b.tif", "TIFF", "webp", "b.webp"),
        ("holiday 1.2", "JPEG", "same", "holiday 1.jpg"),
        ("no suffix", "PNG", "jpeg", "no suffix.jpg"),
    ],
)
def test_the_suffix_fits_the_format(source, found, wanted, output):
    assert output_name(source, found, wanted) == output


def test_two_files_of_one_stem_get_two_outputs():
    assert assign({"a.jpg": "JPEG", "a.png": "PNG"}, "jpeg") == {
        "a.jpg": "a.jpg",
        "a.png": "a.png.jpg",
    }


@given(SOURCES, WANTED)
def test_every_source_has_an_output_of_its_own(formats, wanted):
    outputs = assign(formats, wanted)
    assert outputs.keys() == formats.keys()
    assert len(set(outputs.values())) == len(outputs)


@given(SOURCES, WANTED)
def test_no_output_is_another_source_or_a_folder_and_new_names_ignore_case(formats, wanted):
    outputs = assign(formats, wanted)
    folders = {source.rsplit("/", 1)[0] for source in formats if "/" in source}
    new = [output for source, output in outputs.items() if output != source]
    assert not {name.casefold() for name in new} & {s.casefold() for s in formats.keys() | folders}
    assert len({name.casefold() for name in new}) == len(new)


@given(SOURCES, SOURCES, WANTED)
def test_names_stay_when_files_are_added(first, more, wanted):
    before = assign(first, wanted)
    after = assign(more | first, wanted, kept=before)
    assert {source: after[source] for source in before} == before
    assert len(set(after.values())) == len(after)


@given(SOURCES, WANTED)
def test_the_suffix_of_an_output_tells_the_format_to_write(formats, wanted):
    kinds = {format_of(output) for output in assign(formats, wanted).values()}
    assert kinds <= ({"jpeg", "png", "tiff"} if wanted == "same" else {wanted})


@given(SOURCES, WANTED, SOURCES, WANTED)
def test_looking_at_the_odd_ones_alone_gives_the_same_names(formats, wanted, earlier, before):
    kept = assign(earlier, before)
    moved = {source: output for source, output in kept.items() if output != source}
    odd = find_odd(formats.items(), wanted, moved)
    known = {source: kept[source] for source in odd if source in kept}
    found = assign_outputs(odd, wanted, kept=known, sources=formats)
    named = {source: found.get(source, source) for source in formats}
    assert named == assign(formats, wanted, kept)


def test_photos_that_keep_their_format_are_not_looked_at():
    formats = {"a.jpg": "JPEG", "b.PNG": "PNG", "c.gif": "GIF"}
    assert find_odd(formats.items(), "same", {}) == {"c.gif": "GIF"}
