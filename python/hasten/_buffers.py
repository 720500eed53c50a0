"""Memory in and out without copies: the buffer protocol and DLPack, spoken through ctypes so that numpy is not needed."""
from __future__ import annotations

import ctypes as C
import itertools

from . import dtypes

api = C.pythonapi


# ---- the buffer protocol, in ----

class PyBuffer(C.Structure):
    _fields_ = [("buf", C.c_void_p), ("obj", C.py_object), ("len", C.c_ssize_t), ("itemsize", C.c_ssize_t),
                ("readonly", C.c_int), ("ndim", C.c_int), ("format", C.c_char_p), ("shape", C.POINTER(C.c_ssize_t)),
                ("strides", C.POINTER(C.c_ssize_t)), ("suboffsets", C.POINTER(C.c_ssize_t)), ("internal", C.c_void_p)]


api.PyObject_GetBuffer.argtypes = [C.py_object, C.POINTER(PyBuffer), C.c_int]
api.PyObject_GetBuffer.restype = C.c_int
api.PyBuffer_Release.argtypes = [C.POINTER(PyBuffer)]
api.PyBuffer_Release.restype = None
FORMAT_AND_ROW_MAJOR = 0x0004 | 0x0008 | 0x0010 | 0x0020  # PyBUF_FORMAT | PyBUF_C_CONTIGUOUS

_FROM_FORMAT = {("f", 4): "f32", ("d", 8): "f64", ("e", 2): "f16", ("?", 1): "b8", ("Zf", 8): "c64", ("Zd", 16): "c128"}


def _dtype_of(letters: str, size: int) -> str | None:
    letters = letters.lstrip("@=<")
    if letters in ("b", "h", "i", "l", "q", "n"):
        return {1: "s8", 2: "s16", 4: "s32", 8: "s64"}[size]
    if letters in ("B", "H", "I", "L", "Q", "N", "c"):
        return {1: "u8", 2: "u16", 4: "u32", 8: "u64"}[size]
    return _FROM_FORMAT.get((letters, size))


class Borrowed:
    """Memory of another Python object, held as long as this object lives."""

    def __init__(self, source: object):
        self._view = view = PyBuffer()
        self._held = False
        api.PyObject_GetBuffer(source, C.byref(view), FORMAT_AND_ROW_MAJOR)  # raises BufferError, TypeError
        self._held = True
        letters = (view.format or b"B").decode("ascii", "replace")
        self.dtype = _dtype_of(letters, view.itemsize)
        self.address, self.nbytes, self.format = view.buf or 0, view.len, letters
        self.shape = tuple(view.shape[i] for i in range(view.ndim))

    def __del__(self):
        if self._held:
            api.PyBuffer_Release(C.byref(self._view))


# ---- the buffer protocol, out ----

def memory(address: int, nbytes: int, owner: object) -> memoryview:
    """The bytes at an address as a writable view that keeps `owner` alive."""
    array = (C.c_char * nbytes).from_address(address)
    array.owner = owner  # instances of ctypes arrays take attributes
    return memoryview(array).cast("B")


# ---- DLPack ----

class DLDevice(C.Structure):
    _fields_ = [("type", C.c_int32), ("id", C.c_int32)]


class DLDataType(C.Structure):
    _fields_ = [("code", C.c_uint8), ("bits", C.c_uint8), ("lanes", C.c_uint16)]


class DLTensor(C.Structure):
    _fields_ = [("data", C.c_void_p), ("device", DLDevice), ("ndim", C.c_int32), ("dtype", DLDataType),
                ("shape", C.POINTER(C.c_int64)), ("strides", C.POINTER(C.c_int64)), ("byte_offset", C.c_uint64)]


class DLManagedTensor(C.Structure):
    pass


Deleter = C.CFUNCTYPE(None, C.POINTER(DLManagedTensor))
DLManagedTensor._fields_ = [("tensor", DLTensor), ("context", C.c_void_p), ("deleter", Deleter)]

CPU = 1
NAME, USED_NAME = b"dltensor", b"used_dltensor"
CapsuleDestructor = C.CFUNCTYPE(None, C.c_void_p)
api.PyCapsule_New.argtypes = [C.c_void_p, C.c_char_p, CapsuleDestructor]
api.PyCapsule_New.restype = C.py_object
api.PyCapsule_IsValid.argtypes = [C.py_object, C.c_char_p]
api.PyCapsule_GetPointer.argtypes = [C.py_object, C.c_char_p]
api.PyCapsule_GetPointer.restype = C.c_void_p
api.PyCapsule_SetName.argtypes = [C.py_object, C.c_char_p]
# The destructor meets a capsule that is being freed: it may take no reference to it.
_is_valid = C.PYFUNCTYPE(C.c_int, C.c_void_p, C.c_char_p)(("PyCapsule_IsValid", api))
_get_pointer = C.PYFUNCTYPE(C.c_void_p, C.c_void_p, C.c_char_p)(("PyCapsule_GetPointer", api))

_lent: dict[int, tuple] = {}  # what capsules that are out keep alive, by their context
_numbers = itertools.count(1)


@Deleter
def _give_back(managed):
    _lent.pop(managed.contents.context, None)


@CapsuleDestructor
def _forget(capsule):
    if _is_valid(capsule, NAME):  # nobody took it
        managed = C.cast(_get_pointer(capsule, NAME), C.POINTER(DLManagedTensor))
        managed.contents.deleter(managed)


def to_dlpack(address: int, dtype: str, shape: tuple, owner: object):
    if dtype not in dtypes.DLPACK:
        raise BufferError(f"DLPack has no type for {dtype}")
    kind, bits = dtypes.DLPACK[dtype]
    number, dims = next(_numbers), (C.c_int64 * max(1, len(shape)))(*shape)
    managed = DLManagedTensor(DLTensor(address, DLDevice(CPU, 0), len(shape), DLDataType(kind, bits, 1), dims, None, 0),
                              number, _give_back)
    _lent[number] = (managed, dims, owner)
    return api.PyCapsule_New(C.addressof(managed), NAME, _forget)


class FromDLPack:
    """Memory of another library's tensor, given back when this object goes."""

    def __init__(self, source: object):
        self._managed = None
        device = source.__dlpack_device__()
        if device[0] != CPU:
            raise BufferError(f"the tensor is on device {tuple(device)}, not in the CPU's memory")
        capsule = source.__dlpack__()
        if not api.PyCapsule_IsValid(capsule, NAME):
            raise BufferError("__dlpack__ gave no unused 'dltensor' capsule")
        pointer = api.PyCapsule_GetPointer(capsule, NAME)
        api.PyCapsule_SetName(capsule, USED_NAME)
        self._managed = C.cast(pointer, C.POINTER(DLManagedTensor))
        t = self._managed.contents.tensor
        self.shape = tuple(t.shape[i] for i in range(t.ndim))
        self.dtype = dtypes.FROM_DLPACK.get((t.dtype.code, t.dtype.bits)) if t.dtype.lanes == 1 else None
        self.row_major = not t.strides or self._is_row_major(t)
        self.address = (t.data or 0) + t.byte_offset

    def _is_row_major(self, t: DLTensor) -> bool:
        step = 1
        for i in reversed(range(t.ndim)):
            if self.shape[i] > 1 and t.strides[i] != step:
                return 0 in self.shape
            step *= self.shape[i]
        return True

    def __del__(self):
        if self._managed and self._managed.contents.deleter:
            self._managed.contents.deleter(self._managed)
