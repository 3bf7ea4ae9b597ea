"""What a training run is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When training ends: after so many minutes or after so many images, whichever is given."""

    minutes: float | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.images is None):
            raise ValueError(
                f"give either minutes or images: got minutes={self.minutes}, images={self.images}"
            )
        if (self.minutes or self.images or 0) <= 0:
            raise ValueError(f"a budget must be positive: got {self.minutes or self.images}")

    def progress(self, *, elapsed_s: float, num_images: int, reserve_s: float = 0.0) -> float:
        """The share of the budget that is spent, 0 to 1; of minutes, `reserve_s` are not for training."""
        if self.minutes is None:
            return min(num_images / (self.images or 1), 1.0)
        return min(elapsed_s / max(60 * self.minutes - reserve_s, 1e-9), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Weights, rates and sizes; the defaults are those of the CUT objective (arXiv:2007.15651) here.

    What other presets are trained with stands in `recipes`.
    """

    preset: str = "fast"
    crop_px: int = 192
    batch_size: int = 4
    learning_rate: float = 4e-4
    decay_from: float = 0.6  # share of the budget at constant rate; then linear to zero
    warm_up: float = 0.03  # share of the budget before the adversarial game: see Trainer.step
    imitate: float = 0.15  # instead, for one that starts with a teacher: see Trainer.start_from
    lambda_gan: float = 1.0
    lambda_nce: float = 1.0
    lambda_identity: float = 1.0
    identity_every: int = 4  # steps; it costs a third of a step and works as well when it is rare
    num_patches: int = 128  # for PatchNCE, per layer and image
    lambda_colour: float = 0.2
    lambda_palette: float = 1.5
    lambda_strokes: float = 40.0
    lambda_flat: float = 40.0
    lambda_blotch: float = 40.0
    flat_below: float = 0.06  # contrast under which a place of a photo is to stay without texture
    lambda_cycle: float = 10.0  # CycleGAN's way there and back
    replay_size: int = 50  # earlier fakes that CycleGAN's discriminators see again
    content_loss: str = "mse"  # of dagan: mse, or ce for cross-entropy
    lambda_content: float = 10.0
    augment_probability: float = 0.6  # 0: discriminators see images as they are
    grade_probability: float = 0.5  # 0: photos are shown in their own colours
    ema_half_life_images: float = 1_000
    early_at: float = 0.7  # share of the budget at which the pack's second checkpoint is taken
    # Not far over 1: strokes of enlarged scans are soft, and soft is what a generator then learns.
    photo_zoom: tuple[float, float] = (0.5, 1.1)
    painting_zoom: tuple[float, float] = (0.6, 1.2)
    largest_side_px: int = 1024  # training images are kept no larger than this
    precision: str = "auto"  # bf16, fp32, or what the device computes natively
    seed: int = 0

    def rate(self, progress: float) -> float:
        """The learning rate at `progress` of the budget: constant, then linear to zero."""
        return self.learning_rate * min(1.0, (1 - progress) / (1 - self.decay_from))
