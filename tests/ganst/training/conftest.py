"""The presets of full size, made small enough for a test."""

import dataclasses
from typing import Any

import pytest

from ganst.models.presets import PRESETS

_SMALL_G: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 4, "num_blocks": 1},
    "dagan": {"width": 4, "num_blocks": 1},
}
_SMALL_D: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 4, "num_layers": 2},
    "dagan": {"width": 4, "hidden": 8},
}


@pytest.fixture
def small_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SMALL_G:
        preset = PRESETS[name]
        small = dataclasses.replace(
            preset,
            generator=dataclasses.replace(preset.generator, **_SMALL_G[name]),
            discriminator=dataclasses.replace(preset.discriminator, **_SMALL_D[name]),
        )
        monkeypatch.setitem(PRESETS, name, small)
