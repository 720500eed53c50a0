"""hasten.Tensor: dtype, shape, elements. Arrays of other libraries go in and out without copies."""
from __future__ import annotations

import ctypes as C
import functools
import math
import struct
from typing import Any, Sequence

from . import _buffers, dtypes
from ._native import String, call, lib


_arrays: set[type] = set()  # numpy.ndarray, once one was seen
_own_names: dict[Any, str] = {}  # numpy's dtypes whose elements are shared as they lie
_readers: dict[str, Any] = {}  # of hasten's names: numpy.frombuffer of its dtype, where an element has a byte or more


def _flatten(data: Any, shape: list[int], depth: int, out: list) -> None:
    if not isinstance(data, (list, tuple)):
        if depth != len(shape):
            raise ValueError("nested lists must be of equal lengths")
        out.append(data)
        return
    if depth == len(shape) or len(data) != shape[depth]:
        raise ValueError("nested lists must be of equal lengths")
    for item in data:
        _flatten(item, shape, depth + 1, out)


def _nested(data: Any) -> tuple[list, list[int]]:
    """The elements of nested lists (or one scalar), and their shape."""
    shape, item, flat = [], data, []
    while isinstance(item, (list, tuple)):
        shape.append(len(item))
        if not item:
            break
        item = item[0]
    _flatten(data, shape, 0, flat)
    return flat, shape


def _dtype_of_values(flat: list) -> str:
    if flat and all(isinstance(x, (str, bytes)) for x in flat):
        return "string"
    if flat and all(isinstance(x, bool) for x in flat):
        return "b8"
    if flat and all(isinstance(x, int) for x in flat):
        return "s64"
    return "f32"


