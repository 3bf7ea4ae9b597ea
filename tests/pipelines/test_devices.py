import pytest
import torch

from pipelines import devices, stylizing
from pipelines.devices import gpu_of, own_device
from pipelines.first_attempts import Photo
from pipelines.stylizing import plan_of


@pytest.mark.parametrize(
    ("worker", "count", "gpu"),
    [(0, 2, 0), (1, 2, 1), (2, 2, 0), ("3", 2, 1), ("tcp://10.0.0.1:4000", 2, 0), (None, 2, 0)],
)
def test_local_workers_take_the_gpus_in_turn_and_others_the_first_they_see(worker, count, gpu):
    assert gpu_of(worker, count) == gpu


def test_the_worker_of_a_number_computes_on_its_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(devices, "_worker_name", lambda: 6)
    assert own_device() == torch.device("cuda", 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device() == torch.device("cpu")


def photo(source: str, num_pixels: int) -> Photo:
    return Photo(
        source=source,
        source_sha256="",
        attempt_id="",
        output=source,
        num_pixels=num_pixels,
        group=".",
    )


def test_on_a_cpu_every_photo_is_worked_on_alone_and_in_order():
    photos = [photo(name, size) for name, size in (("b", 4), ("a", 2), ("c", 4))]
    assert plan_of(photos, together=False) == [(one,) for one in photos]


def test_on_a_gpu_photos_of_one_size_go_together_and_a_large_one_alone():
    sizes = [512 * 512] * 20 + [100_000_000] + [600 * 400]
    photos = [photo(f"{index:02}", size) for index, size in enumerate(sizes)]
    batches = plan_of(photos, together=True)
    assert [len(batch) for batch in batches] == [16, 4, 1, 1]
    assert sorted(one.source for batch in batches for one in batch) == [p.source for p in photos]
    assert [stylizing._is_large(batch) for batch in batches] == [False, False, True, False]
