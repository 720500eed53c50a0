"""Quantisation, recurrent operators, graphs within graphs."""
import numpy as np
from onnx import helper as h, TensorProto as T

from .maker import makes, some_array, some_shape


@makes("QuantizeLinear")
def quantize(m, n):
    a = m.pick(lambda v: v.dtype == np.float32, lambda: some_array(m.r, np.float32))
    d = m.one_of(np.uint8, np.int8)
    s = m.g.values[a].shape
    if len(s) > 1 and m.r.random() < 0.4 and m.g.opset >= 13:
        axis = m.axis(a)
        return m.node(n, [a, m.const(np.abs(some_array(m.r, np.float32, (s[axis],))) + np.float32(0.05)),
                          m.const(m.r.integers(0, 9, s[axis]).astype(d))], axis=axis)
    return m.node(n, [a, m.const(np.float32(0.07)), m.const(np.asarray(3, d))])


@makes("DequantizeLinear")
def dequantize(m, n):
    a = m.pick(lambda v: v.dtype in (np.uint8, np.int8), lambda: some_array(m.r, np.uint8))
    return m.node(n, [a, m.const(np.float32(0.07)), m.const(np.asarray(3).astype(m.g.values[a].dtype))])


@makes("DynamicQuantizeLinear")
def dynamic_quantize(m, n):
    return m.node(n, [m.pick(lambda v: v.dtype == np.float32 and v.size, lambda: some_array(m.r, np.float32, (3, 4)))], 3)


@makes("MatMulInteger", "QLinearMatMul")
def integer_product(m, n):
    a = m.pick(lambda v: v.dtype == np.uint8 and v.ndim >= 2, lambda: some_array(m.r, np.uint8, some_shape(m.r, 2)))
    b = m.const(m.r.integers(0, 255, (m.g.values[a].shape[-1], int(m.r.integers(1, 20)))).astype(np.uint8))
    z = lambda x: m.const(np.asarray(x, np.uint8))
    if n[0] == "M":
        return m.node(n, [a, b, z(3), z(128)])
    s = lambda x: m.const(np.float32(x))
    return m.node(n, [a, s(0.1), z(3), b, s(0.02), z(128), s(0.2), z(100)])


@makes("LSTM", "GRU", "RNN")
def recurrent(m, n):
    gates, hidden = {"LSTM": 4, "GRU": 3, "RNN": 1}[n], int(m.r.integers(1, 6))
    x = m.pick(lambda v: v.dtype == np.float32 and v.ndim == 3 and min(v.shape) > 0, lambda: some_array(m.r, np.float32, (4, 2, 3)))
    s = m.g.values[x].shape
    direction = m.one_of("forward", "reverse", "bidirectional")
    d = 2 if direction[0] == "b" else 1
    w = lambda *shape: m.const(some_array(m.r, np.float32, (d,) + shape) * np.float32(0.5))
    lengths = m.const(m.r.integers(1, s[0] + 1, s[1]).astype(np.int32)) if m.r.random() < 0.4 else ""
    return m.node(n, [x, w(gates * hidden, s[2]), w(gates * hidden, hidden), w(2 * gates * hidden) if m.r.random() < 0.7 else "", lengths],
                  3 if n == "LSTM" else 2, hidden_size=hidden, direction=direction,
                  linear_before_reset=m.one_of(0, 1) if n == "GRU" else None)


def small_body(m, x, prefix):
    """Two nodes over the value `x`, which stays as it is in type and shape."""
    op = m.one_of("Neg", "Abs", "Identity")
    return [h.make_node(op, [x], [prefix + "a"]), h.make_node("Add", [prefix + "a", x], [prefix + "b"])], prefix + "b"


@makes("If")
def if_(m, n):
    a = m.any("fi")
    c = m.pick(lambda v: v.dtype == bool and v.size == 1, lambda: some_array(m.r, bool, ()))
    graphs = []
    for k in ("then", "else"):
        nodes, out = small_body(m, a, f"{k}{len(m.g.nodes)}_")
        graphs.append(h.make_graph(nodes, k, [], [h.make_tensor_value_info(out, h.np_dtype_to_tensor_dtype(m.g.values[a].dtype), None)]))
    return m.node(n, [c], then_branch=graphs[0], else_branch=graphs[1])


@makes("Loop")
def loop(m, n):
    a = m.any("fi")
    p, t = f"loop{len(m.g.nodes)}_", h.np_dtype_to_tensor_dtype(m.g.values[a].dtype)
    nodes, out = small_body(m, p + "x", p)
    nodes += [h.make_node("Identity", [p + "c"], [p + "d"]), h.make_node("Sub", [p + "x", a], [p + "s"])]
    v = h.make_tensor_value_info
    body = h.make_graph(nodes, "body", [v(p + "i", T.INT64, []), v(p + "c", T.BOOL, []), v(p + "x", t, None)],
                        [v(p + "d", T.BOOL, None), v(out, t, None), v(p + "s", t, None)])
    return m.node(n, [m.const(np.array(int(m.r.integers(1, 4)), np.int64)), m.const(np.array(True)), a], 2, body=body)


@makes("Scan")
def scan(m, n):
    a = m.any("f", 1)
    v = m.g.values[a]
    p, t = f"scan{len(m.g.nodes)}_", h.np_dtype_to_tensor_dtype(v.dtype)
    nodes = [h.make_node("Add", [p + "s", p + "x"], [p + "y"]), h.make_node("Tanh", [p + "y"], [p + "z"])]
    i = h.make_tensor_value_info
    body = h.make_graph(nodes, "body", [i(p + "s", t, None), i(p + "x", t, None)], [i(p + "y", t, None), i(p + "z", t, None)])
    return m.node(n, [m.const(some_array(m.r, v.dtype, v.shape[1:])), a], 2, body=body, num_scan_inputs=1,
                  scan_input_directions=[m.one_of(0, 1)])
