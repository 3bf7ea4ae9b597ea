from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganst.correction import acceptance, likeness
from ganst.correction.acceptance import (
    Verdict,
    acceptance_level,
    benign_copies,
    try_candidate,
)
from ganst.correction.bench import Bench, Parent, Rendering
from ganst.correction.likeness import (
    another_photos,
    chroma_share,
    closeness,
    closer_than_the_networks,
    coarse_share,
    decoys,
    in_the_photos_colours,
)
from ganst.scoring.calibration import FAMILIES, JUDGED, Judgement
from ganst.scoring.canonical import blur, open_canvas
from ganst.scoring.measuring import measure
from ganst.scoring.reference import Reference
from ganst.scoring.relative import RunScale
from tests.ganst.correction.bad_candidates import pasted
from tests.ganst.stand_in import requantised

GOOD = 0  # a pair whose output is nowhere near a limit


def to_pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)


@pytest.fixture
def try_it(stand_in):
    def run(
        index: int,
        candidate: Tensor,
        flagged: Tensor,
        siblings: tuple = (),
        *,
        ignored: tuple[str, ...] = (),
        other: int | None = None,
        run_scale: RunScale | None = None,
        restored: bool = False,
        rendering: Tensor | None = None,
    ) -> Verdict:
        photo, _ = stand_in.pair(index)
        calibration = stand_in.calibration
        columns = measure(photo, flagged, calibration.reference)
        parent = Parent(pixels=flagged, judgement=calibration.judge(columns, "key"))
        bench = Bench(
            calibration=calibration,
            alpha=0.05,
            others=[stand_in.pair(index + 70 if other is None else other)],
            recompress=requantised,
            key="key",
            ignored=ignored,
            run_scale=run_scale,
            restored=restored,
            rendering=None
            if rendering is None
            else Rendering(
                columns=measure(photo, rendering, calibration.reference), pixels=rendering
            ),
        )
        return try_candidate(photo, candidate, parent, siblings, bench)

    return run


def test_a_good_output_replaces_a_damaged_one(stand_in, try_it):
    # One good output in ten looks odd enough to be refused: that is the price of the level.
    usual = [index for index in range(8) if stand_in.p(*stand_in.pair(index)) >= 0.2]
    assert len(usual) >= 4
    for index in usual[:4]:
        _, output = stand_in.pair(index)
        verdict = try_it(index, output, 255 - output)
        assert verdict.accepted, verdict.reason


def test_no_adversarial_candidate_is_accepted(stand_in, try_it):
    accepted = {}
    for index in range(3):
        photo, output = stand_in.pair(index)
        source, good = photo.float(), output.float()
        painting = stand_in.pair(index + 90)[1]
        fine = source - blur(source, 2.0)
        candidates = {
            "the photo": photo,
            "the photo, redder": to_pixels(source * torch.tensor([1.2, 0.9, 0.8])[:, None, None]),
            "the photo in the output's colours": dict(decoys(photo, output, None))[
                "the photo in other colours"
            ],
            "blend 0.3": to_pixels(0.3 * good + 0.7 * source),
            "blend 0.5": to_pixels(0.5 * good + 0.5 * source),
            "the photo hidden in high frequencies": to_pixels(good + 2 * fine),
            "the mean colour": output.float().mean(dim=(1, 2), keepdim=True).expand_as(good),
            "another output": painting,
            "a blurred output": to_pixels(blur(good, 3.0)),
            "a mirrored output": output.flip(2),
        }
        for name, candidate in candidates.items():
            verdict = try_it(index, to_pixels(candidate.float()), 255 - output)
            if verdict.accepted:
                accepted[f"{name} {index}"] = verdict.reason
    assert accepted == {}


