"""Weights of unknown origin: a `.pth` file is a pickle, which can run any code when it is read.

Here it cannot: torch's restricted reader builds tensors and containers only, sizes are looked at first,
and whatever a damaged or hostile file makes the reader stumble over becomes one sentence.
"""

import io
import re
import warnings
import zipfile
from typing import Any

import torch
from torch import Tensor

from ganst.errors import WeightsError

# A ResNet-9 of width 128 has 182 MB. A zip member or an expanded tensor may claim far more than the file holds.
MOST_BYTES = 2**30


def read_state(blob: bytes) -> dict[str, Tensor]:
    """The named tensors in the bytes of a file that `torch.save` wrote, on the CPU.

    Raises:
        WeightsError: Too large, damaged, would run code, or not a dictionary of tensors.

    """
    try:
        _check_size(_unpacked_bytes(blob))
        with warnings.catch_warnings():  # of an unusual protocol: it is read, or refused below
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(  # noqa: TID251 the one place, and restricted
                io.BytesIO(blob), map_location="cpu", weights_only=True
            )
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(_why(error)) from error
    return _named_tensors(found)


def _unpacked_bytes(blob: bytes) -> int:
    if not blob.startswith(b"PK\x03\x04"):  # how torch itself tells a zip from its older formats
        return len(blob)
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return max(len(blob), sum(entry.file_size for entry in archive.infolist()))


def _check_size(num_bytes: int) -> None:
    if num_bytes > MOST_BYTES:
        raise WeightsError(
            f"it would take {num_bytes / 2**30:.1f} GiB, and at most {MOST_BYTES / 2**30:.0f} GiB is read"
        )


def _why(error: Exception) -> str:
    named = re.search(r"GLOBAL ([!-~]{1,80})", str(error))
    if named:
        return f"reading it would call {named[1]}, and only tensors are read"
    return f"it is damaged or no file of torch weights ({type(error).__name__})"


def _named_tensors(found: Any) -> dict[str, Tensor]:  # noqa: ANN401 (whatever the file held)
    if not isinstance(found, dict) or not found:
        raise WeightsError(f"it holds no dictionary of tensors, but {type(found).__name__}")
    for name, value in found.items():
        if not isinstance(name, str) or not _is_plain(value):
            kind = type(value).__name__
            raise WeightsError(f"its entry {name!r} is no plain tensor, but {kind}")
    # An expanded tensor repeats one number without holding it so often.
    _check_size(sum(tensor.numel() * tensor.element_size() for tensor in found.values()))
    return {name: tensor.detach() for name, tensor in found.items()}


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )
