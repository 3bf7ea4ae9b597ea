import contextlib
import io
import os
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.errors import WeightsError
from ganst.models import untrusted
from ganst.models.untrusted import read_state


class RunsCode:
    """Unpickled carelessly, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def _saved(found: object, *, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(found, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


STATE = {"model.1.weight": torch.arange(12.0).view(3, 4), "model.1.bias": torch.ones(3).half()}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_tensors_come_back_as_they_were_saved(zipped: bool):
    found = read_state(_saved(STATE, zipped=zipped))
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_parameters_come_back_without_a_gradient():
    assert not read_state(_saved({"w": torch.nn.Parameter(torch.ones(2))}))["w"].requires_grad


def test_a_file_of_a_newer_pickle_protocol_is_refused_without_torchs_own_warning():
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2)}, buffer, pickle_protocol=4)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(WeightsError):
            read_state(buffer.getvalue())
    assert not heard


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_file_that_would_run_code_runs_none_and_is_named(zipped: bool, tmp_path: Path):
    trap = tmp_path / "trap"
    blob = _saved({"model.1.weight": RunsCode(trap)}, zipped=zipped)
    with pytest.raises(WeightsError, match=r"would call posix\.mkdir, and only tensors are read"):
        read_state(blob)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("blob", "sentence"),
    [
        (b"", "damaged or no file of torch weights"),
        (b"<html>404 Not Found</html>", "damaged or no file of torch weights"),
        (_saved([torch.ones(1)]), "no dictionary of tensors, but list"),
        (_saved({}), "no dictionary of tensors"),
        (_saved({"epoch": 3, "state_dict": STATE}), "entry 'epoch' is no plain tensor, but int"),
        (_saved({1: torch.ones(1)}), "entry 1 is no plain tensor"),
        (_saved({"w": torch.eye(3).to_sparse()}), "entry 'w' is no plain tensor"),
        (_saved({"w": torch.ones(2, device="meta")}), "entry 'w' is no plain tensor"),
        (_saved({"w": torch.ones(1).expand(2**40)}), "would take 4096.0 GiB, and at most 1 GiB"),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused_in_one_sentence(blob: bytes, sentence: str):
    with pytest.raises(WeightsError, match=sentence):
        read_state(blob)


def test_a_small_zip_that_unpacks_to_too_much_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(untrusted, "MOST_BYTES", 2**20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"never read")
        archive.writestr("archive/data/0", bytes(2**21))
    assert len(file.getvalue()) < 10_000
    with pytest.raises(WeightsError, match="would take"):
        read_state(file.getvalue())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@given(draw=st.data())
def test_a_damaged_file_is_refused_or_read_whatever_is_damaged(zipped: bool, draw: st.DataObject):
    blob = bytearray(_saved(STATE, zipped=zipped))
    place = draw.draw(st.integers(0, len(blob) - 1))
    if draw.draw(st.booleans()):
        del blob[place:]
    else:
        blob[place] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(WeightsError):  # the only error there is
        found = read_state(bytes(blob))
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