@pytest.mark.parametrize("sigma", [2.0, 4.0, 8.0, 16.0])
def test_strokes_over_the_photos_own_colours_are_refused(stand_in, try_it, sigma):
    # Of 840 bad candidates on real photos this kind alone passed all other tests.
    photo, output = (image.float() for image in stand_in.pair(GOOD))
    candidate = to_pixels(output - blur(output, sigma) + blur(photo, sigma))
    assert not try_it(GOOD, candidate, 255 - to_pixels(output)).accepted
    share = coarse_share(to_pixels(photo), candidate)
    assert share < 0.4 < coarse_share(*stand_in.pair(GOOD))


def test_the_light_of_the_output_over_the_photos_own_colours_is_refused(stand_in):
    # Of all bad candidates for an output of `ukiyoe` this one passed all other tests.
    photo, output = (image.float() for image in stand_in.pair(GOOD))
    light_in, light_out = (image.mean(dim=0, keepdim=True) for image in (photo, output))
    candidate = to_pixels(photo - light_in + light_out)
    source, good, others = to_pixels(photo), to_pixels(output), [stand_in.pair(70)]
    told = in_the_photos_colours(source, candidate, others)
    assert told is not None
    assert "of the coarse change is of colour" in told
    assert in_the_photos_colours(source, good, others) is None
    assert chroma_share(source, candidate) < 0.5 * chroma_share(source, good)


def test_a_style_of_few_colours_needs_no_more_than_its_good_outputs_have(stand_in):
    def in_grey(image: Tensor) -> Tensor:
        return image.float().mean(dim=0, keepdim=True).expand_as(image).round().to(torch.uint8)

    pairs = [(in_grey(photo), in_grey(output)) for photo, output in map(stand_in.pair, (GOOD, 70))]
    assert chroma_share(*pairs[0]) < 0.1
    assert in_the_photos_colours(*pairs[0], pairs[1:]) is None


@pytest.mark.parametrize("again", ["parent", "sibling"])
def test_the_same_image_again_is_refused(stand_in, try_it, again):
    _, output = stand_in.pair(0)
    flagged = 255 - output
    if again == "parent":
        assert try_it(0, flagged, flagged).reason == "it is the flagged output itself"
    else:
        verdict = try_it(0, output, flagged, (output,))
        assert verdict.reason == "an earlier candidate was the same"


def test_a_candidate_that_is_no_better_than_its_parent_is_refused(stand_in, try_it):
    _, output = stand_in.pair(GOOD)
    verdict = try_it(GOOD, requantised(output), output)
    assert not verdict.accepted
    assert "no clear gain" in verdict.reason


def test_every_refusal_says_why_and_carries_the_columns(stand_in, try_it):
    photo, output = stand_in.pair(2)
    verdict = try_it(2, 255 - photo, 255 - output)
    assert not verdict.accepted
    assert verdict.reason
    assert verdict.columns["p_delta"] == pytest.approx(
        measure(photo, 255 - photo, stand_in.calibration.reference)["p_delta"]
    )


def test_more_tries_need_a_higher_p():
    assert [acceptance_level(0.05, tried) for tried in (1, 2, 3)] == pytest.approx([0.1, 0.1, 0.15])


def test_benign_copies_keep_source_and_candidate_of_one_size(stand_in):
    photo, output = stand_in.pair(0)
    for source, candidate in benign_copies(photo, output, requantised):
        assert source.shape == candidate.shape
        assert candidate.dtype == torch.uint8


def test_decoys_are_images_of_the_sources_size(stand_in):
    photo, output = stand_in.pair(0)
    donor = stand_in.pair(1)[1][:, :100]
    found = dict(decoys(photo, output, donor))
    assert len(found) == 5
    assert all(decoy.shape == photo.shape for decoy in found.values())


def test_a_candidate_of_another_size_is_an_error_not_a_verdict(stand_in, try_it):
    _, output = stand_in.pair(GOOD)
    with pytest.raises(ValueError, match="its candidate"):
        try_it(GOOD, output[:, 1:], 255 - output)


