"""A GPU that is not there: tensors that call themselves CUDA's, computed by the CPU under a GPU's rules.

Refused as by a real one: operands on two devices, a generator of the CPU for a tensor of the GPU, and
while a graph is captured whatever goes between the two. Counted: where the host waits for all that
is queued. Precision, memory, kernels and speed are the CPU's, and autocast does nothing.
"""
# ruff: noqa: ANN401  (torch hands over any function with any arguments)

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    return_and_correct_aliasing,
)
from torch.utils._pytree import tree_leaves, tree_map

import ganst

_OURS = Path(ganst.__file__).parent
GPU = torch.device("cuda", 0)
_aten = torch.ops.aten
_READS = (_aten._local_scalar_dense.default, _aten.equal.default, _aten.nonzero.default)
_MOVES = (_aten._to_copy.default, _aten.to.dtype_layout)  # the latter in inference mode
_INDEXED = (_aten.index.Tensor, _aten.index_put_.default, _aten._index_put_impl_.default)


class GpuTensor(Tensor):
    """`on_host` has the values. For C++ it is of the meta device, which needs no driver for its views and gradients."""

    on_host: Tensor
    device = property(lambda _: GPU)  # pyrefly: ignore[bad-override, bad-assignment]
    is_meta = property(lambda _: False)  # pyrefly: ignore[bad-override, bad-assignment]
    __torch_function__ = torch._C._disabled_torch_function_impl  # pyrefly: ignore[bad-override]

    @staticmethod
    def __new__(cls, on_host: Tensor) -> "GpuTensor":
        with _disable_current_modes():
            shape = torch.empty_strided(
                on_host.size(), on_host.stride(), dtype=on_host.dtype, device="meta"
            )
        made = Tensor._make_subclass(cls, shape, False, device_for_backend_keys=GPU)
        made.on_host = on_host
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: object) -> Any:  # pyrefly: ignore[bad-override]
        raise RuntimeError(f"{func} of a tensor on the GPU outside of `fake_gpu`")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **_: object) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


class FakeGpu(TorchDispatchMode):
    """`waits`: how often each line of ours made the host wait. `graph`: what is being captured."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.graph: Graph | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        is_on_gpu = self._judge(func, args, kwargs, tensors)
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        kwargs.pop("pin_memory", None)
        args_there, kwargs_there = tree_map(_on_host, (args, kwargs))
        with _disable_current_modes():
            result = func(*args_there, **kwargs_there)
        if self.graph is not None:
            self.graph.calls.append((func, args_there, kwargs_there, result))
        if not is_on_gpu:
            return result
        own = {id(tensor.on_host): tensor for tensor in tensors if isinstance(tensor, GpuTensor)}
        result = tree_map(lambda leaf: own[id(leaf)] if id(leaf) in own else _on_gpu(leaf), result)
        return return_and_correct_aliasing(func, args, kwargs, result) if own else result

    def _judge(self, func: Any, args: Any, kwargs: Any, tensors: list[Tensor]) -> bool:
        """Whether the result is on the GPU."""
        here = [tensor for tensor in tensors if isinstance(tensor, GpuTensor)]
        asked = kwargs.get("device")
        is_on_gpu = bool(here) if asked is None else torch.device(asked).type != "cpu"
        if func is _aten.copy_.default:
            is_on_gpu = isinstance(args[0], GpuTensor)
            self._transfer(len(here) == 1, is_patient=not any(args[2:]))
        elif func in _MOVES:
            self._transfer(bool(here) != is_on_gpu, is_patient=not kwargs.get("non_blocking"))
        elif here:
            self._transfer(func in _READS, is_patient=True)
            _check_operands(func, kwargs, tensors, may_index=func in _INDEXED)
            self._transfer(len(here) < len(tensors) and func in _INDEXED, is_patient=True)
        return is_on_gpu

    def _transfer(self, is_one: bool, *, is_patient: bool) -> None:
        if is_one and self.graph is not None:
            raise RuntimeError("operation not permitted when stream is capturing")
        if is_one and is_patient:
            frames = traceback.extract_stack()
            ours = [frame.line for frame in frames if Path(frame.filename).is_relative_to(_OURS)]
            self.waits[ours[-1] if ours and ours[-1] else "not ours"] += 1


class Graph:
    """A captured graph: what was called, to be called again on the same memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        with _disable_current_modes():
            for func, args, kwargs, result in self.calls:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


@contextmanager
def _capture(gpu: FakeGpu, graph: Graph) -> Iterator[None]:
    gpu.graph = graph
    try:
        yield
    finally:
        gpu.graph = None


def _check_operands(func: Any, kwargs: Any, tensors: list[Tensor], *, may_index: bool) -> None:
    strangers = [t for t in tensors if not isinstance(t, GpuTensor) and t.dim() > 0]
    if strangers and not may_index:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device")
    generator = kwargs.get("generator")
    if generator is not None and generator.device.type == "cpu":
        raise RuntimeError(f"{func}: expected a 'cuda' device type for generator but found 'cpu'")


def _on_host(leaf: Any) -> Any:
    return leaf.on_host if isinstance(leaf, GpuTensor) else leaf


def _on_gpu(leaf: Any) -> Any:
    return GpuTensor(leaf) if isinstance(leaf, Tensor) else leaf


@contextmanager
def fake_gpu() -> Iterator[FakeGpu]:
    """One GPU, for as long as this lasts; torch as it was built for the CPU will do."""
    gpu = FakeGpu()
    stream = mock.MagicMock(name="stream")
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    present: dict[str, Any] = {
        "is_available": lambda: True,
        "is_bf16_supported": lambda: True,
        "device_count": lambda: 1,
        "get_device_name": lambda *_: "a GPU that is not there",
        "set_device": lambda _: None,
        "_lazy_init": lambda: None,
        "Stream": lambda *_: stream,
        "current_stream": lambda *_: stream,
        "stream": lambda _: stream,
        "CUDAGraph": Graph,
        "graph": lambda graph: _capture(gpu, graph),
    }
    try:
        with mock.patch.multiple(torch.cuda, **present), gpu:
            yield gpu
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
