"""Values in ONNX files of their own, as test data of models comes: test_data_set_0/input_0.pb."""
from __future__ import annotations

import ctypes as C
import os
from types import SimpleNamespace
from typing import Any

from ._native import call, lib, text
from .dtypes import MAP, OPTIONAL, SEQUENCE
from .tensor import from_handle, to_handle

_KINDS = {"tensor": 0, "sequence": SEQUENCE, "map": MAP, "optional": OPTIONAL}


def _kind(kind: str) -> int:
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}: 'tensor', 'sequence', 'map' or 'optional'")
    return _KINDS[kind]


def read_value(source: Any, kind: str = "tensor") -> tuple[Any, str]:
    """A value and its name ("" where it has none). `source` is a path, or the bytes of a TensorProto, or of a SequenceProto,
    MapProto or OptionalProto where `kind` says so. Sequences become lists, maps dicts; an empty optional None, any other what it
    holds."""
    out, name = C.c_void_p(), C.c_void_p()
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        call("tensor_read_onnx_memory", data, len(data), _kind(kind), None, C.byref(out), C.byref(name))
    else:
        call("tensor_read_onnx", os.fsencode(source), _kind(kind), None, C.byref(out), C.byref(name))
    return from_handle(out.value), text(name)


def write_value(value: Any, path: Any = None, kind: str | None = None, name: str | None = None) -> bytes | None:
    """The other way: to a file, or without `path` as bytes. `kind` None: a list of Tensors is a sequence, a dict a map, None an optional,
    anything else (nested lists of numbers too) a tensor."""
    if kind is None:
        listed = isinstance(value, (list, tuple)) and any(hasattr(v, "dtype") for v in value)
        kind = "optional" if value is None else "map" if isinstance(value, dict) else "sequence" if listed else "tensor"
    sequence = kind == "sequence" or (kind == "optional" and isinstance(value, (list, tuple)))
    handle, kept = to_handle(value, SimpleNamespace(dtype="sequence", key=None, element=None) if sequence else None)
    named = None if name is None else name.encode()
    if path is not None:
        call("tensor_write_onnx", handle, _kind(kind), named, os.fsencode(path))
        return None
    data, size = C.c_void_p(), C.c_size_t()
    call("tensor_write_onnx_memory", handle, _kind(kind), named, C.byref(data), C.byref(size))
    del kept
    try:
        return C.string_at(data.value, size.value)
    finally:
        lib.hst_text_free(data)
