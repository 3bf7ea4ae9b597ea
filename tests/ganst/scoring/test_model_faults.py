import pytest
import torch

from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.layers import Norm
from ganst.scoring.model_faults import (
    perturbed_weights,
    undertrained,
    wrong_input_range,
    wrong_norm,
)


@pytest.fixture
def generator():
    return make_generator(1)


def make_generator(seed: int, norm: Norm = "instance") -> ResnetGenerator:
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(seed)
        config = GeneratorConfig(width=4, num_blocks=2, num_downs=1, norm=norm)
        return ResnetGenerator(config).eval()


@torch.no_grad()
def change(generator: ResnetGenerator, damaged: ResnetGenerator) -> float:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return float((generator(image) - damaged(image)).square().mean())


def perturbed(generator: ResnetGenerator, severity: float) -> ResnetGenerator:
    return perturbed_weights(generator, severity, torch.Generator().manual_seed(3))


def half_trained(generator: ResnetGenerator, severity: float) -> ResnetGenerator:
    return undertrained(generator, make_generator(2), severity)


@pytest.mark.parametrize("damage", [perturbed, half_trained, wrong_norm])
def test_outputs_move_further_away_and_the_clean_twin_stays(generator, damage):
    before = {name: weight.clone() for name, weight in generator.state_dict().items()}
    moved = [change(generator, damage(generator, severity)) for severity in (1.0, 5.0)]
    assert 0 < moved[0] < moved[1]
    assert all(torch.equal(before[name], w) for name, w in generator.state_dict().items())


def test_undertrained_at_its_worst_is_the_early_checkpoint(generator):
    early = make_generator(2)
    assert change(early, undertrained(generator, early, 5.0)) < 1e-10


def test_the_same_draw_perturbs_the_same_way(generator):
    assert change(perturbed(generator, 2.0), perturbed(generator, 2.0)) == 0


def test_a_generator_without_norms_has_none_to_get_wrong():
    with pytest.raises(ValueError, match="no instance norm"):
        wrong_norm(make_generator(1, norm="none"), 2.0)


def test_at_its_worst_the_input_range_is_the_upper_half_of_the_levels():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).expand(3, -1, -1)
    worst = wrong_input_range(levels, 5.0)
    assert int(worst.min()) == 128
    assert int(worst.max()) == 255
    mild = wrong_input_range(levels, 1.0)
    assert int(mild.min()) == 26