def test_a_column_that_is_no_number_is_refused(stand_in, try_it, monkeypatch):
    _, output = stand_in.pair(GOOD)
    real = acceptance.measure

    def measured(source: Tensor, candidate: Tensor, reference: Reference) -> dict[str, float]:
        columns = real(source, candidate, reference)
        return columns | {"s_gain": float("nan")} if torch.equal(candidate, output) else columns

    monkeypatch.setattr(acceptance, "measure", measured)
    assert try_it(GOOD, output, 255 - output).reason == "columns that are no numbers: s_gain"


def test_another_photos_output_is_refused_by_its_look_alone(stand_in):
    (photo, output), (other_photo, other) = stand_in.pair(GOOD), stand_in.pair(5)
    fitted = torch.nn.functional.interpolate(other[None], size=photo.shape[1:])[0]
    told = another_photos(photo, fitted, [(other_photo, other)])
    assert told is not None
    assert "another photo's output" in told
    assert another_photos(photo, output, [(other_photo, other)]) is None
    # Two shots of one scene rightly come to about the same.
    assert another_photos(photo, output, [(photo, output)]) is None


def test_what_was_optimised_does_not_speak_for_a_candidate(stand_in, try_it, monkeypatch):
    # The flagged output is odd in its content columns alone: a candidate that was trained to mend
    # those has nothing else to show for itself.
    _, output = stand_in.pair(GOOD)
    flagged = output.clamp(1) - 1  # as good as the output, but for what is said of it below
    real = acceptance.measure

    def measured(source: Tensor, candidate: Tensor, reference: Reference) -> dict[str, float]:
        columns = real(source, candidate, reference)
        if not torch.equal(candidate, flagged):
            return columns
        return columns | {name: columns[name] + 1 for name in ("c_gms", "c_gmsd", "c_hog")}

    monkeypatch.setattr(acceptance, "measure", measured)
    monkeypatch.setattr("ganst.correction.bench.measure", measured)
    monkeypatch.setattr("tests.ganst.correction.test_acceptance.measure", measured)
    trusted = try_it(GOOD, output, flagged)
    assert trusted.accepted, trusted.reason
    assert "no clear gain" in try_it(GOOD, output, flagged, ignored=("content",)).reason


FAMILY = "artifact"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0.9, 0.04, True), (0.9, 0.09, True), (0.15, 0.09, False), (0.53, 0.16, False)],
)
def test_a_family_got_worse_where_it_is_odd_now_not_where_it_is_half_as_usual(
    stand_in, try_it, monkeypatch, before, after, told
):
    # The colours of one network on one photo have p .53 under noise, and .16 without it.
    _, output = stand_in.pair(GOOD)
    flagged = 255 - output
    judged = [
        stand_in.calibration.judge(
            measure(stand_in.pair(GOOD)[0], image, stand_in.calibration.reference), "key"
        )
        for image in (flagged, output)
    ]
    parent, good = (
        replace(one, **{f"p_{name}": 0.9 for name in FAMILIES} | {f"p_{FAMILY}": p})
        for one, p in zip(judged, (before, after), strict=True)
    )
    real = type(stand_in.calibration).judge

    def judge(self, columns, key) -> Judgement:
        found = real(self, columns, key)
        return next(
            (
                new
                for old, new in zip(judged, (parent, good), strict=True)
                if old.anomaly == found.anomaly
            ),
            found,
        )

    monkeypatch.setattr(type(stand_in.calibration), "judge", judge)
    verdict = try_it(GOOD, output, flagged)
    assert (f"{FAMILY} got worse" in verdict.reason) == told
    assert verdict.accepted != told
    assert try_it(GOOD, output, flagged, restored=True).accepted


