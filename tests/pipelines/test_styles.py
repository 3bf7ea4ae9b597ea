from pathlib import Path

import pytest

from ganst.errors import StylePackError
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import StylePack, save_stylepack
from pipelines.styles import BUNDLED, StyleNotFoundError, find_style, list_styles, open_stylizer


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
