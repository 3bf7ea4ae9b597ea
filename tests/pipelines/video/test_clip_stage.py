"""Clips through ingest and stylize: what goes in comes out, and what cannot is one sentence."""

import errno
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from upath import UPath

from pipelines.config import ComputeConfig
from pipelines.errors import EmptyFolderError
from pipelines.ingest import ingest
from pipelines.parquet import read_table
from pipelines.report import write_report
from pipelines.schema import CATALOG
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from pipelines.video import plan as plan_module
from pipelines.video import rendering, writing
from pipelines.video.reading import to_pixels
from pipelines.video.scan import scan_clip
from pipelines.video.stage import with_stylized_clips
from pipelines.video.stylize import stylize_clips
from tests.pipelines.photo_folders import make_photos, make_run, make_style
from tests.pipelines.video.made_clips import (
    add_tone,
    packets_of,
    pixels_of,
    shot,
    times_of,
    write_clip,
    write_growing,
)

SERIAL = ComputeConfig(workers=0)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_style(tmp_path_factory.mktemp("styles"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def stylized(tmp_path, folder, pack):
    """Ingest and stylize the folder's clips; gives the rows and the folder of outputs."""

    def work(**config: object) -> tuple[dict[str, dict], Path]:
        run = make_run(folder, tmp_path / "RUN", pack, **config)
        ingest(run, SERIAL)
        summary = stylize_clips(run, SERIAL)
        assert summary.failed == ()
        rows = {row["source"]: row for row in read_stylized(run.folder).to_pylist()}
        return rows, tmp_path / "RUN" / "images"

    return work


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_clip_keeps_times_sound_subtitles_and_size(folder, stylized, name):
    frames = [*shot(20), *shot(15, seed=1)]
    source = write_clip(folder / name, frames, sound=True, subtitle=name == "a.mkv")
    rows, images = stylized()
    row = rows[name]
    assert (row["status"], row["output"], row["width"], row["height"]) == ("ok", name, 96, 64)
    output = images / name
    assert times_of(output) == times_of(source)
    assert packets_of(output, "audio") == packets_of(source, "audio") != []
    assert packets_of(output, "subtitle") == packets_of(source, "subtitle")
    assert len(packets_of(output, "subtitle")) == (1 if name == "a.mkv" else 0)
    before, after = pixels_of(source), pixels_of(output)
    assert all(a.shape == b.shape for a, b in zip(before, after, strict=True))
    assert (before[0].float() - after[0].float()).abs().mean() > 5


def test_uneven_times_are_kept_to_the_tick(folder, stylized):
    times = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21, 22, 23]
    source = write_clip(folder / "vfr.mkv", shot(12), pts=times)
    stylized()
    assert times_of(source) == pytest.approx([t / 25 for t in times], abs=1e-3)
    assert times_of(folder.parent / "RUN" / "images" / "vfr.mkv") == times_of(source)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "output"),
    [
        ("a.mov", "libx264", "yuv420p", "a.mov"),
        ("a.m4v", "libx264", "yuv420p", "a.m4v"),
        ("a.webm", "libvpx-vp9", "yuv420p", "a.mkv"),
        ("a.gif", "gif", "rgb8", "a.mp4"),
        ("a.mkv", "libx264", "yuv444p", "a.mkv"),
    ],
)
def test_every_container_comes_back_as_h264(folder, stylized, name, codec, pixels, output):
    write_clip(folder / name, shot(6), codec=codec, pixels=pixels)
    rows, images = stylized()
    assert rows[name]["output"] == output
    with av.open(str(images / output)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 6


def test_odd_sides_are_made_even(folder, stylized):
    write_clip(folder / "odd.mkv", shot(4, size=(97, 65)), pixels="yuv444p")
    rows, images = stylized()
    assert rows["odd.mkv"]["status"] == "ok"
    assert {tuple(frame.shape[1:]) for frame in pixels_of(images / "odd.mkv")} == {(66, 98)}


def test_a_turned_clip_comes_back_upright(folder, stylized):
    write_clip(folder / "turned.mp4", shot(4), rotation=90, aspect=Fraction(2, 1))
    rows, images = stylized()
    assert (rows["turned.mp4"]["width"], rows["turned.mp4"]["height"]) == (64, 96)
    with av.open(str(images / "turned.mp4")) as container:
        stream = container.streams.video[0]
        assert next(container.decode(stream)).rotation == 0
        assert stream.sample_aspect_ratio == Fraction(1, 2)


def test_the_longest_side_can_be_limited(folder, stylized):
    write_clip(folder / "a.mp4", shot(3))
    rows, _ = stylized(max_side=48)
    assert (rows["a.mp4"]["width"], rows["a.mp4"]["height"]) == (48, 32)


def test_frames_do_not_depend_on_where_segments_end(folder, stylized, monkeypatch, tmp_path, pack):
    write_clip(folder / "a.mp4", [*shot(40), *shot(26, seed=1)])
    monkeypatch.setattr("pipelines.video.writing._options", lambda *_: {"qp": "0", "bf": "0"})
    _, images = stylized()
    whole = pixels_of(images / "a.mp4")
    monkeypatch.setattr(plan_module, "SEGMENT_FRAMES", 9)
    monkeypatch.setattr(plan_module.plan_segments, "__defaults__", (9,))
    run = make_run(folder, tmp_path / "OTHER", pack)
    ingest(run, SERIAL)
    stylize_clips(run, SERIAL)
    plans = list((tmp_path / "OTHER" / "clips").glob("*/segment-*.nut"))
    assert len(plans) > 4
    cut = pixels_of(tmp_path / "OTHER" / "images" / "a.mp4")
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_a_second_call_does_nothing_and_a_lost_segment_is_made_alone(
    folder, tmp_path, pack, monkeypatch
):
    write_clip(folder / "a.mp4", shot(40))
    monkeypatch.setattr(plan_module.plan_segments, "__defaults__", (12,))
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    stylize_clips(run, SERIAL)
    output = (tmp_path / "RUN" / "images" / "a.mp4").read_bytes()
    assert stylize_clips(run, SERIAL).skipped == 1
    shards = tmp_path / "RUN" / "shards"
    lost = sorted((shards / "video").glob("*.parquet"))
    assert len(lost) == 4  # at the key frames
    lost[1].unlink()
    for part in (shards / "stylize").glob("*.parquet"):
        part.unlink()
    segments = sorted((tmp_path / "RUN" / "clips").glob("*/segment-*.nut"))
    before = [path.stat().st_mtime_ns for path in segments]
    stylize_clips(run, SERIAL)
    assert sum(a != path.stat().st_mtime_ns for a, path in zip(before, segments, strict=True)) == 1
    assert (tmp_path / "RUN" / "images" / "a.mp4").read_bytes() == output


BAD_AT_INGEST = {
    "headless.mp4": "cannot be read as a video",
    "text.mp4": "not the clip that its name says",
    "empty.mkv": "not the clip that its name says",
    "sound.mp4": "no video stream",
    "frameless.mkv": "cannot be read as a video: End of file",
    "strange.mp4": "codec",
}
BAD_LATER = {
    "cut.mkv": "cut off: of 2.4 s the first",
    "cut.mp4": "damaged behind its frame",
    "growing.mkv": "size changes from 96 x 64 to 128 x 64 at frame 5",
}


def make_bad_clips(folder: Path) -> None:
    """A clip for every name above."""
    whole = write_clip(folder / "cut.mkv", shot(60), keys_every=5).read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    tail = write_clip(folder / "headless.mp4", shot(30)).read_bytes()
    (folder / "headless.mp4").write_bytes(tail[: len(tail) // 2])
    begin = write_clip(folder / "cut.mp4", shot(60), faststart=True).read_bytes()
    (folder / "cut.mp4").write_bytes(begin[: len(begin) * 2 // 3])
    (folder / "text.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n")
    (folder / "empty.mkv").write_bytes(b"")
    with av.open(str(folder / "sound.mp4"), "w") as container:
        add_tone(container, container.add_stream("aac", rate=44_100, layout="mono"), 0.5)
    write_clip(folder / "frameless.mkv", shot(1), drop_packets=True)
    known = write_clip(folder / "strange.mp4", shot(5)).read_bytes()
    (folder / "strange.mp4").write_bytes(known.replace(b"avc1", b"zzzz"))
    small, large = shot(5), shot(5, size=(128, 64))
    write_growing(folder / "growing.mkv", small, large)


def test_bad_clips_are_rows_with_one_sentence_and_the_others_go_on(folder, stylized):
    write_clip(folder / "good.mp4", shot(5))
    make_bad_clips(folder)
    rows, images = stylized()
    catalog = {
        row["source"]: row for row in read_table_of(folder.parent / "RUN" / "catalog.parquet")
    }
    assert rows["good.mp4"]["status"] == "ok"
    for known, expected in ((catalog, BAD_AT_INGEST), (rows, BAD_LATER)):
        for name, words in expected.items():
            assert known[name]["status"] == "rejected", name
            assert words in known[name]["error"], known[name]["error"]
            assert known[name]["error"].endswith(".")
            assert known[name]["error"].count(". ") == 0
    assert [path.name for path in images.iterdir()] == ["good.mp4"]


def test_a_full_disk_is_no_bad_clip(folder, tmp_path, pack, monkeypatch):
    write_clip(folder / "a.mp4", shot(5))
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_to_frame", _full)
        (failure,) = stylize_clips(run, SERIAL).failed
    assert "No space left on device" in failure
    assert "segment-000000.nut" in failure
    assert len(read_stylized(run.folder)) == 0
    assert not list((tmp_path / "RUN").rglob(".ganst-*"))
    summary = stylize_clips(run, SERIAL)
    assert (summary.done, summary.rejected) == (1, 0)


def _full(*_: object) -> None:
    raise av.FFmpegError(errno.ENOSPC, "No space left on device")


def test_what_a_real_full_device_says_is_known(folder):
    """FFmpeg's own error, off a device that takes nothing."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    frames = [torch.from_numpy(frame).permute(2, 0, 1) for frame in shot(200)]
    source = write_clip(folder / "a.mp4", shot(200))
    plan = scan_clip(UPath(source), "MP4", None)
    with pytest.raises(OSError, match="No space left") as caught:
        writing.write_segment(Path("/dev/full"), enumerate(frames), plan, 0)
    assert not isinstance(caught.value, av.FFmpegError)


def test_a_clip_that_was_trimmed_without_encoding_is_whole(folder, stylized):
    write_clip(folder / "a.mp4", shot(50), keys_every=5, trimmed_s=1.0)
    rows, images = stylized()
    assert rows["a.mp4"]["status"] == "ok"
    assert len(times_of(images / "a.mp4")) == 25


def test_the_same_clip_gives_the_same_bytes_in_every_container(folder, stylized, tmp_path, pack):
    for name in ("a.mp4", "a.mkv", "a.mov"):
        write_clip(folder / name, shot(5), sound=True)
    _, images = stylized()
    run = make_run(folder, tmp_path / "AGAIN", pack)
    ingest(run, SERIAL)
    stylize_clips(run, SERIAL)
    for path in images.iterdir():
        assert path.read_bytes() == (tmp_path / "AGAIN" / "images" / path.name).read_bytes()


def test_chapters_language_and_title_are_kept_and_places_on_demand_not(folder, stylized):
    source = write_clip(folder / "a.mkv", shot(50), sound=True, labelled=True)
    stylized(strip_location=True)
    with av.open(str(source)) as before, av.open(str(output_of(folder, "a.mkv"))) as after:
        assert "LOCATION" in before.metadata
        assert "LOCATION" not in after.metadata
        assert after.metadata["title"] == "A walk"
        assert [c["metadata"]["title"] for c in after.chapters()] == ["One", "Two"]
        assert after.streams.audio[0].language == before.streams.audio[0].language == "ita"


def exact_pixels_of(path: Path) -> list[torch.Tensor]:
    with av.open(str(path)) as container:
        return [to_pixels(frame, (96, 64)) for frame in container.decode(video=0)]


@pytest.mark.parametrize("full", [True, False])
def test_levels_and_marks_of_colour_are_kept(folder, stylized, full):
    source = write_clip(folder / "a.mp4", shot(3), full_range=full)
    stylized(strength=0.0, steady=False)
    before, after = exact_pixels_of(source), exact_pixels_of(output_of(folder, "a.mp4"))
    off = (before[0].float() - after[0].float()).mean(dim=(1, 2))
    assert off.abs().max() < 0.8  # 1.0 and more with FFmpeg's short cuts
    with av.open(str(output_of(folder, "a.mp4"))) as container:
        frame = next(container.decode(video=0))
        assert int(frame.color_range) == (2 if full else 1)
        assert int(frame.colorspace) == 6  # as its height lets every player guess


def test_a_turned_clip_is_turned_the_way_that_players_turn_it(folder, stylized):
    frames = shot(3)
    for frame in frames:
        frame[:32, :48] = 255  # the upper left corner
    write_clip(folder / "a.mp4", frames, rotation=90)  # counter-clockwise
    stylized(strength=0.0)
    (upright, *_) = pixels_of(output_of(folder, "a.mp4"))
    assert tuple(upright.shape[1:]) == (96, 64)
    assert upright[:, 60:84, 6:26].float().mean() > 240  # lower left now


def test_a_gif_keeps_how_long_its_last_frame_is_shown(folder, stylized):
    write_clip(folder / "a.gif", shot(6), codec="gif", pixels="rgb8")
    stylized()
    with av.open(str(output_of(folder, "a.mp4"))) as container:
        assert float((container.duration or 0) / av.time_base) == pytest.approx(0.24, abs=0.011)


def test_a_run_over_one_clip_leaves_its_neighbours_alone(folder, tmp_path, pack):
    write_clip(folder / "a.mp4", shot(4))
    write_clip(folder / "b.mp4", shot(4))
    run = make_run(folder / "a.mp4", tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    assert stylize_clips(run, SERIAL).total == 1
    assert write_report(run).sources == 1
    assert output_of(folder, "a.mp4").exists()
    gone = make_run(folder / "c.mp4", tmp_path / "OTHER", pack)
    with pytest.raises(EmptyFolderError, match=r"c\.mp4"):
        ingest(gone, SERIAL)


def test_a_clip_is_what_its_bytes_say_and_not_its_name(folder, tmp_path, pack):
    write_clip(folder / "a.mkv", shot(10), subtitle=True)
    (folder / "a.mkv").rename(folder / "a.mp4")
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    (row,) = read_table_of(tmp_path / "RUN" / "catalog.parquet")
    assert row["format"] == "MKV"
    assert row["output"].endswith(".mkv")


def test_a_stream_that_the_container_cannot_hold_is_left_out_and_told(
    folder, tmp_path, pack, monkeypatch
):
    write_clip(folder / "a.mkv", shot(10), subtitle=True)
    monkeypatch.setattr(rendering, "container_of", lambda _: "mp4")
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    summary = stylize_clips(run, SERIAL)
    assert summary.done == 1
    assert summary.notes == ("a.mkv: mp4 cannot hold its subtitle stream (srt)",)


def output_of(folder: Path, name: str) -> Path:
    return folder.parent / "RUN" / "images" / name


def read_table_of(path: Path) -> list[dict]:
    return read_table(UPath(path), CATALOG).to_pylist()


def test_a_clip_whose_frames_are_too_large_is_rejected_before_decoding(folder, stylized):
    write_clip(folder / "large.mp4", shot(2))
    stylized(max_pixels=96 * 64 - 1)
    (row,) = read_table_of(folder.parent / "RUN" / "catalog.parquet")
    assert "96 x 64" in row["error"]


def test_a_still_gif_is_a_photo(folder, tmp_path, pack):
    make_photos(folder, 1)
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(folder / "still.gif")
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    modes = {
        row["source"]: row["mode"] for row in read_table_of(tmp_path / "RUN" / "catalog.parquet")
    }
    assert modes["still.gif"] != "video"


def test_photos_and_clips_stand_in_one_report(folder, tmp_path, pack):
    make_photos(folder, 2)
    write_clip(folder / "album" / "a.mp4", shot(4))
    run = make_run(folder, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    made = with_stylized_clips(stylize(run, SERIAL), run, SERIAL, None)
    assert (made.done, made.images) == (3, 6)  # a speed counts frames
    summary = write_report(run, [made])
    assert summary.stages["stylize"].images == 6
    assert (summary.sources, summary.counts["ok"]) == (3, 3)
    assert "a.mp4" in (tmp_path / "RUN" / "report.html").read_text()
