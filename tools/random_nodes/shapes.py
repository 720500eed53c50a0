"""Operators that move, choose, pad and make elements."""
import numpy as np
from onnx import helper as h, TensorProto as T

from .maker import image, makes, some_array, some_shape


@makes("Transpose")
def transpose(m, n):
    a = m.any()
    return m.node(n, [a], perm=[int(i) for i in m.r.permutation(m.g.values[a].ndim)])


@makes("Reshape")
def reshape(m, n):
    a = m.any()
    v = m.g.values[a]
    shape = [int(s) for s in m.r.permutation(v.shape)] or [1]
    if m.r.random() < 0.5 and len(shape) > 1:
        shape = [shape[0] * shape[1]] + shape[2:]
    if m.r.random() < 0.5:
        shape[m.r.integers(len(shape))] = -1
    return m.node(n, [a, m.ints(*shape)])


@makes("Flatten")
def flatten(m, n):
    a = m.any()
    return m.node(n, [a], axis=m.axis(a))


@makes("Squeeze", "Unsqueeze")
def squeeze(m, n):
    a = m.any()
    v = m.g.values[a]
    axes = [i for i, s in enumerate(v.shape) if s == 1] if n[0] == "S" else [int(m.r.integers(0, v.ndim + 1))]
    return m.node(n, [a], axes=axes) if m.g.opset < 13 else m.node(n, [a, m.ints(*axes)])


@makes("Concat")
def concat(m, n):
    a = m.any(least=1)
    v = m.g.values[a]
    axis = m.axis(a)
    s = list(v.shape)
    s[axis] = int(m.r.integers(0, 4))
    return m.node(n, [a, m.const(some_array(m.r, v.dtype, s))] + ([a] if m.r.random() < 0.3 else []), axis=axis)


@makes("Split")
def split(m, n):
    a = m.any(least=1)
    axis = m.axis(a)
    size = m.g.values[a].shape[axis]
    cut = int(m.r.integers(0, size + 1))
    if m.g.opset < 13:
        return m.node(n, [a], 2, axis=axis, split=[cut, size - cut])
    if m.g.opset >= 18 and m.r.random() < 0.4:
        return m.node(n, [a], 2, axis=axis, num_outputs=2)
    return m.node(n, [a, m.ints(cut, size - cut)], 2, axis=axis)


@makes("Slice")
def slice_(m, n):
    a = m.any(least=1)
    axis = m.axis(a)
    s = m.g.values[a].shape[axis]
    step = m.one_of(1, 1, 2, -1, -2)
    begin, end = int(m.r.integers(-s - 1, s + 2)), int(m.r.integers(-s - 2, s + 3))
    return m.node(n, [a, m.ints(begin), m.ints(m.one_of(end, 2**62, -2**62)), m.ints(axis), m.ints(step)])


def index_array(m, limit, shape):
    return m.const(np.asarray(m.r.integers(-limit, max(limit, 1), shape)).astype(m.one_of(np.int64, np.int32)))


@makes("Gather", "GatherElements", "ScatterElements")
def gather(m, n):
    a = m.any(least=1)
    v, axis = m.g.values[a], m.axis(a)
    if n == "Gather":
        return m.node(n, [a, index_array(m, v.shape[axis], some_shape(m.r, int(m.r.integers(0, 3))))], axis=axis)
    s = [int(m.r.integers(1, d + 1)) if d else 0 for d in v.shape]
    i = index_array(m, v.shape[axis], s)
    if n == "GatherElements":
        return m.node(n, [a, i], axis=axis)
    kw = {"reduction": m.one_of("none", "add", "mul", "max", "min")} if m.g.opset >= 18 else {}
    if kw.get("reduction", "none") == "none":  # whoever writes last is not defined
        s[axis] = 1
        i = index_array(m, v.shape[axis], s)
    return m.node(n, [a, i, m.const(some_array(m.r, v.dtype, s))], axis=axis, **kw)


@makes("GatherND", "ScatterND")
def gather_nd(m, n):
    a = m.any(least=1)
    v = m.g.values[a]
    k, count = int(m.r.integers(1, v.ndim + 1)), int(m.r.integers(1, 4))
    i = np.stack([m.r.integers(-d, max(d, 1), 1 if n[0] == "S" else count) for d in v.shape[:k]], -1).astype(np.int64)
    if n == "GatherND":
        return m.node(n, [a, m.const(i)])
    kw = {"reduction": m.one_of("none", "add", "mul")} if m.g.opset >= 16 else {}
    return m.node(n, [a, m.const(i), m.const(some_array(m.r, v.dtype, (len(i),) + v.shape[k:]))], **kw)