def test_what_is_much_closer_to_the_photo_than_what_the_network_makes_of_it_is_refused(
    stand_in, try_it
):
    # On a photo that the network changes much, four tenths of it in the right colours are no outlier.
    photo, output = stand_in.pair(GOOD)
    flagged, calibration = 255 - output, stand_in.calibration
    assert try_it(GOOD, output, flagged, rendering=output).accepted
    columns = measure(photo, output, calibration.reference)
    steps = []
    for share in (0.1, 0.3, 0.5):
        mixed = to_pixels(torch.lerp(output.float(), photo.float(), share))
        found = measure(photo, mixed, calibration.reference)
        steps.append(closeness(found, calibration) - closeness(columns, calibration))
        told = closer_than_the_networks(found, columns, calibration)
        is_very_close = closeness(found, calibration) > 2.3
        assert (told is not None) == (steps[-1] > (0.5 if is_very_close else 2.1))
        assert closer_than_the_networks(columns, found, calibration) is None
        beside_a_faulty_one = closer_than_the_networks(found, columns, calibration, is_sound=False)
        assert (beside_a_faulty_one is None) == (
            closeness(found, calibration) - max(closeness(columns, calibration), 0)
            <= (0.5 if is_very_close else 2.1)
        )
    assert steps == sorted(steps)
    assert steps[-1] > 2.1


def test_where_few_good_outputs_are_as_close_a_smaller_step_is_refused(monkeypatch):
    """A photo that the network changes little: there half a blend is a small step."""
    monkeypatch.setattr(likeness, "closeness", lambda columns, _: columns["close"])
    cases = {
        (2.2, 0.5): True,
        (2.8, 0.9): False,  # an output that was nudged out of a half blend had this
        (2.8, 2.4): True,
        (4.0, 3.6): True,
        (1.5, -0.7): False,
    }
    for (mine, networks), is_taken in cases.items():
        calibration: Any = None
        told = closer_than_the_networks({"close": mine}, {"close": networks}, calibration)
        assert (told is None) == is_taken


def test_a_step_towards_the_photo_that_no_other_test_sees_is_refused_beside_a_rendering(
    stand_in, try_it, monkeypatch
):
    _, output = stand_in.pair(GOOD)
    farther = output.clamp(1) - 1
    monkeypatch.setattr(
        acceptance,
        "closer_than_the_networks",
        lambda mine, networks, *_, **__: None if mine == networks else "too close to the photo",
    )
    assert try_it(GOOD, output, 255 - output).accepted
    assert try_it(GOOD, output, 255 - output, rendering=output).accepted
    verdict = try_it(GOOD, output, 255 - output, rendering=farther)
    assert verdict.reason == "too close to the photo"


def test_a_faulty_rendering_does_not_say_how_far_from_the_photo_one_must_stay(stand_in, try_it):
    photo, output = stand_in.pair(GOOD)
    noise = 60 * torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    noisy = to_pixels(output.float() + noise)
    columns = measure(photo, noisy, stand_in.calibration.reference)
    good = measure(photo, output, stand_in.calibration.reference)
    assert closer_than_the_networks(good, columns, stand_in.calibration) is not None
    assert try_it(GOOD, output, noisy, rendering=noisy).accepted


def test_what_was_restored_is_good_unless_it_is_flagged_like_every_first_output(
    stand_in, try_it, monkeypatch
):
    _, output = stand_in.pair(GOOD)
    monkeypatch.setattr(acceptance, "_not_steady", lambda *_: "not steady")
    assert not try_it(GOOD, output, 255 - output).accepted
    assert try_it(GOOD, output, 255 - output, restored=True).accepted
    real = type(stand_in.calibration).judge
    for p, is_good in ((0.049, False), (0.06, True)):
        monkeypatch.setattr(
            type(stand_in.calibration),
            "judge",
            lambda self, columns, key, p=p: replace(real(self, columns, key), p_anomaly=p),
        )
        verdict = try_it(GOOD, output, 255 - output, restored=True)
        assert verdict.accepted == is_good
        assert verdict.accepted or "as it was first it is flagged, too" in verdict.reason


