"""Random nodes for tools/compare_random: make(name, graph) gives a NodeProto over values of the graph (g.values, g.r,
g.opset), or over fresh ones (g.fresh). What it gives need not be valid: the caller tries it."""
from .maker import MAKERS, Maker, read_by, some_array
from . import arithmetic, shapes, others  # they fill MAKERS, in this order

NAMES = list(MAKERS)


def make(name, g):
    return MAKERS[name](Maker(g))
