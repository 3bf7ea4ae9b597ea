"""Which GPU a worker computes on."""

import sys

import torch


def own_device() -> torch.device:
    """The CPU where there is no GPU; of several GPUs the workers of a cluster take one each in turn."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return torch.device("cpu")
    return torch.device("cuda", gpu_of(_worker_name(), count))


def gpu_of(worker: object, count: int) -> int:
    """By the number that Dask names a local worker with.

    Workers with other names get the first one that they see: who starts them sets CUDA_VISIBLE_DEVICES.
    """
    name = str(worker)
    return int(name) % count if name.isdecimal() else 0


def _worker_name() -> object:
    if "distributed" not in sys.modules:  # work in the command's own process
        return None
    from distributed import get_worker

    try:
        return get_worker().name
    except ValueError:  # likewise
        return None
