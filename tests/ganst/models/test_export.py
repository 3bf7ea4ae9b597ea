import numpy as np
import pytest
import torch
from torch import Tensor

from ganst.errors import ExportError
from ganst.inference import Stylizer
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.interop import import_generator
from ganst.models.presets import PRESETS
from ganst.pixels import to_model, to_pixels
from tests.ganst.models.public_networks import Variant, make_public

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
export = pytest.importorskip("ganst.models.export", reason="the extra `onnx` is not installed")

FAMILY = {
    "tiny": PRESETS["tiny"].generator,
    "dagan": PRESETS["dagan"].generator,
    "lowpass on odd cells": GeneratorConfig(width=4, num_blocks=1, skip="lowpass"),
    "no downs": GeneratorConfig(width=4, num_blocks=1, num_downs=0, stem_kernel=1),
    "nearest": GeneratorConfig(width=4, num_blocks=1, up="nearest", border="zero"),
}


def _made(name: str, rng: torch.Generator) -> ResnetGenerator:
    generator = ResnetGenerator(FAMILY[name]).eval()
    for parameter in generator.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng) / parameter[0].numel() ** 0.5
    return generator


@pytest.mark.parametrize("name", FAMILY)
def test_the_graph_computes_what_the_generator_does_at_every_size(name: str, rng: torch.Generator):
    generator = _made(name, rng)
    certificate = export.certify(export.to_onnx(generator, {}), generator)
    assert certificate.max_abs_difference == max(certificate.by_shape.values()) < 1e-4
    assert {shape.split("x")[0] for shape in certificate.by_shape} == {"1", "2", "3"}


@pytest.mark.parametrize(
    "variant",
    [
        Variant(),
        Variant(norm="affine"),
        Variant(norm="batch"),
        Variant(blur_down=True, blur_up=True),
    ],
    ids=["cyclegan", "affine", "batch", "cut"],
)
def test_an_imported_generator_goes_out_again(variant: Variant, rng: torch.Generator):
    public = make_public(variant, rng)
    model = export.to_onnx(import_generator(public.state_dict()).generator, {})
    images = torch.rand(1, 3, 64, 72, generator=rng) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(_run(model, images), public(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (65, 67), (200, 3)])
def test_the_graph_pads_and_crops_as_stylizing_does(size: tuple[int, int], rng: torch.Generator):
    generator = _made("tiny", rng)
    photo = torch.randint(0, 256, (3, *size), generator=rng).to(torch.uint8)
    styled = _run(export.to_onnx(generator, {}), to_model(photo[None]))[0]
    expected = Stylizer(generator, "fp32").stylize([photo])[0]
    # A level may tip over where a value lies between two.
    assert (to_pixels(styled).int() - expected.int()).abs().max() <= 1


def test_what_the_graph_is_stands_in_its_metadata(rng: torch.Generator):
    model = export.to_onnx(_made("tiny", rng), {"style": "ink", "style_digest": "abc"})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"style": "ink", "style_digest": "abc"}
    assert [i.shape for i in session.get_inputs()] == [["N", 3, "H", "W"]]


def test_a_graph_that_computes_something_else_gets_no_certificate(rng: torch.Generator):
    with pytest.raises(ExportError, match=r"differs from the generator by .*, more than 1e-04"):
        export.certify(export.to_onnx(_made("tiny", rng), {}), _made("tiny", rng))


def _run(model: bytes, images: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (styled,) = session.run(["styled"], {"images": images.numpy()})
    return torch.from_numpy(np.array(styled))
