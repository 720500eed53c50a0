"""A thin ctypes view of libhasten's public interface, for the scripts that compare it with other runtimes (they need
numpy). Nothing of the library's build uses it.

    lib = Library("build/release/libhasten.so")
    with lib.model(path) as m: outputs = m.run({"input_ids": ids, "attention_mask": mask})
"""
import ctypes as C
import numpy as np

DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
          10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64}
CODES = {np.dtype(v): k for k, v in DTYPES.items()}


class Error(C.Structure):
    _fields_ = [("code", C.c_int), ("object", C.c_char * 128), ("message", C.c_char * 640)]


class ModelOptions(C.Structure):  # as far as these scripts set them; `size` says so
    _fields_ = [("size", C.c_size_t), ("allocator", C.c_void_p), ("flags", C.c_uint32), ("optimization", C.c_int),
                ("dimensions", C.c_void_p), ("dimension_count", C.c_size_t), ("providers", C.c_void_p),
                ("provider_count", C.c_size_t), ("operators", C.c_void_p), ("operator_count", C.c_size_t),
                ("external", C.c_void_p), ("external_user", C.c_void_p), ("explain", C.c_void_p),
                ("explain_user", C.c_void_p), ("architecture", C.c_char_p), ("quantization", C.c_int)]


class SessionOptions(C.Structure):
    _fields_ = [("size", C.c_size_t), ("allocator", C.c_void_p), ("memory_budget", C.c_uint64), ("threads", C.c_int),
                ("padded_rows", C.c_int)]


class ValueInfo(C.Structure):
    _fields_ = [("name", C.c_char_p), ("dtype", C.c_int), ("rank", C.c_int), ("dims", C.POINTER(C.c_int64)),
                ("dim_names", C.POINTER(C.c_char_p)), ("optional", C.c_bool)]


class Failed(Exception):
    pass


def check(status, err):
    if status:
        raise Failed(f"{err.object.decode(errors='replace')}: {err.message.decode(errors='replace')}")


class Library:
    def __init__(self, path):
        c = self.c = C.CDLL(path)
        c.hst_tensor_dims.restype = C.POINTER(C.c_int64)
        c.hst_tensor_view.restype = C.c_void_p
        c.hst_tensor_bytes.restype = C.c_size_t
        for what in ("input", "output"):
            getattr(c, f"hst_model_{what}").restype = C.POINTER(ValueInfo)
            getattr(c, f"hst_model_{what}").argtypes = [C.c_void_p, C.c_size_t]
            getattr(c, f"hst_model_{what}_count").restype = C.c_size_t
            getattr(c, f"hst_model_{what}_count").argtypes = [C.c_void_p]
        for name in ("tensor_dims", "tensor_view", "tensor_bytes", "tensor_dtype", "tensor_rank", "tensor_free",
                     "model_free", "session_free"):
            getattr(c, "hst_" + name).argtypes = [C.c_void_p]

    def threads(self, n):
        self.c.hst_threads_set(n)

    def model(self, path, optimization=0, threads=0, int8=False, zero_padding=False):
        return Model(self, path, optimization, threads, int8, zero_padding)

    def tensor(self, array):
        array = np.asarray(array, order="C")  # ascontiguousarray would give a scalar a dimension
        t, err, dims = C.c_void_p(), Error(), (C.c_int64 * max(1, array.ndim))(*array.shape)
        check(self.c.hst_tensor_new_copy(CODES[array.dtype], array.ndim, dims, array.ctypes.data_as(C.c_void_p),
                                         C.c_size_t(array.nbytes), None, C.byref(t), C.byref(err)), err)
        return t

    def array(self, t):
        dims = [self.c.hst_tensor_dims(t)[i] for i in range(self.c.hst_tensor_rank(t))]
        data = C.string_at(self.c.hst_tensor_view(t), self.c.hst_tensor_bytes(t))
        return np.frombuffer(data, DTYPES[self.c.hst_tensor_dtype(t)]).reshape(dims).copy()


class Model:
    """A model with one session."""

    def __init__(self, lib, path, optimization, threads, int8, zero_padding):
        self.lib, self.m, self.s, err = lib, C.c_void_p(), C.c_void_p(), Error()
        options = ModelOptions(size=C.sizeof(ModelOptions), optimization=optimization, quantization=int(int8))
        check(lib.c.hst_model_load(str(path).encode(), C.byref(options), C.byref(self.m), C.byref(err)), err)
        session = SessionOptions(C.sizeof(SessionOptions), None, 0, threads, int(zero_padding))
        check(lib.c.hst_session_new(self.m, C.byref(session), C.byref(self.s), C.byref(err)), err)
        self.inputs, self.outputs = ([getattr(lib.c, f"hst_model_{what}")(self.m, i)[0].name.decode()
                                      for i in range(getattr(lib.c, f"hst_model_{what}_count")(self.m))]
                                     for what in ("input", "output"))

    def run(self, feed):
        c, err, n, m = self.lib.c, Error(), len(feed), len(self.outputs)
        tensors = [self.lib.tensor(v) for v in feed.values()]
        out = (C.c_void_p * m)()
        status = c.hst_session_run(self.s, C.c_size_t(n), (C.c_char_p * n)(*[k.encode() for k in feed]),
                                   (C.c_void_p * n)(*[t.value for t in tensors]), C.c_size_t(m),
                                   (C.c_char_p * m)(*[k.encode() for k in self.outputs]), out, None, C.byref(err))
        for t in tensors:
            c.hst_tensor_free(t)
        check(status, err)
        result = {k: self.lib.array(out[i]) for i, k in enumerate(self.outputs)}
        for t in out:
            c.hst_tensor_free(t)
        return result

    def close(self):
        self.lib.c.hst_session_free(self.s)
        self.lib.c.hst_model_free(self.m)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
