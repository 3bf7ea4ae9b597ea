"""The settings that each preset is trained with unless somebody says otherwise."""

from typing import Any

from ganst.training.config import TrainConfig

# No average of weights and no augmentation in these two: they are here to be compared with.
_FAITHFUL: dict[str, Any] = {
    "learning_rate": 2e-4,
    "warm_up": 0.0,
    "augment_probability": 0.0,
    "grade_probability": 0.0,
    "ema_half_life_images": 0.0,
}
_RECIPES: dict[str, dict[str, Any]] = {
    # As the public code: identity weighs half of the cycle, constant rate, then linear to zero.
    "cyclegan": _FAITHFUL
    | {"crop_px": 256, "batch_size": 1, "decay_from": 0.5, "lambda_identity": 5.0},
    "dagan": _FAITHFUL | {"crop_px": 128, "batch_size": 16},
}
_CONTENT_WEIGHTS = {"mse": 10.0, "ce": 5.0}


def recipe(preset: str, **changes: Any) -> TrainConfig:  # noqa: ANN401  fields of TrainConfig
    """The settings of `preset`, with `changes`; a change to None is none."""
    given = {name: value for name, value in changes.items() if value is not None}
    content = given.get("content_loss", TrainConfig.__dataclass_fields__["content_loss"].default)
    if content not in _CONTENT_WEIGHTS:
        raise ValueError(f"no content loss {content!r}: there are {', '.join(_CONTENT_WEIGHTS)}")
    settings: dict[str, Any] = {"preset": preset, "lambda_content": _CONTENT_WEIGHTS[content]}
    return TrainConfig(**(settings | _RECIPES.get(preset, {}) | given))
