import io
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from pipelines.errors import UndecodableImageError, UnstylizableImageError
from pipelines.images import decode, encode, shrink
from tests.pipelines.photo_folders import file_of, smooth, swapped_profile, with_alpha

LIMIT = 10_000_000
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def pixels_of(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def decode_file(image: Image.Image, name: str, **options: object):
    return decode(file_of(image, name, **options), max_pixels=LIMIT)


def why_not(data: bytes, max_pixels: int = LIMIT) -> str:
    with pytest.raises(UndecodableImageError) as caught:
        decode(data, max_pixels=max_pixels)
    return str(caught.value)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_give_the_very_pixels(name):
    image = decode_file(smooth(21, 13), name)
    assert torch.equal(image.pixels, pixels_of(smooth(21, 13)))
    assert (image.mode, image.format, image.alpha, image.notes) == ("RGB", name, None, ())


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF", "JPEG2000"])
def test_lossy_formats_give_nearly_the_pixels(name):
    image = decode_file(smooth(64, 48), name)
    assert (image.pixels.int() - pixels_of(smooth(64, 48)).int()).abs().float().mean() < 4
    assert image.format == name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation):
    # What a camera stores for an upright picture, by the EXIF standard; Pillow's own inverse.
    upright = smooth(24, 16)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode_file(stored, "PNG", exif=exif)
    assert torch.equal(image.pixels, pixels_of(upright))


def test_alpha_turns_with_its_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_file(with_alpha(smooth(24, 16)), "PNG", exif=exif)
    assert image.pixels.shape == (3, 24, 16)
    assert image.alpha is not None
    assert image.alpha.shape == (24, 16)


