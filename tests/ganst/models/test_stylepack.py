import hashlib
import json
from pathlib import Path

import pytest
import torch

from ganst.errors import StylePackError
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import load_generator, load_stylepack, save_stylepack


@pytest.fixture
def pack_folder(tmp_path: Path) -> Path:
    generators = {name: ResnetGenerator(PRESETS["tiny"].generator) for name in ("final", "early")}
    save_stylepack(tmp_path / "ink", generators, {"preset": "tiny"})
    return tmp_path / "ink"


def test_weights_come_back_as_they_were_saved(tmp_path: Path):
    generator = ResnetGenerator(PRESETS["tiny"].generator)
    pack = save_stylepack(tmp_path / "ink", {"final": generator}, {})
    loaded = load_generator(pack)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_the_digest_names_weights_and_architecture(tmp_path: Path, pack_folder: Path):
    pack = load_stylepack(pack_folder)
    same = save_stylepack(
        tmp_path / "ink2", {name: load_generator(pack, name) for name in pack.checkpoints}, {}
    )
    other = save_stylepack(tmp_path / "ink3", {"final": load_generator(pack)}, {})
    assert pack.digest == same.digest != other.digest
    assert len(pack.digest) == 64


def test_a_card_from_before_a_field_was_added_keeps_its_digest(pack_folder: Path):
    card = json.loads((pack_folder / "card.json").read_text())
    fields = ("width", "num_blocks", "num_downs", "shuffle", "stem_kernel", "skip")
    card["generator"] = {name: card["generator"][name] for name in fields}
    digest = hashlib.sha256(json.dumps(card["generator"], sort_keys=True).encode())
    for name, file in [("early", "early"), ("final", "generator")]:
        weights = (pack_folder / f"{file}.safetensors").read_bytes()
        digest.update(name.encode() + b"\0" + hashlib.sha256(weights).digest())
    card["digest"] = digest.hexdigest()
    (pack_folder / "card.json").write_text(json.dumps(card))
    pack = load_stylepack(pack_folder)
    assert pack.digest == card["digest"]
    assert load_generator(pack).config == PRESETS["tiny"].generator


def test_changed_weights_are_noticed(pack_folder: Path):
    weights = pack_folder / "early.safetensors"
    blob = bytearray(weights.read_bytes())
    blob[-1] ^= 1
    weights.write_bytes(blob)
    with pytest.raises(StylePackError, match="not the ones its card names"):
        load_stylepack(pack_folder)


def test_missing_weights_are_named(pack_folder: Path):
    (pack_folder / "generator.safetensors").unlink()
    with pytest.raises(StylePackError, match=r"generator\.safetensors cannot be read"):
        load_stylepack(pack_folder)


def test_a_folder_without_a_card_is_no_pack(tmp_path: Path):
    with pytest.raises(StylePackError, match="no style pack"):
        load_stylepack(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"checkpoints": ["final", "../../etc/passwd"]}, "unknown checkpoints"),
        ({"generator": {"depth": 3}}, "unknown generator"),
        ({"generator": {"width": 10**9, "num_blocks": 1}}, "width must be a whole number"),
    ],
)
def test_a_card_that_is_not_understood_is_refused(pack_folder: Path, change: dict, message: str):
    card = json.loads((pack_folder / "card.json").read_text())
    (pack_folder / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(StylePackError, match=message):
        load_stylepack(pack_folder)


def test_an_unknown_checkpoint_is_refused_with_the_known_ones(pack_folder: Path):
    with pytest.raises(StylePackError, match="only final, early"):
        load_generator(load_stylepack(pack_folder), "best")


def test_new_weights_drop_the_old_calibration(pack_folder: Path):
    (pack_folder / "calibration.safetensors").write_bytes(b"of the old weights")
    save_stylepack(pack_folder, {"final": ResnetGenerator(PRESETS["tiny"].generator)}, {})
    assert not (pack_folder / "calibration.safetensors").exists()
