"""A small writer of ONNX graphs, and the steps around a generator whose sizes are known only when it runs.

Written out by hand, not traced: torch's exporter turns reflection pads into gathers for the traced size
(seen with torch 2.13: another size fails with "invalid index found"), and takes a minute instead of a second.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 17
IR_VERSION = 9  # read by onnxruntime 1.16 and newer


class Graph:
    """Nodes and constants in the order in which they are added; a value is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 (as ONNX has them)
        """The output of a new node."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, values: Any) -> str:  # noqa: ANN401 (what numpy makes an array of)
        """A new constant: whole numbers as int64, others as float32."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def size(self, x: str, axis: int) -> str:
        """The length of an axis, a scalar."""
        return self.add("Gather", self.add("Shape", x), self.constant(axis))

    def range(self, start: str, end: str) -> str:
        """`start`, `start + 1`, ... below `end`."""
        return self.add("Range", start, end, self.constant(1))

    def column(self, x: str) -> str:
        """A vector as a matrix of one column."""
        return self.add("Unsqueeze", x, self.constant([1]))

    def to_model(self, output: str, about: dict[str, str]) -> bytes:
        """The model from `images` to `styled`, both float32 `[N, 3, H, W]`, checked and serialized."""
        self.nodes.append(helper.make_node("Identity", [output], ["styled"], "styled"))
        shape = ["N", 3, "H", "W"]
        images, styled = (
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name in ("images", "styled")
        )
        graph = helper.make_graph(self.nodes, "generator", [images], [styled], self.constants)
        model = helper.make_model(
            graph,
            producer_name="ganst",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(model, about)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def mirror(graph: Graph, x: str, axis: int, stride: int, smallest: int) -> tuple[str, str]:
    """`ganst.pixels.pad_to_stride` along one axis; the padded images, and how many pixels stand in front."""
    size = graph.size(x, axis)
    whole = graph.add("Add", size, graph.constant(stride - 1))
    whole = graph.add("Div", whole, graph.constant(stride))
    whole = graph.add("Mul", whole, graph.constant(stride))
    target = graph.add("Max", whole, graph.constant(smallest))
    before = graph.add("Div", graph.add("Sub", target, size), graph.constant(2))
    positions = graph.range(graph.add("Neg", before), graph.add("Sub", target, before))
    last = graph.add("Sub", size, graph.constant(1))
    period = graph.add("Max", graph.add("Mul", last, graph.constant(2)), graph.constant(1))
    there = graph.add("Mod", positions, period)
    nearest = graph.add("Min", there, graph.add("Sub", period, there))
    indices = graph.add("Mod", nearest, period)  # for a single pixel, whose period is 1
    return graph.add("Gather", x, indices, axis=axis), before


def crop(graph: Graph, x: str, axis: int, before: str, size: str) -> str:
    """`size` pixels of an axis, behind the first `before`."""
    first = graph.constant([0])
    start = graph.add("Unsqueeze", before, first)
    end = graph.add("Unsqueeze", graph.add("Add", before, size), first)
    return graph.add("Slice", x, start, end, graph.constant([axis]))


def lowpass(graph: Graph, images: str, factor: int, gain: float) -> str:
    """The images averaged over cells of about `factor` pixels a side and enlarged again, times `gain`."""
    rows, columns = (_averages(graph, graph.size(images, axis), factor) for axis in (2, 3))
    small = graph.add("MatMul", rows, images)
    small = graph.add("MatMul", small, graph.add("Transpose", columns, perm=[1, 0]))
    sizes = graph.add("Shape", images)
    large = graph.add(
        "Resize", small, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )
    return graph.add("Mul", large, graph.constant(gain))


def _averages(graph: Graph, size: str, factor: int) -> str:
    """The matrix `[cells, size]` that averages a line as torch's adaptive pooling does: cells may overlap."""
    one = graph.constant(1)
    num_cells = graph.add("Max", graph.add("Div", size, graph.constant(factor)), one)
    cells = graph.range(graph.constant(0), num_cells)
    start = graph.add("Div", graph.add("Mul", cells, size), num_cells)
    ends = graph.add("Mul", graph.add("Add", cells, one), size)
    ends = graph.add("Add", ends, graph.add("Sub", num_cells, one))
    end = graph.add("Div", ends, num_cells)
    places = graph.range(graph.constant(0), size)
    is_behind = graph.add("GreaterOrEqual", places, graph.column(start))
    is_before = graph.add("Less", places, graph.column(end))
    inside = graph.add("Cast", graph.add("And", is_behind, is_before), to=onnx.TensorProto.FLOAT)
    widths = graph.add("Cast", graph.add("Sub", end, start), to=onnx.TensorProto.FLOAT)
    return graph.add("Div", inside, graph.column(widths))
