"""Elementwise operators, reductions, products, norms, convolutions and pools."""
import numpy as np
from onnx import helper as h

from .maker import DTYPES, FLOATS, image, makes, some_array, some_shape


@makes("Exp", "Log", "Sqrt", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Erf",
       "Floor", "Ceil", "Round", "Sigmoid", "Softplus", "Softsign", "Reciprocal", "IsNaN", "IsInf", "Mish", "HardSwish", "Selu")
def unary_float(m, n):
    return m.node(n, [m.any("f")])


@makes("Abs", "Neg", "Sign", "Identity", "Relu", "BitwiseNot", "Size", "NonZero")
def unary(m, n):
    return m.node(n, [m.any("iu" if n == "BitwiseNot" else "fiu")])


@makes("Not")
def unary_bool(m, n):
    return m.node(n, [m.any("b")])


@makes("Elu", "LeakyRelu", "Celu", "ThresholdedRelu", "HardSigmoid", "Swish")
def with_alpha(m, n):
    return m.node(n, [m.any("f")], alpha=float(m.r.choice([0.1, 0.5, 1.0, 1.5])))


@makes("Gelu")
def gelu(m, n):
    return m.node(n, [m.any("f")], approximate=m.one_of("none", "tanh"))


@makes("Shrink")
def shrink(m, n):
    return m.node(n, [m.any("fiu")], bias=float(m.r.random()), lambd=float(m.r.random()))


@makes("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "PRelu")
def binary(m, n):
    a = m.any("f" if n in ("Sum", "Mean", "PRelu") else "fiu")
    b = m.like(a)
    if n == "Div" and m.g.values[a].dtype.kind != "f":
        b = m.const(np.maximum(1, np.abs(some_array(m.r, m.g.values[a].dtype, some_shape(m.r, 1)[:0]))).astype(m.g.values[a].dtype))
    inputs = [a, b] if m.r.random() < 0.7 or n in ("Sub", "Pow", "PRelu", "Div") else [b, a]
    return m.node(n, inputs + ([m.like(a)] if n in ("Min", "Max", "Sum", "Mean") and m.r.random() < 0.3 else []))


@makes("And", "Or", "Xor")
def logical(m, n):
    a = m.any("b")
    return m.node(n, [a, m.like(a)])


@makes("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(m, n):
    a = m.any("iu")
    return m.node(n, [a, m.like(a)])


@makes("Mod")
def mod(m, n):
    a = m.any("fi")
    d = m.g.values[a].dtype
    b = m.const(np.asarray(m.one_of(-3, 2, 3, 5)).astype(d))
    return m.node(n, [a, b], fmod=1 if d.kind == "f" else m.one_of(0, 1))


@makes("BitShift")
def bit_shift(m, n):
    a = m.any("u")
    return m.node(n, [a, m.const(np.asarray(m.r.integers(0, 6)).astype(m.g.values[a].dtype))], direction=m.one_of("LEFT", "RIGHT"))


@makes("Where")
def where(m, n):
    a = m.any()
    s = m.g.values[a].shape
    return m.node(n, [m.pick(lambda v: v.dtype == bool and v.shape == s, lambda: some_array(m.r, bool, s)), a, m.like(a)])


@makes("Clip")
def clip(m, n):
    a = m.any("fiu")
    d = m.g.values[a].dtype
    return m.node(n, [a, m.const(np.asarray(0 if d.kind == "u" else -1).astype(d)) if m.r.random() < 0.8 else "",
                      m.const(np.asarray(2).astype(d))])


@makes("Cast")
def cast(m, n):
    a = m.any()
    kinds = DTYPES if m.g.values[a].dtype.kind != "f" else FLOATS + (np.int64, np.int32, np.bool_)
    return m.node(n, [a], to=h.np_dtype_to_tensor_dtype(np.dtype(kinds[m.r.integers(len(kinds))])))


def reduced(m, n, a, last_attribute):
    v = m.g.values[a]
    axes = sorted({m.axis(a) % max(1, v.ndim) for _ in range(int(m.r.integers(1, 3)))}) if v.ndim else []
    axes = [x - v.ndim if m.r.random() < 0.3 else x for x in axes]
    kw = {"keepdims": m.one_of(0, 1)}
    if m.g.opset <= last_attribute:
        return m.node(n, [a], axes=axes or None, **kw)
    if m.r.random() < 0.2:
        return m.node(n, [a], noop_with_empty_axes=m.one_of(0, 1), **kw)
    return m.node(n, [a, m.ints(*axes)], **kw)


@makes("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
       "ReduceSumSquare")
def reduce(m, n):
    return reduced(m, n, m.any("fi"), 12 if n == "ReduceSum" else 17)


@makes("ArgMax", "ArgMin")
def arg(m, n):
    a = m.any("fi", 1)
    return m.node(n, [a], axis=m.axis(a), keepdims=m.one_of(0, 1), select_last_index=m.one_of(0, 1, None) if m.g.opset > 11 else None)


@makes("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
def soft(m, n):
    a = m.any("f", 1)
    return m.node(n, [a], axis=m.axis(a), p=m.one_of(1, 2) if n == "LpNormalization" else None)


@makes("TopK")
def top(m, n):
    a = m.any("fi", 1)
    axis = m.axis(a)
    return m.node(n, [a, m.ints(int(m.r.integers(0, m.g.values[a].shape[axis] + 1)))], 2, axis=axis, largest=m.one_of(0, 1))


@makes("CumSum")
def cumulate(m, n):
    a = m.any("fi", 1)
    return m.node(n, [a, m.const(np.array(m.axis(a), np.int64))], exclusive=m.one_of(0, 1), reverse=m.one_of(0, 1))


@makes("MatMul")
def matmul(m, n):
    a = m.any("fi", 1)
    v = m.g.values[a]
    k = v.shape[-1]
    lead = v.shape[:-2] if m.r.random() < 0.4 else ()
    return m.node(n, [a, m.pick(lambda x: x.dtype == v.dtype and x.ndim == 2 and x.shape[0] == k,
                                lambda: some_array(m.r, v.dtype, lead + ((k,) if m.r.random() < 0.15 else (k, int(m.r.integers(1, 20))))))])


@makes("Gemm")
def gemm(m, n):
    a = m.any("f", 2, 2)
    v, ta, tb = m.g.values[a], m.one_of(0, 1), m.one_of(0, 1)
    rows, k = v.shape[::-1] if ta else v.shape
    cols = int(m.r.integers(1, 20))
    b = m.const(some_array(m.r, v.dtype, (cols, k) if tb else (k, cols)))
    c = [m.const(some_array(m.r, v.dtype, m.one_of((cols,), (rows, cols), (1, cols), (rows, 1), (), (1,))))] if m.r.random() < 0.7 else []
    return m.node(n, [a, b] + c, transA=ta, transB=tb, alpha=float(m.one_of(1, 0.5)), beta=float(m.one_of(1, 2)))


@makes("Einsum")
def einsum(m, n):
    eq, shapes = m.one_of(("ij,jk->ik", ((3, 4), (4, 5))), ("bij,bkj->bik", ((2, 3, 4), (2, 5, 4))), ("ii->i", ((4, 4),)),
                          ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))), ("ij->ji", ((3, 4),)), ("...ij,jk", ((2, 3, 4), (4, 2))),
                          ("i,j->ij", ((3,), (4,))), ("ijk->", ((2, 3, 4),)), ("abc,cd,de->abe", ((2, 3, 4), (4, 5), (5, 3))))
    d = m.one_of(np.float32, np.float32, np.float64)
    return m.node(n, [m.pick(lambda v: v.dtype == d and v.shape == s, lambda: some_array(m.r, d, s)) for s in shapes], equation=eq)


