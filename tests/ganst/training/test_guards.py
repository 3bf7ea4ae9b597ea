import dataclasses

import pytest
import torch
from torch import Tensor

from ganst.errors import TrainingError
from ganst.training import workbench
from ganst.training.config import Budget
from ganst.training.guards import MAX_INTERVENTIONS, Guards, adapt, probe
from ganst.training.loop import Trainer, run_steps
from ganst.training.state import capture
from ganst.training.watch import HeldBack, Watch, best_of
from tests.ganst.training.tiny import CONFIG, changes, tiny_bank, tiny_trainer, weights_of


class _Painter(torch.nn.Module):
    """Stands in for the averaged generator."""

    def __init__(self, paint) -> None:
        super().__init__()
        self.paint = paint

    def forward(self, images: Tensor) -> Tensor:
        return self.paint(images)


def _photos(rng: torch.Generator) -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=rng) - 0.5


def _trainer_that_paints(monkeypatch, paint, progress: float) -> Trainer:
    trainer = tiny_trainer()
    trainer.progress = progress
    monkeypatch.setattr(type(trainer), "average", property(lambda _: _Painter(paint)))
    return trainer


@pytest.mark.parametrize(
    ("paint", "progress", "kind"),
    [
        (lambda x: -x, 0.3, "inversion"),
        (lambda x: x[:1].expand_as(x) + 0.01 * x, 0.3, "collapse"),
        (lambda x: x + 0.01, 0.5, "no_style"),
        (lambda x: x + 0.01, 0.3, None),
        (lambda x: 0.8 * x + 0.1, 0.9, None),
    ],
)
def test_a_probe_tells_the_failures_apart(monkeypatch, rng, paint, progress, kind):
    trainer = _trainer_that_paints(monkeypatch, paint, progress)
    verdict = probe(trainer, _photos(rng)).verdict(progress)
    assert (verdict[0] if verdict else None) == kind


def test_a_guard_rolls_back_adapts_and_gives_the_change_time(monkeypatch, rng):
    trainer = tiny_trainer()
    guards = Guards(trainer, _photos(rng))
    before = weights_of(trainer)
    for event in run_steps(trainer, Budget(images=20), lambda: 0.0):
        if event.step == 4:
            break
    monkeypatch.setattr(type(trainer), "average", property(lambda _: _Painter(lambda x: -x)))
    done = guards.check()
    assert done is not None
    assert (done.kind, done.step, done.progress) == ("inversion", 4, 0.4)
    assert done.done == "learning rate x 0.5, content losses x 2"
    assert not any(moved for _, moved in changes(before, weights_of(trainer)))
    assert trainer.num_images == 8
    assert guards.check() is None  # too early to judge what was changed
    trainer.progress = 0.6
    assert guards.check() is not None


def test_guards_intervene_a_bounded_number_of_times(monkeypatch, rng):
    trainer = _trainer_that_paints(monkeypatch, lambda x: -x, 0.2)
    guards = Guards(trainer, _photos(rng))
    for n in range(20):
        trainer.progress = 0.2 + n * 0.15
        guards.check()
    assert len(guards.interventions) == MAX_INTERVENTIONS


def test_a_diverged_training_comes_back_with_a_lower_rate():
    trainer = tiny_trainer()
    guards = Guards(trainer, torch.rand(4, 3, 32, 32))
    with torch.no_grad():
        trainer.G.head.conv.weight.fill_(float("nan"))
    events = list(run_steps(trainer, Budget(images=60), lambda: 0.0, rescue=guards.rescue))
    assert events[-1].progress == 1
    assert trainer.bench.rate_factor == 0.5
    assert [done.kind for done in guards.interventions] == ["nonfinite"]
    assert torch.isfinite(trainer.G.head.conv.weight).all()


def test_a_training_that_always_diverges_ends_with_a_sentence(monkeypatch):
    monkeypatch.setattr(workbench, "MAX_NONFINITE_STEPS", 3)
    trainer = tiny_trainer(dataclasses.replace(CONFIG, lambda_colour=float("nan")))
    guards = Guards(trainer, torch.rand(4, 3, 32, 32))
    with pytest.raises(TrainingError, match=r"not finite 3 times in a row.* after \d+ images"):
        for _ in run_steps(trainer, Budget(images=1000), lambda: 0.0, rescue=guards.rescue):
            pass
    assert len(guards.interventions) == MAX_INTERVENTIONS


def test_what_a_guard_changes_is_part_of_the_state():
    trainer = tiny_trainer()
    adapt(trainer.bench, "collapse")
    adapt(trainer.bench, "no_style")
    bench = capture(trainer).facts["bench"]
    assert bench["augment_probability"] == pytest.approx(0.8)
    assert (bench["rate_factor"], bench["style_factor"], bench["content_factor"]) == (0.5, 1.5, 0.5)


def test_a_watch_evaluates_ten_times_and_keeps_the_best(monkeypatch):
    monkeypatch.setattr("ganst.training.watch.MIN_STEPS", 1)
    trainer = tiny_trainer(dataclasses.replace(CONFIG, batch_size=1))
    watch = Watch(trainer, HeldBack.of(tiny_bank(3, 0), tiny_bank(4, 2), 32))
    assert watch.evaluator is not None
    for event in run_steps(trainer, Budget(images=20), lambda: 0.0):
        watch.look(event)
    found = watch.facts()["evaluations"]
    assert [round(10 * one["progress"]) for one in found] == list(range(1, 11))
    assert trainer.best is not None
    again = Watch(tiny_trainer(), HeldBack.of(tiny_bank(3, 0), tiny_bank(4, 2), 32))
    again.load(watch.facts())
    assert again.facts() == watch.facts()


def test_the_best_is_near_the_paintings_and_keeps_the_content():
    def found(style: float, content: float, gain: float) -> dict[str, float]:
        return {"style": style, "content": content, "gain": gain}

    copying, good, wild = found(3.0, 0.0, -0.1), found(1.0, 0.4, 0.6), found(0.5, 0.9, 0.8)
    assert best_of([copying, good, found(1.2, 0.4, 0.5), wild]) is good
    assert best_of([copying]) is copying
