"""Element types: hasten's names, their codes (those of ONNX), sizes, and what buffers and numpy call them."""
from __future__ import annotations

CODES = {
    "f32": 1, "u8": 2, "s8": 3, "u16": 4, "s16": 5, "s32": 6, "s64": 7, "string": 8, "b8": 9, "f16": 10, "f64": 11,
    "u32": 12, "u64": 13, "c64": 14, "c128": 15, "bf16": 16, "f8e4m3fn": 17, "f8e4m3fnuz": 18, "f8e5m2": 19,
    "f8e5m2fnuz": 20, "u4": 21, "s4": 22, "f4e2m1": 23, "f8e8m0": 24, "u2": 25, "s2": 26, "f6e2m3": 27, "f6e3m2": 28,
}
LISTS = {"sequence": 64, "optional": 65, "map": 66}  # what is no tensor of elements; "optional": one that is empty
SEQUENCE, OPTIONAL, MAP = LISTS.values()
NAMES = {code: name for name, code in (CODES | LISTS).items()}

# Bits of an element; strings have none.
BITS = {"f32": 32, "u8": 8, "s8": 8, "u16": 16, "s16": 16, "s32": 32, "s64": 64, "string": 0, "b8": 8, "f16": 16,
        "f64": 64, "u32": 32, "u64": 64, "c64": 64, "c128": 128, "bf16": 16, "f8e4m3fn": 8, "f8e4m3fnuz": 8, "f8e5m2": 8,
        "f8e5m2fnuz": 8, "u4": 4, "s4": 4, "f4e2m1": 4, "f8e8m0": 8, "u2": 2, "s2": 2, "f6e2m3": 6, "f6e3m2": 6}

# The struct module's letters. bf16 and its like have none: they appear as bytes.
FORMATS = {"f32": "f", "u8": "B", "s8": "b", "u16": "H", "s16": "h", "s32": "i", "s64": "q", "b8": "?", "f16": "e",
           "f64": "d", "u32": "I", "u64": "Q"}

# (DLPack type code, bits) of the types that DLPack and hasten share.
DLPACK = {"s8": (0, 8), "s16": (0, 16), "s32": (0, 32), "s64": (0, 64), "u8": (1, 8), "u16": (1, 16), "u32": (1, 32),
          "u64": (1, 64), "f16": (2, 16), "f32": (2, 32), "f64": (2, 64), "bf16": (4, 16), "c64": (5, 64),
          "c128": (5, 128), "b8": (6, 8)}
FROM_DLPACK = {v: k for k, v in DLPACK.items()}

# numpy's names, those of the package ml_dtypes included.
NUMPY = {"f32": "float32", "u8": "uint8", "s8": "int8", "u16": "uint16", "s16": "int16", "s32": "int32", "s64": "int64",
         "b8": "bool", "f16": "float16", "f64": "float64", "u32": "uint32", "u64": "uint64", "c64": "complex64",
         "c128": "complex128", "bf16": "bfloat16", "f8e4m3fn": "float8_e4m3fn", "f8e4m3fnuz": "float8_e4m3fnuz",
         "f8e5m2": "float8_e5m2", "f8e5m2fnuz": "float8_e5m2fnuz", "u4": "uint4", "s4": "int4",
         "f4e2m1": "float4_e2m1fn", "f8e8m0": "float8_e8m0fnu", "u2": "uint2", "s2": "int2"}
FROM_NUMPY = {v: k for k, v in NUMPY.items()}


def code(dtype: object) -> int:
    """The code of a dtype given by its name ("f32", "float32") or as a numpy dtype or type."""
    if isinstance(dtype, str):
        name = dtype
    else:  # a numpy dtype or scalar type, or another library's whose name is the same ("torch.float32")
        name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype).rpartition(".")[2]
    name = FROM_NUMPY.get(name, name)
    if name == "str":
        name = "string"
    if name not in CODES:
        raise ValueError(f"unknown dtype {dtype!r}: known are {', '.join(CODES)}, and numpy's names")
    return CODES[name]


def nbytes(dtype: str, count: int) -> int:
    """Bytes of `count` elements; types of less than a byte are packed."""
    return (count * BITS[dtype] + 7) // 8
