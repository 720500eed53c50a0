"""libhasten through ctypes: the structs and functions of hasten.h that the package uses, and its errors as exceptions.

A call releases the GIL for as long as it runs. Which library: $HASTEN_LIBRARY, else the one beside this file (a wheel),
else the one that the system finds.
"""
from __future__ import annotations

import ctypes as C
import ctypes.util
import os

from .errors import error_for

ABI_VERSION = 1


class Error(C.Structure):
    _fields_ = [("code", C.c_int), ("object", C.c_char * 128), ("message", C.c_char * 640)]


class String(C.Structure):
    _fields_ = [("data", C.c_void_p), ("size", C.c_size_t)]


class Dimension(C.Structure):
    _fields_ = [("name", C.c_char_p), ("length", C.c_int64)]


# Callbacks return a status or nothing; those that hold a pointer to Python code are kept alive by who made them.
LogCallback = C.CFUNCTYPE(None, C.c_void_p, C.c_int, C.c_char_p)
ExplainCallback = C.CFUNCTYPE(None, C.c_void_p, C.c_char_p, C.c_char_p)


class ModelOptions(C.Structure):  # as far as this package sets them: `size` says so
    _fields_ = [("size", C.c_size_t), ("allocator", C.c_void_p), ("flags", C.c_uint32), ("optimization", C.c_int),
                ("dimensions", C.POINTER(Dimension)), ("dimension_count", C.c_size_t),
                ("providers", C.POINTER(C.c_char_p)), ("provider_count", C.c_size_t),
                ("operators", C.c_void_p), ("operator_count", C.c_size_t),
                ("external", C.c_void_p), ("external_user", C.c_void_p),
                ("explain", ExplainCallback), ("explain_user", C.c_void_p), ("architecture", C.c_char_p),
                ("quantization", C.c_int), ("weights", C.c_int)]


class SessionOptions(C.Structure):
    _fields_ = [("size", C.c_size_t), ("allocator", C.c_void_p), ("memory_budget", C.c_uint64), ("threads", C.c_int),
                ("padded_rows", C.c_int)]


class RunOptions(C.Structure):  # its first fields
    _fields_ = [("size", C.c_size_t), ("cancel", C.POINTER(C.c_int)), ("deadline_ns", C.c_uint64),
                ("memory_budget", C.c_uint64)]


class ExportOptions(C.Structure):
    _fields_ = [("size", C.c_size_t), ("opset", C.c_int), ("dtype", C.c_int), ("external_beyond", C.c_uint64)]


class ValueInfo(C.Structure):
    _fields_ = [("name", C.c_char_p), ("dtype", C.c_int), ("rank", C.c_int), ("dims", C.POINTER(C.c_int64)),
                ("dim_names", C.POINTER(C.c_char_p)), ("optional", C.c_bool), ("element", C.c_int),
                ("may_be_empty", C.c_bool), ("key", C.c_int)]


# What a prototype is written with below: p any pointer, s text, t text that hst_text_free frees, i int, q int64, z size_t,
# u uint64, b bool, v nothing, V value info, d dims, o status (and the last argument, the error, is added).
_TYPES = {"p": C.c_void_p, "s": C.c_char_p, "i": C.c_int, "q": C.c_int64, "z": C.c_size_t, "u": C.c_uint64,
          "b": C.c_bool, "v": None, "V": C.POINTER(ValueInfo), "d": C.POINTER(C.c_int64), "o": C.c_int, "w": C.c_uint32}

PROTOTYPES = {
    "version": "s:", "abi_version": "i:", "status_name": "s:i", "text_free": "v:p", "clock_ns": "u:",
    "threads_set": "v:i", "threads_get": "i:", "list_json": "o:sp", "cancel": "v:p", "log_set": "v:ppi",
    "tensor_new": "o:iippp", "tensor_new_copy": "o:iippzpp", "tensor_new_strings": "o:ipppp",
    "tensor_new_borrow": "o:iippzpp", "tensor_retain": "o:pp", "tensor_reshape": "o:pipp", "tensor_convert": "o:pip",
    "tensor_free": "v:p", "tensor_dtype": "i:p", "tensor_rank": "i:p", "tensor_dims": "d:p", "tensor_count": "q:p",
    "tensor_bytes": "z:p", "tensor_data": "p:p", "tensor_view": "p:p", "tensor_new_sequence": "o:zppp",
    "tensor_item": "p:pz", "tensor_new_empty_optional": "o:pp", "tensor_new_map": "o:pppp",
    "tensor_read_onnx": "o:sippp", "tensor_read_onnx_memory": "o:pzippp", "tensor_write_onnx": "o:piss",
    "tensor_write_onnx_memory": "o:pispp",
    "model_load": "o:spp", "model_load_memory": "o:pzpp", "model_load_memory_borrow": "o:pzpp", "model_free": "v:p",
    "model_input_count": "z:p", "model_output_count": "z:p", "model_input": "V:pz", "model_output": "V:pz",
    "model_metadata_count": "z:p", "model_metadata_get": "b:pzpp", "model_opset_count": "z:p",
    "model_opset_get": "b:pzpp", "model_config_json": "s:p", "model_label_count": "i:p", "model_label": "s:pi",
    "model_describe_json": "o:pp", "model_describe_shapes_json": "o:pp", "model_export_onnx": "o:psp",
    "session_new": "o:ppp", "session_free": "v:p", "session_run": "o:pzppzppp", "session_memory": "u:pp",
    "session_trim": "o:p", "session_state_declare": "o:pssp", "session_state_reset": "o:ps",
    "session_state_reorder": "o:psipz", "session_state_truncate": "o:psiq", "session_state_set": "o:psp",
    "session_state_get": "o:psp",
}


def _find() -> str:
    named = os.environ.get("HASTEN_LIBRARY")
    if named:
        return named
    folder = os.path.dirname(os.path.abspath(__file__))
    for name in ("libhasten.so", "libhasten.so.0", "libhasten.dylib"):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return ctypes.util.find_library("hasten") or "libhasten.so.0"


def _load() -> C.CDLL:
    library = C.CDLL(_find())
    for name, prototype in PROTOTYPES.items():
        result, arguments = prototype.split(":")
        function = getattr(library, "hst_" + name)
        function.restype = _TYPES[result]
        function.argtypes = [_TYPES[a] for a in arguments] + ([C.c_void_p] if result == "o" else [])
    if library.hst_abi_version() != ABI_VERSION:
        raise ImportError(f"libhasten has ABI version {library.hst_abi_version()}, this package needs {ABI_VERSION}")
    return library


lib = _load()


_functions = {name: getattr(lib, "hst_" + name) for name in PROTOTYPES}
_errors: list[Error] = []  # spare ones: making one takes longer than many a call


def call(name: str, *arguments) -> None:
    """Calls a function that can fail; its error becomes an exception."""
    try:
        error = _errors.pop()
    except IndexError:
        error = Error()
    status = _functions[name](*arguments, C.byref(error))
    if status:
        raise error_for(status, error.message.decode("utf-8", "replace"), error.object.decode("utf-8", "replace"))
    _errors.append(error)


def text(pointer: C.c_void_p) -> str:
    """A text that the library gave away; it is freed."""
    try:
        return C.string_at(pointer.value).decode("utf-8", "replace")
    finally:
        lib.hst_text_free(pointer)
