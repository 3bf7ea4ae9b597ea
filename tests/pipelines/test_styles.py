import os
from pathlib import Path

import pytest

from ganst.errors import StylePackError
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import StylePack, save_stylepack
from pipelines.style_folders import (
    StyleFolderError,
    notes_on_copies,
    own_copy,
    pack_to_calibrate,
)
from pipelines.styles import BUNDLED, StyleNotFoundError, find_style, list_styles, open_stylizer
from tests.pipelines.photo_folders import tree


def _pack(folder: Path) -> StylePack:
    return save_stylepack(folder, {"final": ResnetGenerator(PRESETS["tiny"].generator)}, {})


def test_a_style_is_found_by_name_and_by_path(tmp_path: Path):
    _pack(tmp_path / "ink")
    assert find_style("ink", tmp_path) == tmp_path / "ink"
    assert find_style(str(tmp_path / "ink"), None) == tmp_path / "ink"


def test_the_bundled_styles_are_listed_first(tmp_path: Path):
    _pack(tmp_path / "aaa")
    names = [folder.name for folder in list_styles(tmp_path)]
    bundled = sorted(folder.name for folder in BUNDLED.iterdir() if (folder / "card.json").exists())
    assert names == [*bundled, "aaa"]


def test_a_bundled_style_is_calibrated_in_a_copy_that_counts_from_then_on(tmp_path: Path):
    home = tmp_path / "home" / "styles"
    target = pack_to_calibrate("vangogh", home)
    assert target == home / "vangogh"
    assert tree(target) == tree(BUNDLED / "vangogh")
    assert [path.name for path in home.iterdir()] == ["vangogh"]
    assert find_style("vangogh", home) == target == pack_to_calibrate("vangogh", home)
    assert own_copy(BUNDLED / "vangogh", home) == target
    assert find_style("ukiyoe", home) == BUNDLED / "ukiyoe"
    assert find_style("vangogh", None) == BUNDLED / "vangogh"


def test_other_weights_do_not_take_the_place_of_a_bundled_style(tmp_path: Path):
    _pack(tmp_path / "vangogh")
    assert find_style("vangogh", tmp_path) == BUNDLED / "vangogh"
    with pytest.raises(StyleFolderError, match="other weights than the bundled vangogh"):
        pack_to_calibrate("vangogh", tmp_path)
    (note,) = notes_on_copies(BUNDLED / "vangogh", tmp_path)
    assert note.startswith(f"{tmp_path / 'vangogh'} has other weights")
    assert notes_on_copies(BUNDLED / "ukiyoe", tmp_path) == ()
    assert notes_on_copies(tmp_path / "vangogh", tmp_path) == ()


def test_a_path_is_calibrated_in_place_if_it_can_be_written_to(tmp_path: Path, monkeypatch):
    _pack(tmp_path / "ink")
    assert pack_to_calibrate(str(tmp_path / "ink"), tmp_path / "home") == tmp_path / "ink"
    assert pack_to_calibrate(str(BUNDLED / "vangogh"), tmp_path) == BUNDLED / "vangogh"
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StyleFolderError, match=r"ink cannot be written to\."):
        pack_to_calibrate("ink", tmp_path)


def test_an_unknown_style_is_answered_with_the_known_ones(tmp_path: Path):
    _pack(tmp_path / "ink")
    with pytest.raises(StyleNotFoundError, match=r"no style 'oil': .*ink"):
        find_style("oil", tmp_path)


def test_a_pack_that_changed_under_a_run_is_refused(tmp_path: Path):
    old = _pack(tmp_path / "ink")
    _pack(tmp_path / "ink")
    with pytest.raises(StylePackError, match="changed"):
        open_stylizer(str(old.path), old.digest, "final", "fp32", 1.0)


def test_a_process_loads_a_pack_once(tmp_path: Path):
    pack = _pack(tmp_path / "ink")
    arguments = (str(pack.path), pack.digest, "final", "fp32", 1.0)
    assert open_stylizer(*arguments) is open_stylizer(*arguments)