def _unnest(flat: list, shape: Sequence[int]):
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    step = len(flat) // shape[0] if shape[0] else 0
    return [_unnest(flat[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


class Tensor:
    """A tensor in row-major order.

    ``Tensor(data, dtype=None)`` takes

    * anything with ``__dlpack__`` (torch and others) or the buffer protocol (numpy, ``array.array``, ``memoryview``), whose
      memory is shared where it is row-major and in a type that hasten has; it is copied otherwise, or to change the dtype;
    * nested lists of numbers (floats become f32, ints s64, bools b8) or of strings.

    The memory goes out again by ``numpy()``, ``numpy.asarray(t)``, ``torch.from_dlpack(t)``, ``memoryview(t.view())``: all of
    them share it. Treat outputs of a session as read-only where another handle may be in use.
    """

    __slots__ = ("_handle", "_owner", "__weakref__")

    def __init__(self, data: Any, dtype: Any = None):
        self._handle, self._owner = None, None
        if type(data) in _arrays:
            self._from_numpy(data)
        elif isinstance(data, Tensor):
            self._handle, self._owner = data._retain(), data._owner
        elif isinstance(data, (list, tuple, int, float, bool, str, bytes)):
            self._from_values(*_nested(data), dtype)
            return
        elif hasattr(data, "__dlpack__") and not hasattr(data, "__array_interface__"):
            self._from_dlpack(data)
        elif hasattr(data, "__array_interface__"):
            self._from_numpy(data)
        else:
            self._borrow(_buffers.Borrowed(data), data)
        if dtype is not None and dtypes.NAMES[dtypes.code(dtype)] != self.dtype:
            converted = self.astype(dtype)
            self._free()
            self._handle, self._owner = converted._take(), None

    # ---- making ----

    @classmethod
    def _wrap(cls, handle: int, owner: Any = None) -> "Tensor":
        t = cls.__new__(cls)
        t._handle, t._owner = handle, owner
        return t

    @classmethod
    def zeros(cls, shape: Sequence[int], dtype: Any = "f32") -> "Tensor":
        """A tensor of zeros; strings are empty."""
        out = C.c_void_p()
        call("tensor_new", dtypes.code(dtype), len(shape), (C.c_int64 * max(1, len(shape)))(*shape), None, C.byref(out))
        return cls._wrap(out.value)

    @classmethod
    def from_bytes(cls, data: Any, dtype: Any, shape: Sequence[int]) -> "Tensor":
        """A copy of elements as they lie in memory (sub-byte types packed, the first in the low bits)."""
        view, out = memoryview(data).cast("B"), C.c_void_p()
        raw = (C.c_char * max(1, len(view))).from_buffer_copy(view.tobytes() or b"\0")
        call("tensor_new_copy", dtypes.code(dtype), len(shape), (C.c_int64 * max(1, len(shape)))(*shape), raw, len(view),
             None, C.byref(out))
        return cls._wrap(out.value)

    def _from_values(self, flat: list, shape: list[int], dtype: Any) -> None:
        name = dtypes.NAMES[dtypes.code(dtype)] if dtype is not None else _dtype_of_values(flat)
        if name == "string":
            self._from_strings(flat, shape)
            return
        direct = name if name in dtypes.FORMATS else "f64"  # others by way of f64
        if direct == "b8":
            flat = [bool(x) for x in flat]
        elif direct[0] in "us":
            flat = [int(x) for x in flat]
        try:
            raw = struct.pack(f"={len(flat)}{dtypes.FORMATS[direct]}", *flat)
        except (struct.error, OverflowError) as e:
            raise TypeError(f"the elements cannot be {direct}: {e}") from None
        made = Tensor.from_bytes(raw, direct, shape)
        self._handle = (made if direct == name else made.astype(name))._take()

    def _from_strings(self, flat: list, shape: Sequence[int]) -> None:
        raw = [x.encode("utf-8", "surrogateescape") if isinstance(x, str) else bytes(x) for x in flat]
        kept = [C.create_string_buffer(x, max(1, len(x))) for x in raw]
        strings = (String * max(1, len(raw)))(*[String(C.addressof(k), len(x)) for k, x in zip(kept, raw)])
        out = C.c_void_p()
        call("tensor_new_strings", len(shape), (C.c_int64 * max(1, len(shape)))(*shape), strings, None, C.byref(out))
        self._handle = out.value

    def _from_dlpack(self, data: Any) -> None:
        source = _buffers.FromDLPack(data)
        if not source.row_major:
            if not hasattr(data, "contiguous"):
                raise BufferError("the tensor is not row-major: pass a contiguous copy")
            source = _buffers.FromDLPack(data.contiguous())
        if source.dtype is None:
            raise TypeError(f"hasten has no dtype for {getattr(data, 'dtype', type(data))}")
        self._share(source.address, source.dtype, source.shape, source)

    def _from_numpy(self, data: Any) -> None:
        """numpy.ndarray and its like: types without a buffer letter are told by their names."""
        own = _own_names.get(data.dtype)
        if own is not None and type(data) in _arrays and data.flags.c_contiguous:
            self._share(data.__array_interface__["data"][0], own, data.shape, data)
            return
        kind, name = getattr(data.dtype, "kind", ""), getattr(data.dtype, "name", "")
        if kind in "UOST":
            self._from_strings(data.reshape(-1).tolist(), data.shape)
            return
        import numpy as np
        if data.dtype.byteorder == ">":
            data = data.astype(data.dtype.newbyteorder("="))
        data = np.asarray(data, order="C")  # ascontiguousarray would give a scalar a dimension
        own = dtypes.FROM_NUMPY.get(name)
        if own is None:
            raise TypeError(f"hasten has no dtype for numpy's {name}")
        if dtypes.BITS[own] < 8:  # numpy gives each element a byte
            self._handle = Tensor.from_bytes(_pack(data, dtypes.BITS[own]), own, data.shape)._take()
            return
        if type(data) is np.ndarray:
            _arrays.add(np.ndarray)
            _own_names[data.dtype] = own
        self._share(data.__array_interface__["data"][0], own, data.shape, data)

    def _borrow(self, source: _buffers.Borrowed, data: Any) -> None:
        if source.dtype is None:
            raise TypeError(f"hasten has no dtype for the buffer format {source.format!r} of {type(data).__name__}")
        self._share(source.address, source.dtype, source.shape, source)

    def _share(self, address: int, dtype: str, shape: Sequence[int], owner: Any) -> None:
        out, count = C.c_void_p(), math.prod(shape)
        place = C.c_void_p(address) if count else C.create_string_buffer(16)  # an empty one may have no memory
        call("tensor_new_borrow", dtypes.CODES[dtype], len(shape), (C.c_int64 * max(1, len(shape)))(*shape), place,
             dtypes.nbytes(dtype, count), None, C.byref(out))
        self._handle, self._owner = out.value, owner if count else place

    def _retain(self) -> int:
        out = C.c_void_p()
        call("tensor_retain", self._handle, C.byref(out))
        return out.value

    def _take(self) -> int:
        handle, self._handle = self._handle, None
        return handle

    def _free(self) -> None:
        if self._handle:
            lib.hst_tensor_free(self._handle)
        self._handle = None

    def __del__(self):
        if lib is not None:  # at the interpreter's end modules may be gone
            self._free()

    # ---- what it is ----

    @property
    def dtype(self) -> str:
        """hasten's name: "f32", "s64", "b8", "string" …"""
        return dtypes.NAMES[lib.hst_tensor_dtype(self._handle)]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(lib.hst_tensor_dims(self._handle)[:lib.hst_tensor_rank(self._handle)])

    @property
    def ndim(self) -> int:
        return lib.hst_tensor_rank(self._handle)

    @property
    def size(self) -> int:
        """Elements."""
        return lib.hst_tensor_count(self._handle)

    @property
    def nbytes(self) -> int:
        return lib.hst_tensor_bytes(self._handle)

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("a tensor of rank 0 has no length")
        return shape[0]

    def __repr__(self) -> str:
        return f"Tensor({self.dtype}{list(self.shape)})"

    # ---- its elements ----

    @property
    def address(self) -> int:
        """Where the elements lie."""
        return lib.hst_tensor_view(self._handle)

    def view(self) -> memoryview:
        """The elements as a memoryview of this shape and type that shares them and keeps them alive; types that the struct
        module has no letter for (bf16, packed ones) as bytes."""
        dtype, shape = self.dtype, self.shape
        if dtype == "string":
            raise TypeError("strings have no buffer: use tolist()")
        raw = _buffers.memory(self.address, self.nbytes, self)
        letter = dtypes.FORMATS.get(dtype)
        if letter is None or not self.size:
            return raw
        return raw.cast(letter, shape) if shape else raw.cast(letter, (1,))

    def __buffer__(self, flags: int) -> memoryview:  # Python 3.12 asks this
        return self.view()

    def __dlpack__(self, *, stream: Any = None, **_: Any) -> Any:
        return _buffers.to_dlpack(self.address, self.dtype, self.shape, self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return _buffers.CPU, 0

    def numpy(self) -> Any:
        """A numpy array that shares the elements; sub-byte types are unpacked, strings become objects. bf16 and its like need
        the package ml_dtypes."""
        dtype, shape = self.dtype, self.shape
        read = _readers.get(dtype)
        if read is not None:
            return read(_buffers.memory(self.address, self.nbytes, self)).reshape(shape)
        import numpy as np
        if dtype == "string":
            array = np.empty(len(self._strings()), dtype=object)
            array[:] = [s.decode("utf-8", "surrogateescape") for s in self._strings()]
            return array.reshape(shape)
        raw = np.frombuffer(_buffers.memory(self.address, self.nbytes, self), dtype=np.uint8)
        if dtypes.BITS[dtype] < 8:
            return _unpack(raw, dtype, self.size).reshape(shape)
        _readers[dtype] = functools.partial(np.frombuffer, dtype=_numpy_dtype(dtype))
        return raw.view(_numpy_dtype(dtype)).reshape(shape)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = self.numpy()
        if dtype is not None and dtype != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def _strings(self) -> list[bytes]:
        n = self.size
        strings = C.cast(lib.hst_tensor_view(self._handle), C.POINTER(String))
        return [C.string_at(strings[i].data, strings[i].size) if strings[i].size else b"" for i in range(n)]

    def tolist(self) -> Any:
        """The elements as nested lists; one of rank 0 as a scalar. Strings that are not UTF-8 keep their bytes as surrogates."""
        dtype = self.dtype
        if dtype == "string":
            return _unnest([s.decode("utf-8", "surrogateescape") for s in self._strings()], self.shape)
        if dtype not in dtypes.FORMATS:
            if dtype in ("c64", "c128"):
                parts = struct.unpack(f"={2 * self.size}{'f' if dtype == 'c64' else 'd'}", bytes(self.view()))
                return _unnest([complex(a, b) for a, b in zip(parts[::2], parts[1::2])], self.shape)
            return self.astype("s64" if dtype in ("u4", "s4", "u2", "s2") else "f64").tolist()
        return _unnest(list(struct.unpack(f"={self.size}{dtypes.FORMATS[dtype]}", self.tobytes())), self.shape)

    def item(self) -> Any:
        """The only element."""
        if self.size != 1:
            raise ValueError(f"{self!r} has {self.size} elements, not 1")
        return self.reshape(()).tolist()

    def tobytes(self) -> bytes:
        """A copy of the elements as they lie in memory."""
        if self.dtype == "string":
            raise TypeError("strings have no bytes of a fixed size: use tolist()")
        return C.string_at(self.address, self.nbytes)

    # ---- others from it ----

    def reshape(self, shape: Sequence[int]) -> "Tensor":
        """The same elements under another shape."""
        out = C.c_void_p()
        call("tensor_reshape", self._handle, len(shape), (C.c_int64 * max(1, len(shape)))(*shape), C.byref(out))
        return Tensor._wrap(out.value, self._owner)

    def astype(self, dtype: Any) -> "Tensor":
        """Converted as ONNX Cast does; a new tensor."""
        out = C.c_void_p()
        call("tensor_convert", self._handle, dtypes.code(dtype), C.byref(out))
        return Tensor._wrap(out.value)


def _numpy_dtype(dtype: str) -> Any:
    import numpy as np
    name = dtypes.NUMPY.get(dtype)
    if name is None:
        raise TypeError(f"numpy has no dtype for {dtype}")
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes
        return np.dtype(getattr(ml_dtypes, name))


def _pack(array: Any, bits: int) -> bytes:
    """One element a byte, packed to `bits` bits each, the first in the low ones."""
    import numpy as np
    per = 8 // bits
    raw = array.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    raw = np.concatenate([raw, np.zeros(-len(raw) % per, np.uint8)]).reshape(-1, per)
    return (raw << (np.arange(per, dtype=np.uint8) * bits)).sum(axis=1, dtype=np.uint8).tobytes()


def _unpack(raw: Any, dtype: str, count: int) -> Any:
    import numpy as np
    bits = dtypes.BITS[dtype]
    if bits == 6:
        raise TypeError(f"numpy has no dtype for {dtype}")
    shifts = np.arange(8 // bits, dtype=np.uint8) * bits
    flat = ((raw[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[:count].astype(np.uint8)
    if dtype[0] == "s":  # the sign of a nibble
        flat = ((flat ^ (1 << (bits - 1))).astype(np.int16) - (1 << (bits - 1))).astype(np.int8)
        return flat.astype(_numpy_dtype(dtype))
    return flat.astype(_numpy_dtype(dtype)) if dtype[0] == "u" else flat.view(_numpy_dtype(dtype))


def _map_handle(value: dict, info: Any) -> Any:
    """A map; `info`: what the model says of it, for the types of keys and values that Python leaves open."""
    key = info.key if info and (not value or info.key != "string") else None  # strings are told by themselves
    keys = Tensor(list(value), None if any(isinstance(k, str) for k in value) else key or (None if value else "s64"))
    values = Tensor(list(value.values()), info and info.element or None)
    out = C.c_void_p()
    call("tensor_new_map", keys._handle, values._handle, None, C.byref(out))
    return Tensor._wrap(out.value, (keys, values))


def to_handle(value: Any, info: Any = None) -> tuple[int, Any]:
    """A handle for an input of a session, and what must live as long: lists are sequences where the model wants one (`info`:
    what it says of a sequence or map), dicts are maps, None is an empty optional. The handle is freed with the second."""
    if value is None:
        out = C.c_void_p()
        call("tensor_new_empty_optional", None, C.byref(out))
    elif isinstance(value, dict):
        made = _map_handle(value, info)
        return made._handle, made
    elif info is not None and info.dtype == "sequence" and isinstance(value, (list, tuple)):
        items = [_map_handle(v, info) if isinstance(v, dict) else v if isinstance(v, Tensor) else Tensor(v) for v in value]
        handles, out = (C.c_void_p * max(1, len(items)))(*[t._handle for t in items]), C.c_void_p()
        call("tensor_new_sequence", len(items), handles, None, C.byref(out))
        return out.value, (Tensor._wrap(out.value), items)
    else:
        t = value if isinstance(value, Tensor) else Tensor(value)
        return t._handle, t
    return out.value, Tensor._wrap(out.value)


def from_handle(handle: int) -> Any:
    """What a session gives: a Tensor, a list, a dict for a map, or None for an empty optional. The handle is taken over."""
    code = lib.hst_tensor_dtype(handle)
    if code < dtypes.SEQUENCE:
        return Tensor._wrap(handle)
    try:
        items = []
        for i in range(lib.hst_tensor_count(handle)):
            out = C.c_void_p()
            call("tensor_retain", lib.hst_tensor_item(handle, i), C.byref(out))
            items.append(from_handle(out.value))
        if code == dtypes.MAP:
            return dict(zip(items[0].tolist(), items[1].tolist()))
        return None if code == dtypes.OPTIONAL else items
    finally:
        lib.hst_tensor_free(handle)
