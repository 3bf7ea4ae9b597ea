import pytest
import torch
from torch import Tensor

from ganst.scoring.canonical import blur, open_canvas
from ganst.scoring.place_maps import MEASURES, PlaceMaps, place_maps
from ganst.scoring.places import PlaceRule
from tests.ganst.stand_in import usual_places

PLACE = (slice(None), slice(40, 100), slice(50, 110))
SMALL = (slice(None), slice(60, 84), slice(70, 94))


def pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def rule() -> PlaceRule:
    return usual_places()


def columns(rule: PlaceRule, photo: Tensor, output: Tensor) -> dict[str, float]:
    return rule.columns(place_maps(open_canvas(photo), open_canvas(output)))


def in_place(output: Tensor, wrong: Tensor, where=PLACE) -> Tensor:
    damaged = output.clone()
    damaged[where] = wrong[where]
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
        ("blurred", "l_smooth"),
        ("empty", "l_lost"),
        ("noisy", "l_rough"),
        ("the photo", "l_photo"),
        ("another output", "l_foreign"),
    ],
)
def test_a_fault_in_one_place_raises_the_column_that_names_it(stand_in, rule, kind, column):
    raised = 0.0
    for index in range(3):
        photo, output = stand_in.pair(index)
        wrong = wrong_in(kind, photo, output, stand_in.pair(index + 50)[1])
        before = columns(rule, photo, output)
        after = columns(rule, photo, in_place(output, wrong))
        raised += after[column] - before[column]
    assert raised / 3 > 0.5


@pytest.mark.parametrize("kind", ["empty", "another output", "noisy"])
def test_a_place_of_a_seventh_of_the_side_is_odd_to_the_rule(stand_in, rule, kind):
    photo, output = stand_in.pair(1)
    wrong = wrong_in(kind, photo, output, stand_in.pair(51)[1])
    before = columns(rule, photo, output)
    after = columns(rule, photo, in_place(output, wrong, SMALL))
    assert after["l_place"] > before["l_place"] + 0.5


def test_what_the_whole_picture_lacks_moves_the_means(stand_in, rule):
    photo, output = stand_in.pair(2)
    before = columns(rule, photo, output)
    dark = columns(rule, photo, pixels(0.6 * output.float()))
    assert dark["m_light"] < before["m_light"] - 2


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_has_finite_columns(rule, level):
    flat = torch.full((3, 80, 90), level, dtype=torch.uint8)
    found = columns(rule, flat, flat)
    assert all(abs(value) < 1e4 for value in found.values())


def test_the_departures_of_what_it_was_fitted_to_are_of_unit_size_and_centred(stand_in):
    pairs = [stand_in.pair(index) for index in range(8)]
    maps = [place_maps(open_canvas(a), open_canvas(b)) for a, b in pairs]
    fitted = PlaceRule.fit(maps)
    rows = torch.cat([fitted.departures(one).flatten(1) for one in maps], dim=1)
    assert rows.mean(dim=1).abs().max() < 0.15
    assert (rows.std(dim=1) - 1).abs().max() < 0.25


def test_a_rule_read_back_gives_the_same_columns(stand_in, rule):
    again = PlaceRule.from_arrays(rule.to_arrays())
    photo, output = stand_in.pair(3)
    assert columns(again, photo, output) == columns(rule, photo, output)


def test_a_rule_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one output"):
        PlaceRule.fit([])


def test_an_output_that_is_the_photo_keeps_all_of_its_detail(stand_in):
    photo, _ = stand_in.pair(4)
    canvas = open_canvas(photo)
    values = place_maps(canvas, canvas).values
    kept = values[[MEASURES.index(f"{band}_kept") for band in ("fine", "middle", "coarse")]]
    assert 0 < kept.min() <= kept.max() <= 1


def tinted(output: Tensor) -> Tensor:
    return pixels(output.float() * torch.tensor([1.5, 1.0, 0.5])[:, None, None])


def vignetted(output: Tensor) -> Tensor:
    rows, cols = (torch.linspace(-1, 1, n) ** 2 for n in output.shape[1:])
    return pixels(output.float() * (1 - 0.25 * (rows[:, None] + cols)))


def test_a_tint_in_one_place_is_another_colour_there(stand_in, rule):
    photo, output = stand_in.pair(2)
    after = columns(rule, photo, in_place(output, tinted(output)))
    assert after["l_colour"] > columns(rule, photo, output)["l_colour"] + 0.5


def test_dark_corners_lower_their_column(stand_in, rule):
    photo, output = stand_in.pair(2)
    assert (
        columns(rule, photo, vignetted(output))["m_corners"]
        < columns(rule, photo, output)["m_corners"] - 0.2
    )


def test_lines_laid_across_one_place_are_hatched(stand_in, rule):
    photo, output = stand_in.pair(2)
    lines = pixels(output.float() + 40 * torch.sin(torch.arange(output.shape[1]))[None, :, None])
    after = columns(rule, photo, in_place(output, lines))
    assert after["l_hatched"] > columns(rule, photo, output)["l_hatched"] + 0.5


def lighter(rule: PlaceRule, maps: PlaceMaps, where: Tensor) -> dict[str, float]:
    """Columns once every place is lighter by up to a few σ, as `where` `[r, c]` says."""
    values = maps.values.clone()
    values[0] += float(rule.spread[0]) * where
    return rule.columns(PlaceMaps(values=values, features=maps.features))


def test_what_all_like_places_of_a_picture_have_in_common_is_no_fault_of_one(stand_in, rule):
    with_light, elsewhere = 0.0, 0.0
    for index in range(6):
        photo, output = stand_in.pair(index)
        maps = place_maps(open_canvas(photo), open_canvas(output))
        light = maps.features[1] - maps.features[1].mean()
        light = light / light.std()
        with_light += lighter(rule, maps, light)["l_colour"]
        elsewhere += lighter(rule, maps, light.flip(0, 1))["l_colour"]
    assert with_light < elsewhere - 1.5
