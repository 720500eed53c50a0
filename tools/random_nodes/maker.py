"""What the makers of nodes share: random arrays, the choice of inputs, the table that @makes fills."""
import numpy as np
from onnx import helper as h

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


def image(m, rank, c=None):
    return m.pick(lambda v: v.dtype == np.float32 and v.ndim == rank + 2 and (c is None or v.shape[1] == c) and min(v.shape) > 0,
                  lambda: some_array(m.r, np.float32, (int(m.r.integers(1, 3)), c or int(m.r.integers(1, 5))) + tuple(int(m.r.integers(3, 12)) for _ in range(rank))))
