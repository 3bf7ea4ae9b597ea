"""Fonts and covers of a clip are in its output."""

import io
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from PIL import Image

from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.video.attachments import Attachment, read_attachments
from pipelines.video.stylize import stylize_clips
from tests.pipelines.photo_folders import make_run, make_style
from tests.pipelines.video.made_clips import pixels_of, shot, write_clip

SERIAL = ComputeConfig(workers=0)


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, kind)
    return file.getvalue()


FILES = {"font.ttf": b"FONT" * 50, "cover.jpg": picture("JPEG"), "small_cover.png": picture("PNG")}
TYPES = {
    "font.ttf": "application/x-truetype-font",
    "cover.jpg": "image/jpeg",
    "small_cover.png": "image/png",
}


def fasten_files(container: av.container.OutputContainer) -> None:
    for name, data in FILES.items():
        container.add_attachment(name, TYPES[name], data)


def fasten_cover(container: av.container.OutputContainer) -> None:
    stream = container.add_mux_stream("png", width=30, height=20)
    stream.disposition = Disposition.attached_pic
    packet = av.Packet(FILES["small_cover.png"])
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    container.mux(packet)


@pytest.fixture
def stylized(tmp_path):
    """Stylize the clips of a folder; gives the summary and the output of a name."""

    def work(name: str) -> tuple[tuple[str, ...], Path]:
        pack = make_style(tmp_path / "styles")
        run = make_run(tmp_path / "photos", tmp_path / "RUN", pack)
        ingest(run, SERIAL)
        summary = stylize_clips(run, SERIAL)
        assert (summary.done, summary.rejected, summary.failed) == (1, 0, ())
        return summary.notes, tmp_path / "RUN" / "images" / name

    return work


def attachments_of(path: Path) -> list[Attachment]:
    with av.open(str(path)) as container:
        return read_attachments(container)


def test_fonts_and_covers_of_matroska_are_kept(tmp_path, stylized):
    source = write_clip(tmp_path / "photos" / "a.mkv", shot(6), sound=True, fasten=fasten_files)
    notes, output = stylized("a.mkv")
    assert notes == ()
    kept = attachments_of(output)
    assert {one.name: one.data for one in kept} == FILES
    assert {one.name: one.mimetype for one in kept} == TYPES
    assert attachments_of(source) == kept
    assert len(pixels_of(output)) == 6


def test_the_cover_of_an_mp4_is_kept_and_is_no_video(tmp_path, stylized):
    write_clip(tmp_path / "photos" / "a.mp4", shot(6), sound=True, fasten=fasten_cover)
    notes, output = stylized("a.mp4")
    assert notes == ()
    (cover,) = attachments_of(output)
    assert (cover.codec, cover.data) == ("png", FILES["small_cover.png"])
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert len(pixels_of(output)) == 6


def test_what_the_container_cannot_hold_is_told(tmp_path, stylized, monkeypatch):
    write_clip(tmp_path / "photos" / "a.mkv", shot(6), fasten=fasten_files)
    monkeypatch.setattr("pipelines.video.rendering.container_of", lambda _: "mov")
    notes, _ = stylized("a.mkv")
    left_out = ("attachment font.ttf", "cover cover.jpg", "cover small_cover.png")
    assert notes == ("a.mkv: " + "; ".join(f"mov cannot hold its {one}" for one in left_out),)
