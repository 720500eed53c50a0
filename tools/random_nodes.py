"""Random nodes for tools/compare_random: make(name, graph) gives a NodeProto over values of the graph (g.values, g.r,
g.opset), or over fresh ones (g.fresh). What it gives need not be valid: the caller tries it."""
import numpy as np
from onnx import helper as h, TensorProto as T

FLOATS = (np.float32, np.float32, np.float32, np.float64, np.float16)
INTEGERS = (np.int64, np.int32, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64)
DTYPES = FLOATS + INTEGERS + (np.bool_,)


def some_shape(r, rank=None):
    rank = int(r.integers(0, 5)) if rank is None else rank
    return tuple(int(r.choice([1, 2, 3, 4, 5, 7] if r.random() < 0.97 else [0])) for _ in range(rank))


def some_array(r, dtype=None, shape=None):
    d = np.dtype(dtype if dtype is not None else DTYPES[r.integers(len(DTYPES))])
    s = some_shape(r) if shape is None else tuple(shape)
    if d.kind == "f":
        return np.asarray(r.standard_normal(s) * r.choice([0.3, 1, 3])).astype(d)
    if d.kind == "b":
        return np.asarray(r.random(s) < 0.5)
    return np.asarray(r.integers(0 if d.kind == "u" else -9, 10, s)).astype(d)


def read_by(node):
    """What a node reads, also inside of its graphs."""
    names = list(node.input)
    for a in node.attribute:
        if a.HasField("g"):
            own = {o for n in a.g.node for o in n.output} | {i.name for i in a.g.input}
            names += [n for x in a.g.node for n in read_by(x) if n not in own]
            names += [o.name for o in a.g.output if o.name not in own]
    return list(dict.fromkeys(n for n in names if n))


class Maker:
    """Picks inputs: an existing value that fits, else a fresh one."""

    def __init__(self, g):
        self.g, self.r = g, g.r

    def pick(self, test, otherwise):
        fits = [n for n, v in self.g.values.items() if test(v)]
        if fits and self.r.random() < 0.8:
            return fits[self.r.integers(len(fits))]
        return self.g.fresh(otherwise())

    def any(self, kinds="fiub", least=0, most=5):
        dtypes = [d for d in DTYPES if np.dtype(d).kind in kinds]
        return self.pick(lambda v: v.dtype.kind in kinds and least <= v.ndim <= most,
                         lambda: some_array(self.r, dtypes[self.r.integers(len(dtypes))],
                                            some_shape(self.r, int(self.r.integers(least, min(most, 4) + 1)))))

    def like(self, name, kinds=None):
        """Of the same type, and a shape that broadcasts with it."""
        v = self.g.values[name]
        def fits(x):
            try:
                return x.dtype == v.dtype and np.broadcast_shapes(x.shape, v.shape) is not None
            except ValueError:
                return False
        def new():
            s = [d if self.r.random() < 0.7 else 1 for d in v.shape][int(self.r.integers(0, v.ndim + 1)):]
            return some_array(self.r, v.dtype, s)
        return self.pick(fits, new)

    def const(self, array):
        return self.g.fresh(np.asarray(array), False if self.r.random() < 0.85 else None)

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def axis(self, name):
        rank = self.g.values[name].ndim
        return int(self.r.integers(-rank, rank)) if rank else 0

    def node(self, op, inputs, outputs=1, domain="", **attributes):
        n = len(self.g.values) + 1000 * (len(self.g.nodes) + 1)
        return h.make_node(op, inputs, [f"o{n}_{i}" for i in range(outputs)], domain=domain,
                           **{k: v for k, v in attributes.items() if v is not None})

    def one_of(self, *x):
        return x[self.r.integers(len(x))]


MAKERS = {}


def makes(*names):
    def keep(f):
        for n in names:
            MAKERS[n] = lambda m, n=n: f(m, n)
        return f
    return keep


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


def image(m, rank, c=None):
    return m.pick(lambda v: v.dtype == np.float32 and v.ndim == rank + 2 and (c is None or v.shape[1] == c) and min(v.shape) > 0,
                  lambda: some_array(m.r, np.float32, (int(m.r.integers(1, 3)), c or int(m.r.integers(1, 5))) + tuple(int(m.r.integers(3, 12)) for _ in range(rank))))


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


NAMES = list(MAKERS)


def make(name, g):
    return MAKERS[name](Maker(g))
