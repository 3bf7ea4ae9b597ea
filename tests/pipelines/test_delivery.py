"""Outputs read back with Pillow: format, compression, and what they say about themselves."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageCms, JpegImagePlugin

from pipelines.config import ComputeConfig
from pipelines.errors import UnstylizableImageError
from pipelines.images import decode, encode
from pipelines.ingest import ingest
from pipelines.metadata import make_exif, srgb_profile
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import file_of, make_run, make_style, smooth, tree

SERIAL = ComputeConfig(workers=0)
LIMIT = 10**7
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_style(tmp_path_factory.mktemp("styles"))


def camera_exif(*, note: bytes = b"") -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    exif[0x013B] = "A. Photographer"
    exif[0x0131] = "Camera 1.0"
    exif[0x8769] = {0x8827: 200, 0xA002: 48, 0xA003: 36, 0x927C: b"secret" + note}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
    return exif.tobytes()


def outputs(tmp_path: Path, pack, files: dict[str, bytes], **config: object) -> dict[str, bytes]:
    photos = tmp_path / "photos"
    photos.mkdir(exist_ok=True)
    for name, data in files.items():
        (photos / name).write_bytes(data)
    run = make_run(photos, tmp_path / f"RUN-{len(list(tmp_path.iterdir()))}", pack, **config)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    found = tree(Path(str(run.folder.root / "images")))
    assert len(found) == len(files)
    return found


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def plain_files(**options: object) -> dict[str, bytes]:
    return {f"photo.{name.lower()}": file_of(smooth(48, 36), name, **options) for name in FORMATS}


def camera_files() -> dict[str, bytes]:
    return plain_files(exif=camera_exif())


def test_every_format_keeps_the_cameras_words_without_its_orientation(tmp_path, pack):
    for name, data in outputs(tmp_path, pack, camera_files()).items():
        image = opened(data)
        exif = image.getexif()
        assert image.format == name.split(".")[1].upper()
        assert image.size == (36, 48)
        assert 0x0112 not in exif
        assert (exif[0x010F], exif[0x013B]) == ("Maker", "A. Photographer")
        if image.format == "TIFF":  # its compressed files hold the first directory only
            continue
        details = exif.get_ifd(0x8769)
        assert (details[0xA002], details[0xA003]) == (36, 48)
        assert details[0x8827] == 200
        assert dict(exif.get_ifd(0x8825))[1] == "N"


@pytest.mark.parametrize("files", [camera_files, plain_files])
def test_every_format_says_style_digest_and_version(tmp_path, pack, files):
    for name, data in outputs(tmp_path, pack, files()).items():
        software = opened(data).getexif()[0x0131]
        assert software.startswith("GANST ")
        assert software.endswith(f"style toy {pack.digest}")
        if name.endswith("png"):
            assert opened(data).info["Software"] == software


def test_every_format_is_tagged_as_srgb_and_comes_back_unchanged(tmp_path, pack):
    for data in outputs(tmp_path, pack, camera_files()).values():
        profile = opened(data).info["icc_profile"]
        assert profile == srgb_profile()
        assert "sRGB" in ImageCms.getProfileDescription(
            ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )
        plain = torch.tensor(list(opened(data).convert("RGB").tobytes())).reshape(48, 36, 3)
        assert torch.equal(decode(data, max_pixels=LIMIT).pixels, plain.permute(2, 0, 1).byte())


def test_the_profile_does_not_tell_the_time():
    assert srgb_profile()[24:36] == bytes(12)


def test_the_location_goes_when_asked_and_nothing_else(tmp_path, pack):
    for data in outputs(tmp_path, pack, camera_files(), strip_location=True).values():
        exif = opened(data).getexif()
        assert not exif.get_ifd(0x8825)
        assert exif[0x010F] == "Maker"
        assert exif[0x013B] == "A. Photographer"
        assert b"\x00\x00\x00\x30\x00\x00\x00\x01\x00\x00\x00\x08" not in data  # 48/1 and 8


def test_no_preview_of_the_photo_is_left_in_its_output(tmp_path, pack):
    preview = file_of(smooth(16, 12), "JPEG")
    exif = camera_exif()
    # A second directory, IFD1, which only holds the place of the preview.
    data = file_of(smooth(48, 36), "JPEG", exif=exif + preview)
    (output,) = outputs(tmp_path, pack, {"photo.jpg": data}).values()
    assert preview not in output


@pytest.mark.parametrize(("subsampling", "code"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
def test_the_subsampling_is_the_one_asked_for(tmp_path, pack, subsampling, code):
    files = {"photo.jpg": file_of(smooth(48, 36), "JPEG")}
    (output,) = outputs(tmp_path, pack, files, subsampling=subsampling).values()
    assert JpegImagePlugin.get_sampling(opened(output)) == code


def test_the_quality_is_the_one_asked_for(tmp_path, pack):
    files = {"photo.jpg": file_of(smooth(48, 36), "JPEG")}
    (output,) = outputs(tmp_path, pack, files, quality=71).values()
    expected = JpegImagePlugin.JpegImageFile(io.BytesIO(file_of(smooth(8, 8), "JPEG", quality=71)))
    assert JpegImagePlugin.JpegImageFile(io.BytesIO(output)).quantization == expected.quantization


def test_an_output_that_pillow_cannot_write_is_a_row_that_says_so(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise TypeError("odd tags")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(UnstylizableImageError, match="cannot be written as tiff: odd tags"):
        encode(torch.zeros(3, 4, 4, dtype=torch.uint8), format="tiff")


def test_two_runs_write_the_same_bytes(tmp_path, pack):
    files = camera_files()
    assert outputs(tmp_path, pack, files) == outputs(tmp_path, pack, files)


def test_an_exif_block_too_long_for_a_jpeg_loses_the_makers_note_first():
    exif = camera_exif(note=bytes(65_000))
    assert len(exif) < 65_533
    written = make_exif(exif, (10, 10), "x" * 2000, strip_location=False)
    assert written is not None
    assert len(written) < 65_527
    block = Image.Exif()
    block.load(written)
    assert 0x927C not in block.get_ifd(0x8769)
    assert block[0x010F] == "Maker"


@pytest.mark.parametrize("block", [b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\0"])
def test_a_damaged_exif_block_is_left_out(tmp_path, pack, block):
    files = {"photo.jpg": file_of(smooth(48, 36), "JPEG", exif=block)}
    (output,) = outputs(tmp_path, pack, files).values()
    assert set(opened(output).getexif()) == {0x0131}


def test_a_jpeg_is_decoded_small_where_a_small_one_is_wanted(monkeypatch):
    data = file_of(smooth(1600, 1200), "JPEG")
    asked = []
    real = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "draft",
        lambda self, mode, size: (asked.append(size), real(self, mode, size))[1],
    )
    small = decode(data, max_pixels=LIMIT, max_side=200).pixels
    whole = decode(data, max_pixels=LIMIT).pixels
    assert asked == [(400, 300)]
    assert small.shape == (3, 150, 200)
    assert whole.shape == (3, 1200, 1600)
    reference = decode(file_of(opened(data), "PNG"), max_pixels=LIMIT, max_side=200).pixels
    assert (small.int() - reference.int()).abs().float().mean() < 2


def test_a_turned_photo_is_shrunk_to_the_size_of_the_upright_one():
    data = file_of(smooth(401, 199), "JPEG", exif=camera_exif())
    assert decode(data, max_pixels=LIMIT, max_side=100).pixels.shape == (3, 100, 50)
