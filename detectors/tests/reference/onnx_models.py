"""Writes onnx/*.onnx and onnx.json: pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0.

forecaster: the value that a linear autoregression of order seven expects, and how far the newest is
off. autoencoder: mean squared error of a window by a hidden layer of three, no expected
value. The others break the contract, each in one way. The numbers are onnxruntime's.
"""
import json
import pathlib

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = numpy.random.default_rng(10)
WINDOW = 8
here = pathlib.Path(__file__).parent
(here / "onnx").mkdir(exist_ok=True)


def constant(name, values, kind=numpy.float32):
    return numpy_helper.from_array(numpy.asarray(values, kind), name)


def write(name, nodes, inputs, outputs, constants, kind=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(key, kind, shape) for key, shape in inputs],
        [helper.make_tensor_value_info(key, kind, shape) for key, shape in outputs],
        constants,
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    (here / "onnx" / f"{name}.onnx").write_bytes(model.SerializeToString())


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], **attributes)


VALUES = [("values", [1, WINDOW])]
SCORE, EXPECTED = ("score", [1, 1]), ("expected", [1, 1])
forecast = [
    node("Slice", "values zero last one", "before"),
    node("Slice", "values last end one", "newest"),
    node("Gemm", "before weights bias", "expected"),
    node("Sub", "newest expected", "error"),
    node("Abs", "error", "score"),
]
forecast_constants = [
    constant("weights", [[0.02], [-0.05], [0.05], [0.1], [-0.2], [0.3], [0.7]]), constant("bias", [0.1]),
    constant("zero", [0], numpy.int64), constant("last", [WINDOW - 1], numpy.int64),
    constant("end", [WINDOW], numpy.int64), constant("one", [1], numpy.int64),
]
write("forecaster", forecast, VALUES, [SCORE, EXPECTED], forecast_constants)
write("score_of_eight", [node("Abs", "values", "score")], VALUES, [("score", [1, WINDOW])], [])
write("double", [node("ReduceMax", "values", "score", axes=[1])], VALUES, [SCORE], [], TensorProto.DOUBLE)
write("three_axes", [node("ReduceMax", "values", "most", axes=[2]), node("Abs", "most", "score")],
      [("values", [1, 1, WINDOW])], [SCORE], [])
write("two_inputs", [node("Mul", "values more", "product"), node("ReduceMax", "product", "score", axes=[1])],
      VALUES + [("more", [1, WINDOW])], [SCORE], [])
write(
    "autoencoder",
    [
        node("Gemm", "values encode encode_bias", "coded"),
        node("Relu", "coded", "hidden"),
        node("Gemm", "hidden decode decode_bias", "decoded"),
        node("Sub", "values decoded", "error"),
        node("Mul", "error error", "squares"),
        node("ReduceMean", "squares", "score", axes=[1], keepdims=1),
    ],
    VALUES, [SCORE],
    [
        constant("encode", random.normal(size=(WINDOW, 3)) / 3), constant("encode_bias", random.normal(size=3)),
        constant("decode", random.normal(size=(3, WINDOW)) / 2), constant("decode_bias", random.normal(size=WINDOW)),
    ],
)
values = numpy.round(numpy.sin(numpy.arange(80) / 4) + 0.1 * random.normal(size=80), 4)
out = {"values": values.tolist(), "models": {}}
for name in ["forecaster", "autoencoder"]:
    session = onnxruntime.InferenceSession(here / "onnx" / f"{name}.onnx")
    for scale in ["raw", "standardised"]:
        scores, expected = [], []
        for end in range(WINDOW, len(values) + 1):
            window, origin, length = values[end - WINDOW:end], 0.0, 1.0
            if scale == "standardised":
                origin = numpy.median(window[:-1])
                length = 1.482602218505602 * numpy.median(abs(window[:-1] - origin))
            answer = session.run(None, {"values": ((window - origin) / length).astype(numpy.float32)[None]})
            scores.append(float(answer[0][0, 0]))
            if len(answer) > 1:
                expected.append(origin + length * float(answer[1][0, 0]))
        out["models"][f"{name} {scale}"] = {"scores": scores, "expected": expected or None}
(here / "onnx.json").write_text(json.dumps(out) + "\n")
