from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from ganst.correction.strategies import NotApplicableError, Subject
from ganst.correction.tuning import FineTuned, edge_loss
from ganst.inference import Stylizer
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.pixels import to_model
from ganst.training.workbench import init_weights
from tests.ganst.stand_in import make_photo, stylize

PHOTO = make_photo(31)
GOOD = tuple((make_photo(seed), stylize(make_photo(seed), seed)) for seed in (32, 33))


@dataclass(slots=True)
class OneNetwork:
    """A stylist of one generator."""

    weights: ResnetGenerator

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        del checkpoint, precision
        return self.run(self.generator("final"), image)

    def generator(self, checkpoint: str) -> ResnetGenerator:
        del checkpoint
        copied = ResnetGenerator(self.weights.config)
        copied.load_state_dict(self.weights.state_dict())
        return copied.requires_grad_(requires_grad=False)

    def run(self, generator: ResnetGenerator, image: Tensor) -> Tensor:
        return Stylizer(generator, "fp32").stylize([image])[0]


@pytest.fixture(scope="module")
def stylist() -> OneNetwork:
    config = GeneratorConfig(width=8, num_blocks=1, shuffle=2, num_downs=1, stem_kernel=3)
    return OneNetwork(init_weights(ResnetGenerator(config), torch.Generator().manual_seed(5)))


def tune(stylist: OneNetwork, strategy: FineTuned, photo: Tensor = PHOTO) -> Tensor:
    return strategy.produce(Subject(source=photo, good=lambda: GOOD), stylist)


def plain(stylist: OneNetwork) -> Tensor:
    return stylist(PHOTO, checkpoint="final", precision="fp32")


def loss_of(output: Tensor) -> float:
    photo, painted = (to_model(x[None], torch.float32) for x in (PHOTO, output))
    return float(edge_loss(photo, painted))


def test_the_photos_edges_come_in_and_the_same_every_time(stylist):
    strategy = FineTuned(towards="content", steps=20, rate=2e-3, crop=96)
    first, again = (tune(stylist, strategy) for _ in range(2))
    assert torch.equal(first, again)
    assert loss_of(first) < loss_of(plain(stylist)) - 0.05


def test_the_weights_of_the_style_stay_as_they_were(stylist):
    before = {name: value.clone() for name, value in stylist.weights.state_dict().items()}
    tune(stylist, FineTuned(steps=5, rate=2e-3, crop=96))
    after = stylist.weights.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_steps_that_do_not_help_are_taken_back(stylist):
    wild = FineTuned(towards="content", steps=20, rate=10.0, crop=96)
    assert torch.equal(tune(stylist, wild), plain(stylist))


def test_another_photo_or_seed_trains_on_other_crops(stylist):
    short = FineTuned(steps=10, rate=2e-3, crop=96)
    tuned = tune(stylist, short)
    assert not torch.equal(tuned, tune(stylist, FineTuned(steps=10, rate=2e-3, crop=96, seed=1)))


@pytest.mark.parametrize(("exposure", "is_bright"), [("kept", True), ("ignored", False)])
def test_dark_photos_are_learnt_from_in_the_light_they_are_shown_in(
    stylist, monkeypatch, exposure, is_bright
):
    start = ResnetGenerator(replace(stylist.weights.config, exposure=exposure))
    start.load_state_dict(stylist.weights.state_dict())
    shown, forward = [], ResnetGenerator.forward
    monkeypatch.setattr(
        ResnetGenerator, "forward", lambda self, x: shown.append(x) or forward(self, x)
    )
    night = tuple((photo // 6, output // 6) for photo, output in GOOD)
    subject = Subject(source=PHOTO // 6, good=lambda: night)
    FineTuned(steps=1, crop=96).produce(subject, OneNetwork(start))
    lights = torch.cat(shown).amax(dim=(1, 2, 3))  # 0 is half of white
    assert torch.all(lights > 0) if is_bright else torch.all(lights < -0.6)


def test_without_a_good_output_nothing_would_hold_the_style(stylist):
    with pytest.raises(NotApplicableError, match="no good output"):
        FineTuned().produce(Subject(source=PHOTO), stylist)


def test_what_it_optimises_may_not_speak_for_it():
    assert FineTuned(towards="content").used_as_loss == ("content",)
    assert FineTuned(towards="style").used_as_loss == ("style",)


@pytest.mark.parametrize("steps", [0, 101])
def test_more_than_a_hundred_steps_are_refused(steps):
    with pytest.raises(ValueError, match="steps must be in"):
        FineTuned(steps=steps)