def test_what_was_restored_must_be_usual_as_a_whole_all_the_same(stand_in, try_it):
    for index in range(3):
        photo, output = stand_in.pair(index)
        for bad in (to_pixels(blur(output.float(), 4.0)), photo):
            assert not try_it(index, bad, 255 - output, restored=True).accepted


def test_leaving_columns_out_is_no_way_to_pass(stand_in, try_it):
    for index in range(3):
        _, output = stand_in.pair(index)
        damaged = to_pixels(blur(output.float(), 4.0))
        for family in FAMILIES:
            assert not try_it(index, damaged, 255 - output, ignored=(family,)).accepted


def test_a_judgement_without_columns_does_not_depend_on_them(stand_in):
    photo, output = stand_in.pair(GOOD)
    calibration = stand_in.calibration
    bench = Bench(
        calibration=calibration,
        alpha=0.05,
        others=[],
        recompress=requantised,
        key="key",
        ignored=("color",),
    )
    columns = measure(photo, output, calibration.reference)
    moved = columns | {name: columns[name] + 5 for name in columns if name.startswith("k_")}
    assert bench.judge(moved).anomaly == pytest.approx(bench.judge(columns).anomaly)
    assert calibration.judge(moved, "key").anomaly > calibration.judge(columns, "key").anomaly + 1


def test_where_the_photos_have_moved_a_candidate_must_be_usual_in_its_run_too(stand_in, try_it):
    _, output = stand_in.pair(GOOD)
    flagged = 255 - output
    as_calibrated = RunScale(middle=np.zeros(len(JUDGED)), spread=np.ones(len(JUDGED)))
    assert try_it(GOOD, output, flagged, run_scale=as_calibrated).accepted
    elsewhere = RunScale(middle=np.full(len(JUDGED), -6.0), spread=np.ones(len(JUDGED)))
    verdict = try_it(GOOD, output, flagged, run_scale=elsewhere)
    assert "stands out among the outputs of this run" in verdict.reason
    assert verdict.judgement.p_anomaly > 0.05
    ignoring = try_it(GOOD, output, flagged, run_scale=elsewhere, ignored=("content",))
    assert not ignoring.accepted


def test_relative_to_a_run_as_calibrated_p_is_the_calibrations(stand_in):
    photo, output = stand_in.pair(GOOD)
    calibration = stand_in.calibration
    columns = measure(photo, output, calibration.reference)
    bench = Bench(calibration=calibration, alpha=0.05, others=[], recompress=requantised, key="key")
    assert bench.relative_p(columns) is None
    scale = RunScale(middle=np.zeros(len(JUDGED)), spread=np.ones(len(JUDGED)))
    again = replace(bench, run_scale=scale).relative_p(columns)
    assert again == bench.judge(columns).p_anomaly


def test_a_poor_output_is_genuine_and_the_photo_in_disguise_is_not(stand_in, try_it):
    photo, output = stand_in.pair(GOOD)
    poor = to_pixels(blur(output.float(), 3.0))
    refused = try_it(GOOD, poor, 255 - output)
    assert (refused.accepted, refused.is_genuine, refused.is_close) == (False, True, False)
    disguised = {
        "the photo": photo,
        "a blend": to_pixels(0.3 * output.float() + 0.7 * photo.float()),
        "the flagged output": 255 - output,
    }
    for name, candidate in disguised.items():
        verdict = try_it(GOOD, candidate, 255 - output)
        assert verdict.is_close, name
        assert verdict.is_genuine == (name == "a blend"), name


