"""How outputs are written: format, quality, metadata. Shared by first attempts and corrections."""

from dataclasses import dataclass

from torch import Tensor

from pipelines.images import DecodedImage, encode
from pipelines.metadata import Labels, make_exif
from pipelines.naming import format_of
from pipelines.runs import Run
from pipelines.version import package_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The same for all outputs of a run."""

    quality: int
    subsampling: str
    strip_location: bool
    software: str  # in the metadata of every output


def delivery_of(run: Run) -> Delivery:
    """As the run's configuration has it."""
    return Delivery(
        quality=run.config.quality,
        subsampling=run.config.subsampling,
        strip_location=run.config.strip_location,
        software=f"GANST {package_version()}, style {run.pack.name} {run.pack.digest}",
    )


def encode_output(pixels: Tensor, photo: DecodedImage, output: str, delivery: Delivery) -> bytes:
    """The file of an output, uint8 `[3, H, W]`, in the format of its name.

    Of `photo` only alpha and EXIF are used.

    Raises:
        UnstylizableImageError: The format cannot hold an image of this size.

    """
    height, width = pixels.shape[1:]
    return encode(
        pixels,
        format=format_of(output),
        quality=delivery.quality,
        subsampling=delivery.subsampling,
        alpha=photo.alpha,
        labels=Labels(
            exif=make_exif(
                photo.exif,
                (width, height),
                delivery.software,
                strip_location=delivery.strip_location,
            ),
            software=delivery.software,
        ),
    )