def test_a_photo_with_an_unreadable_exif_block_is_still_a_photo():
    image = decode_file(smooth(24, 16), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert image.pixels.shape == (3, 16, 24)


@given(st.binary(max_size=60))
def test_no_exif_block_is_worse_than_a_note(block):
    assert decode_file(smooth(4, 4), "JPEG", exif=b"Exif\0\0" + block).pixels.shape[0] == 3


def test_a_colour_profile_is_converted_to_srgb():
    image = decode_file(Image.new("RGB", (4, 4), (250, 0, 0)), "PNG", icc_profile=swapped_profile())
    red, green, blue = image.pixels[:, 0, 0].tolist()
    assert blue > 245
    assert red < 10
    assert green < 10


@pytest.mark.parametrize("profile", [b"garbage", swapped_profile()[:200]])
def test_a_broken_profile_is_ignored_and_said(profile):
    image = decode_file(smooth(8, 8), "PNG", icc_profile=profile)
    assert torch.equal(image.pixels, pixels_of(smooth(8, 8)))
    assert image.notes == ("colour profile unreadable, ignored",)


def test_a_profile_of_another_colour_space_is_ignored_and_said():
    image = decode_file(smooth(8, 8).convert("L"), "PNG", icc_profile=swapped_profile())
    assert torch.equal(image.pixels, pixels_of(smooth(8, 8).convert("L")))
    assert image.notes == ("colour profile unusable, ignored",)


def test_cmyk_without_a_profile_is_converted_and_said():
    image = decode_file(smooth(40, 30).convert("CMYK"), "JPEG")
    assert (image.pixels.int() - pixels_of(smooth(40, 30)).int()).abs().float().mean() < 6
    assert image.mode == "CMYK"
    assert image.notes == ("CMYK without a profile",)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_keeps_its_range(name):
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = decode_file(Image.fromarray(deep), name)
    oracle = np.rint(deep / 257.0).astype(np.uint8)
    assert np.array_equal(image.pixels[1].numpy(), oracle)
    assert image.notes == ()


def test_16_bit_rgb_keeps_its_range():
    rgb = np.zeros((2, 3, 3), dtype=">u2")
    rgb[..., 0], rgb[..., 1] = 65535, 32768
    lines = b"".join(b"\0" + row.tobytes() for row in rgb)
    image = decode(png(3, 2, depth=16, kind=2, lines=lines), max_pixels=LIMIT)
    assert image.pixels[:, 0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_grey_is_stretched_and_said(kind):
    deep = Image.fromarray(np.array([[-5, 0, 95]], dtype=kind))
    image = decode_file(deep, "TIFF")
    assert image.pixels[0].tolist() == [[0, 13, 255]]
    assert image.notes == ("32-bit grey stretched from -5..95",)


def test_values_that_are_no_numbers_do_not_stop_an_image():
    deep = np.array([[0, np.nan, np.inf, 1]], dtype=np.float32)
    assert decode_file(Image.fromarray(deep), "TIFF").pixels[0].tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_black_white_grey_and_palette_become_rgb(mode):
    source = smooth(20, 10).convert(mode)
    image = decode_file(source, "PNG")
    assert torch.equal(image.pixels, pixels_of(source))
    assert image.mode == mode


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_beside_the_colours(mode):
    source = with_alpha(smooth(20, 10)).convert(mode)
    image = decode_file(source, "PNG")
    assert image.alpha is not None
    assert np.array_equal(image.alpha.numpy(), np.array(source.getchannel("A")))
    colours = source.convert("RGBA").convert("RGB")
    assert torch.equal(image.pixels, pixels_of(colours))


def test_a_transparent_palette_entry_becomes_alpha():
    source = Image.new("P", (2, 1))
    source.putpalette([255, 0, 0, 0, 255, 0])
    source.putdata([0, 1])
    image = decode_file(source, "PNG", transparency=1)
    assert image.alpha is not None
    assert image.alpha.tolist() == [[255, 0]]
    assert image.pixels[:, 0, 0].tolist() == [255, 0, 0]


def test_a_transparent_key_colour_becomes_alpha():
    source = Image.new("RGB", (2, 1), (9, 9, 9))
    source.putpixel((0, 0), (1, 2, 3))
    image = decode_file(source, "PNG", transparency=(1, 2, 3))
    assert image.alpha is not None
    assert image.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("name", "words"), [("GIF", "frames"), ("WEBP", "frames"), ("TIFF", "pages")]
)
def test_the_first_of_several_frames_is_taken_and_said(name, words):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    image = decode_file(frames[0], name, save_all=True, append_images=frames[1:], lossless=True)
    assert image.notes == (f"first of 3 {words}",)
    assert image.pixels[:, 4, 4].tolist() == [255, 0, 0]


def test_an_mpo_is_a_jpeg_with_more_pictures():
    frames = [smooth(16, 16), smooth(16, 16, 1)]
    image = decode_file(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert image.notes == ("first of 2 pictures",)
    assert image.format == "MPO"


def png(width: int, height: int, *, depth: int = 8, kind: int = 2, lines: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return PNG_HEAD + head + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_before_decoding():
    # 4 EB if it were decoded.
    sentence = why_not(png(2**30, 2**30), max_pixels=200_000_000)
    assert "1073741824x1073741824 px" in sentence
    assert "over the limit of 200 MP" in sentence


def test_the_limit_itself_is_allowed_also_above_pillows_own():
    data = png(20_000, 9_500, depth=1, kind=0)  # 190 MP; Pillow refuses 179
    assert "truncated" in why_not(data, max_pixels=190_000_000)
    assert "190 MP" in why_not(data, max_pixels=189_999_999)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (bytes(100), "nothing but zero bytes"),
        (b"Dear diary", "not an image of a known format .it starts with 'Dear diary'."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"%PDF-1.7\n", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC"),
    ],
)
def test_what_is_no_image_is_told_in_one_sentence(data, words):
    sentence = why_not(data)
    assert re.search(words, sentence)
    assert sentence.count(".") == 1 or "starts with" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_half_a_file_is_refused_as_such(name):
    data = file_of(smooth(200, 150), name)
    assert name in why_not(data[: len(data) // 2])


@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"]), st.data())
def test_a_damaged_file_decodes_or_is_refused_and_nothing_else(name, data):
    raw = bytearray(file_of(smooth(40, 30), name))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):  # few decode when cut, many when only damaged
        raw = raw[: data.draw(st.integers(1, len(raw)))]
    try:
        image = decode(bytes(raw), max_pixels=LIMIT)
    except UndecodableImageError:
        return
    assert image.pixels.dtype == torch.uint8


@pytest.mark.parametrize("name", ["png", "tiff"])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_lossless_outputs_come_back_exactly(name, has_alpha):
    pixels = pixels_of(smooth(9, 7))
    alpha = torch.arange(63, dtype=torch.uint8).reshape(7, 9) * 4 if has_alpha else None
    image = decode(encode(pixels, format=name, alpha=alpha), max_pixels=LIMIT)
    assert torch.equal(image.pixels, pixels)
    if alpha is None:
        assert image.alpha is None
    else:
        assert image.alpha is not None
        assert torch.equal(image.alpha, alpha)


def test_jpeg_is_written_without_subsampling():
    with Image.open(io.BytesIO(encode(pixels_of(smooth(32, 32)), format="jpeg"))) as image:
        assert isinstance(image, JpegImageFile)
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}


@pytest.mark.parametrize("name", ["jpeg", "bmp"])
def test_formats_without_alpha_lay_transparent_images_on_white(name):
    pixels, alpha = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(8, 8, dtype=torch.uint8)
    image = decode(encode(pixels, format=name, alpha=alpha), max_pixels=LIMIT)
    assert image.pixels.min() > 250


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "bmp"])
def test_the_same_pixels_are_the_same_bytes_however_they_lie_in_memory(name):
    interleaved = pixels_of(smooth(32, 24))
    part = pixels_of(smooth(40, 30))[:, 3:27, 5:37]
    assert encode(interleaved, format=name) == encode(interleaved.contiguous(), format=name)
    assert encode(part, format=name) == encode(part.contiguous(), format=name)


def test_an_output_too_long_for_its_format_is_refused_by_size():
    with pytest.raises(UnstylizableImageError, match="17000x1 px, and webp holds at most 16383"):
        encode(torch.zeros(3, 1, 17_000, dtype=torch.uint8), format="webp")


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_a_shrunken_image_fits_and_a_small_one_is_left_alone(width, height, max_side):
    image = decode_file(with_alpha(smooth(width, height)), "PNG")
    small = shrink(image, max_side)
    sides = small.pixels.shape[1:]
    assert max(sides) == min(max_side, max(width, height))
    assert small.alpha is not None
    assert small.alpha.shape == sides
    if max(width, height) <= max_side:
        assert torch.equal(small.pixels, image.pixels)
