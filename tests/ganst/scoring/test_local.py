import pytest
import torch
from torch import Tensor

from ganst.scoring.canonical import blur, open_canvas
from ganst.scoring.local import measure_local, robust_residuals

PLACE = (slice(None), slice(40, 100), slice(50, 110))


def pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


def local(photo: Tensor, output: Tensor) -> dict[str, float]:
    return measure_local(open_canvas(photo), open_canvas(output))


def in_place(output: Tensor, wrong: Tensor) -> Tensor:
    damaged = output.clone()
    damaged[PLACE] = wrong[PLACE]
    return damaged


def wrong_in(kind: str, photo: Tensor, output: Tensor, donor: Tensor) -> Tensor:
    noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    return {
        "blurred": pixels(blur(output.float(), 5.0)),
        "empty": torch.full_like(output, 128),
        "noisy": pixels(output.float() + 40 * noise),
        "the photo": photo,
        "another output": donor,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("blurred", "l_soft"),
        ("empty", "l_lost"),
        ("noisy", "l_rough"),
        ("the photo", "l_photo"),
        ("another output", "l_foreign"),
    ],
)
def test_a_fault_in_one_place_raises_its_column_and_one_everywhere_does_not(stand_in, kind, column):
    raised = everywhere = 0.0
    for index in range(3):
        photo, output = stand_in.pair(index)
        wrong = wrong_in(kind, photo, output, stand_in.pair(index + 50)[1])
        clean = local(photo, output)[column]
        raised += local(photo, in_place(output, wrong))[column] - clean
        everywhere += local(photo, wrong)[column] - clean
    assert raised > 0.3
    assert everywhere < raised


def test_more_strokes_where_there_is_more_detail_are_no_fault(stand_in):
    photo, _ = stand_in.pair(0)
    light = photo.float()
    stronger = pixels(light + 0.8 * (light - blur(light, 3.0)))
    found = local(photo, stronger)
    assert max(found["l_lost"], found["l_excess"]) < 0.7


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_has_finite_columns(level):
    flat = torch.full((3, 80, 90), level, dtype=torch.uint8)
    assert all(abs(value) < 10 for value in local(flat, flat).values())


def test_outliers_do_not_move_the_line():
    x = torch.linspace(-3, 0, 100).reshape(10, 10)
    y = 0.5 * x - 1
    y[2:5, 2:5] += 3
    residuals = robust_residuals(x, y)
    assert residuals[2:5, 2:5].min() > 2.5
    residuals[2:5, 2:5] = 0
    assert residuals.abs().max() < 0.1