@makes("Pad")
def pad(m, n):
    a = m.any("fi", 1)
    v = m.g.values[a]
    mode = m.one_of("constant", "reflect", "edge") if m.g.opset < 19 else m.one_of("constant", "reflect", "edge", "wrap")
    pads = [int(m.r.integers(-1 if mode == "constant" else 0, 3)) for _ in range(2 * v.ndim)]
    return m.node(n, [a, m.ints(*pads)] + ([m.const(np.asarray(2).astype(v.dtype))] if mode == "constant" else []), mode=mode)


@makes("Tile")
def tile(m, n):
    a = m.any()
    return m.node(n, [a, m.ints(*[int(m.r.integers(0, 4)) for _ in range(m.g.values[a].ndim)])])


@makes("Expand")
def expand(m, n):
    a = m.any()
    s = [int(m.r.integers(1, 4)) if d == 1 else d for d in m.g.values[a].shape]
    return m.node(n, [a, m.ints(*([2] * m.one_of(0, 0, 1) + s))])


@makes("DepthToSpace", "SpaceToDepth")
def depth(m, n):
    s = (2, 8, 3, 2) if n[0] == "D" else (2, 3, 4, 6)
    return m.node(n, [m.pick(lambda v: v.dtype == np.float32 and v.shape == s, lambda: some_array(m.r, np.float32, s))], blocksize=2,
                  mode=m.one_of("DCR", "CRD") if n[0] == "D" else None)


@makes("Resize")
def resize(m, n):
    rank = m.one_of(1, 2)
    x = image(m, rank)
    mode = m.one_of("nearest", "linear", "cubic") if rank == 2 else m.one_of("nearest", "linear")
    kw = {"mode": mode, "coordinate_transformation_mode": m.one_of("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")}
    if mode == "nearest":
        kw["nearest_mode"] = m.one_of("round_prefer_floor", "floor", "ceil", "round_prefer_ceil")
    s = m.g.values[x].shape
    if m.r.random() < 0.5:
        return m.node(n, [x, "", m.const(np.array([1, 1] + [float(m.one_of(0.5, 2, 1.5, 3)) for _ in range(rank)], np.float32))], **kw)
    return m.node(n, [x, "", "", m.ints(*s[:2], *[int(m.r.integers(1, 12)) for _ in range(rank)])], **kw)


@makes("Shape")
def shape(m, n):
    return m.node(n, [m.any()], **({"start": int(m.r.integers(-3, 3)), "end": int(m.r.integers(-3, 4))} if m.g.opset >= 15 else {}))


@makes("ConstantOfShape")
def of_shape(m, n):
    s = m.pick(lambda v: v.dtype == np.int64 and v.ndim == 1 and v.size < 5 and (v >= 0).all() and (v < 8).all(), lambda: np.array(some_shape(m.r, 2), np.int64))
    return m.node(n, [s], value=h.make_tensor("v", T.INT64, [1], [3]))


@makes("Range")
def range_(m, n):
    d = m.one_of(np.int64, np.float32, np.int32)
    return m.node(n, [m.const(np.array(x, d)) for x in (m.one_of(0, 1, -2), m.one_of(5, 9, 0), m.one_of(1, 2, 3))])


@makes("OneHot")
def one_hot(m, n):
    i = m.pick(lambda v: v.dtype == np.int64 and v.ndim < 4 and v.size < 200, lambda: some_array(m.r, np.int64, some_shape(m.r, 2)))
    return m.node(n, [i, m.const(np.array(6, np.int64)), m.const(np.array([0, 1], np.float32))], axis=m.one_of(-1, 0))


@makes("Compress")
def compress(m, n):
    a = m.any(least=1)
    axis = m.axis(a)
    return m.node(n, [a, m.const(some_array(m.r, bool, (m.g.values[a].shape[axis],)))], axis=axis)


@makes("Unique")
def unique(m, n):
    a = m.any("fi", 1)
    return m.node(n, [a], 4, sorted=1, axis=m.axis(a) if m.r.random() < 0.5 else None)


@makes("Trilu")
def trilu(m, n):
    return m.node(n, [m.any("fi", 2), m.const(np.array(int(m.r.integers(-3, 4)), np.int64))], upper=m.one_of(0, 1))


@makes("EyeLike")
def eye(m, n):
    return m.node(n, [m.any("fi", 2, 2)], k=int(m.r.integers(-2, 3)))


@makes("ReverseSequence")
def reverse(m, n):
    a = m.any(least=2)
    s = m.g.values[a].shape
    return m.node(n, [a, m.ints(*[int(m.r.integers(0, s[0] + 1)) for _ in range(s[1])])], time_axis=0, batch_axis=1)