def test_what_the_quickest_columns_say_of_a_decoy_is_never_wrong_and_mostly_said(stand_in):
    said = 0
    for index in range(3):
        photo, output = stand_in.pair(index)
        _, donor = stand_in.pair(index + 70)
        columns = measure(photo, output, stand_in.calibration.reference)
        for ignored in ((), ("content",), ("style", "color")):
            bench = Bench(
                calibration=stand_in.calibration,
                alpha=0.05,
                others=[],
                recompress=requantised,
                key="key",
                ignored=ignored,
            )
            for _, decoy in decoys(photo, output, donor):
                anomaly = bench.judge_image(photo, decoy).anomaly
                canvas = open_canvas(photo)
                assert not bench.surpasses(canvas, decoy, columns, anomaly)
                said += bench.surpasses(canvas, decoy, columns, 1.0)
    assert said > 30  # of 45


def test_the_flagged_output_once_more_does_not_count_as_a_try(stand_in, try_it, monkeypatch):
    asked = []
    real = acceptance._not_normal
    monkeypatch.setattr(
        acceptance, "_not_normal", lambda *given: asked.append(given[-1]) or real(*given)
    )
    _, output = stand_in.pair(GOOD)
    flagged = 255 - output
    for siblings in ((), (flagged,), (flagged, output.flip(2)), (output.flip(2), output.flip(1))):
        try_it(GOOD, output, flagged, siblings)
    assert asked == [1, 1, 2, 3]


def test_a_blend_that_was_nudged_until_its_scores_are_usual_is_refused_beside_a_rendering(
    stand_in, try_it, monkeypatch
):
    photo, output = stand_in.pair(GOOD)
    told = []
    monkeypatch.setattr(
        acceptance,
        "detail_given_back",
        lambda *given: told.append(given) or "too close to the photo: 50% is back",
    )
    verdict = try_it(GOOD, output, 255 - output, rendering=output)
    assert verdict.reason == "too close to the photo: 50% is back"
    noisy = to_pixels(output.float() + 60 * torch.randn(output.shape))
    assert not try_it(GOOD, output, noisy, rendering=noisy).accepted
    (_, _, sound, nobody), (source, candidate, unsound, others) = told
    assert torch.equal(sound, output)
    assert torch.equal(unsound, noisy)
    assert torch.equal(source, photo)
    assert torch.equal(candidate, output)
    assert (len(nobody), len(others)) == (0, 1)


def test_the_photo_left_in_the_middle_is_refused_beside_a_sound_and_a_faulty_rendering(
    stand_in, try_it, monkeypatch
):
    photo, output = stand_in.pair(GOOD)
    candidate = pasted(output, photo, 0.5)
    # As if no other rule saw it: in a plain sky none does.
    for name in ("_not_normal", "_loses_a_family", "closer_than_the_networks"):
        monkeypatch.setattr(acceptance, name, lambda *_given, **_named: None)
    monkeypatch.setattr(acceptance, "close_to_the_photo", lambda *_given: None)
    verdict = try_it(GOOD, candidate, 255 - output, rendering=output)
    assert verdict.reason.startswith("the photo shows in one place: changed by")
    noisy = to_pixels(output.float() + 60 * torch.randn(output.shape))
    verdict = try_it(GOOD, candidate, noisy, rendering=noisy)
    assert "σ, limit" in verdict.reason
    assert verdict.reason.startswith("the photo shows in one place")


def test_a_half_blend_that_no_column_tells_is_refused_beside_a_sound_rendering_alone(
    stand_in, try_it, monkeypatch
):
    photo, output = stand_in.pair(GOOD)
    candidate = to_pixels((photo.float() + output.float()) / 2)
    for name in ("_not_normal", "_loses_a_family", "closer_than_the_networks"):
        monkeypatch.setattr(acceptance, name, lambda *_given, **_named: None)
    monkeypatch.setattr(acceptance, "close_to_the_photo", lambda *_given: None)
    verdict = try_it(GOOD, candidate, 255 - output, rendering=output)
    assert "50% of the way to what the network makes of it" in verdict.reason
    noisy = to_pixels(output.float() + 60 * torch.randn(output.shape))
    assert "of the way" not in try_it(GOOD, candidate, noisy, rendering=noisy).reason
