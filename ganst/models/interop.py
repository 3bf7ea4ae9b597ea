"""Public CycleGAN (arXiv:1703.10593) and CUT (arXiv:2007.15651) generators -> ours.

What is not exactly one of them is refused: a network that is half understood gives wrong pictures.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganst.errors import WeightsError
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.public_layout import PublicLayer, PublicLayout, read_layout

State = Mapping[str, Tensor]

_NORM_EPS = 1e-5  # of every norm in these networks
_NUM_SHOWN = 5  # keys named in a refusal


@dataclass(frozen=True, slots=True)
class ImportedGenerator:
    """A generator that computes what the public one does, and what a user should know about it."""

    generator: ResnetGenerator
    notes: tuple[str, ...]


def import_generator(state: State) -> ImportedGenerator:
    """The generator that a public state dict describes, in fp32 and ready for inference.

    Raises:
        WeightsError: The keys, shapes or values are not those of a CycleGAN or CUT ResNet generator.

    """
    state = _without_prefixes(state)
    layout = read_layout({key: tuple(value.shape) for key, value in state.items()})
    if layout is None:
        raise WeightsError(_wrong_keys(unknown=list(state), missing=[], num_keys=len(state)))
    _check_keys(layout, state)
    config = _config(layout)
    _check_shapes(layout, state, config)
    _check_filters(layout, state)
    generator = ResnetGenerator(config)
    generator.load_state_dict(_our_state(layout, state))
    return ImportedGenerator(
        generator.eval().requires_grad_(requires_grad=False), tuple(_notes(layout))
    )


def _without_prefixes(state: State) -> State:
    """Without what DataParallel and torch.compile put in front of every key."""
    bare = {re.sub(r"^((module|_orig_mod)\.)+", "", key): value for key, value in state.items()}
    if len(bare) < len(state):
        raise WeightsError("it holds two networks: some of its keys differ by a prefix only")
    return bare


def _check_keys(layout: PublicLayout, state: State) -> None:
    required, optional = set(layout.filters), set()
    for layer in layout.layers():
        required.add(f"{layer.conv}.weight")
        # A bias in front of a norm changes nothing or can be zero; the head's is always there.
        (optional if layer.norm else required).add(f"{layer.conv}.bias")
        if layer.norm:
            required |= {f"{layer.norm}.{entry}" for entry in layout.norm_entries()}
            optional |= {f"{layer.norm}.num_batches_tracked"} if layout.has_statistics else set()
    unknown = [key for key in state if key not in required | optional]
    missing = sorted(required - state.keys())
    if unknown or missing:
        raise WeightsError(_wrong_keys(unknown=unknown, missing=missing, num_keys=len(state)))
    if layout.norm == "instance" and "model.1.bias" not in state:
        raise WeightsError(
            "its stem has neither bias nor norm: instance norm and no norm cannot be told apart"
        )


def _wrong_keys(*, unknown: Sequence[str], missing: Sequence[str], num_keys: int) -> str:
    parts = []
    if unknown or not missing:
        parts.append(
            f"{len(unknown)} of its {num_keys} keys are not understood ({_shown(unknown)})"
        )
    if missing:
        parts.append(f"{len(missing)} expected keys are missing ({_shown(missing)})")
    return "it is no CycleGAN or CUT ResNet generator: " + " and ".join(parts)


def _shown(keys: Sequence[str]) -> str:
    rest = len(keys) - _NUM_SHOWN
    # A hostile key may be as long as the file.
    names = ", ".join(key if len(key) < 80 else f"{key[:80]}..." for key in keys[:_NUM_SHOWN])
    return names + (f" and {rest} more" if rest > 0 else "")


def _config(layout: PublicLayout) -> GeneratorConfig:
    try:
        return GeneratorConfig(
            width=layout.width,
            num_blocks=layout.num_blocks,
            num_downs=layout.num_downs,
            down="blur" if layout.blurs_down else "stride",
            up="bilinear" if layout.blurs_up else "transposed",
            border="zero",
            norm="none" if layout.norm == "batch" else layout.norm,
        )
    except ValueError as error:
        raise WeightsError(str(error)) from error


def _check_shapes(layout: PublicLayout, state: State, config: GeneratorConfig) -> None:
    with torch.device("meta"):  # shapes without memory
        expected = {key: value.shape for key, value in ResnetGenerator(config).state_dict().items()}
    for layer in layout.layers():
        channels = expected[f"{layer.ours}.conv.bias"]
        wanted = {f"{layer.conv}.weight": expected[f"{layer.ours}.conv.weight"]}
        wanted |= {f"{layer.conv}.bias": channels}
        if layer.norm:
            wanted |= {f"{layer.norm}.{entry}": channels for entry in layout.norm_entries()}
        for key, shape in wanted.items():
            if key in state and state[key].shape != shape:
                raise WeightsError(
                    f"its {key} has shape {list(state[key].shape)}, and {list(shape)} is expected"
                )


def _check_filters(layout: PublicLayout, state: State) -> None:
    for key, num_taps in layout.filters.items():
        taps = torch.tensor({3: [1.0, 2.0, 1.0], 4: [1.0, 3.0, 3.0, 1.0]}[num_taps])
        expected = torch.outer(taps, taps) / 16
        found = state[key].float()
        is_that = found.dim() == 4 and found.shape[1:] == (1, num_taps, num_taps)
        if not is_that or not torch.allclose(found, expected.expand_as(found), atol=1e-6):
            raise WeightsError(
                f"its {key} is not the blur {taps.int().tolist()} of CUT, the only one that is known"
            )


def _our_state(layout: PublicLayout, state: State) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    for layer in layout.layers():
        ours |= _converted(layer, layout, state)
    for key, value in ours.items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"its weights for {key} are not all finite numbers")
    return ours


def _converted(layer: PublicLayer, layout: PublicLayout, state: State) -> dict[str, Tensor]:
    """One convolution and its norm under our keys; a batch norm becomes part of the convolution."""
    weight = state[f"{layer.conv}.weight"].double()
    output = 1 if layer.is_transposed else 0
    bias = state.get(f"{layer.conv}.bias", torch.zeros(weight.shape[output])).double()
    converted = {}
    if layer.norm and layout.norm == "affine":
        for entry in ("weight", "bias"):
            converted[f"{layer.our_norm}.{entry}"] = state[f"{layer.norm}.{entry}"].float()
    if layer.norm and layout.norm == "batch":
        gamma, beta, mean, variance = (
            state[f"{layer.norm}.{entry}"].double() for entry in layout.norm_entries()
        )
        scale = gamma / (variance + _NORM_EPS).sqrt()
        weight = weight * scale.view([-1 if axis == output else 1 for axis in range(4)])
        bias = (bias - mean) * scale + beta
    converted[f"{layer.ours}.conv.weight"] = weight.float()
    converted[f"{layer.ours}.conv.bias"] = bias.float()
    return converted


def _notes(layout: PublicLayout) -> Iterator[str]:
    if layout.has_dropout:
        yield "dropout is left out: it does nothing outside of training"
    if layout.norm == "batch":
        yield "batch norm is folded into the convolutions, with its running statistics"
    elif layout.has_statistics:
        yield "running statistics are dropped: instance norm takes those of the image itself"