@makes("LayerNormalization", "RMSNormalization")
def layer_norm(m, n):
    a = m.any("f", 1)
    v, axis = m.g.values[a], m.axis(a)
    s = v.shape[axis:] if axis < 0 else v.shape[axis:]
    w = [m.const(some_array(m.r, v.dtype, s)) for _ in range(1 if n[0] == "R" else m.one_of(1, 2))]
    return m.node(n, [a] + w, axis=axis, epsilon=float(m.one_of(1e-5, 1e-3)))


@makes("InstanceNormalization", "GroupNormalization", "BatchNormalization")
def channel_norm(m, n):
    c = m.one_of(2, 4, 6)
    d = m.one_of(np.float32, np.float32, np.float64) if n[0] != "G" else np.float32
    x = m.pick(lambda v: v.dtype == d and v.ndim >= 3 and v.shape[1] == c, lambda: some_array(m.r, d, (2, c) + some_shape(m.r, int(m.r.integers(1, 3)))))
    w = lambda: m.const(np.abs(some_array(m.r, d, (c if n[0] != "G" or m.g.opset > 20 else 2,))) + np.asarray(0.1, d))
    if n[0] == "B":
        return m.node(n, [x, w(), w(), w(), w()], epsilon=1e-3)
    return m.node(n, [x, w(), w()], epsilon=1e-3, num_groups=2 if n[0] == "G" else None)


def window(m, rank):
    kw = {"strides": [int(m.r.integers(1, 4)) for _ in range(rank)]}
    how = m.r.random()
    if how < 0.5:
        kw["pads"] = [int(m.r.integers(0, 2)) for _ in range(2 * rank)]
    elif how < 0.7:
        kw["auto_pad"] = m.one_of("SAME_UPPER", "SAME_LOWER", "VALID")
    return kw


@makes("Conv", "ConvTranspose")
def conv(m, n):
    rank, group = int(m.r.integers(1, 4)), m.one_of(1, 1, 2, 4)
    cin, cout = group * int(m.r.integers(1, 5)), group * int(m.r.integers(1, 9))
    x = image(m, rank, cin)
    k = tuple(int(m.r.integers(1, 4)) for _ in range(rank))
    w = m.const(some_array(m.r, np.float32, ((cout, cin // group) if n == "Conv" else (cin, cout // group)) + k))
    kw = window(m, rank)
    if "auto_pad" not in kw:
        kw["dilations"] = [int(m.r.integers(1, 3)) for _ in range(rank)]
    return m.node(n, [x, w] + ([m.const(some_array(m.r, np.float32, (cout,)))] if m.r.random() < 0.6 else []), group=group, **kw)


@makes("MaxPool", "AveragePool", "LpPool")
def pool(m, n):
    rank = int(m.r.integers(1, 4))
    return m.node(n, [image(m, rank)], kernel_shape=[int(m.r.integers(1, 4)) for _ in range(rank)], **window(m, rank),
                  ceil_mode=m.one_of(0, 1) if n != "LpPool" else None, count_include_pad=m.one_of(0, 1) if n[0] == "A" else None)


@makes("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(m, n):
    return m.node(n, [image(m, int(m.r.integers(1, 4)))])
