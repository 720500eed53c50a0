"""hasten: trained Transformers, run exactly and fast. A thin layer over libhasten (hasten.h is the manual).

    import hasten
    model = hasten.Model("model.onnx")                  # or a checkpoint's folder
    out = model.run({"input_ids": ids, "attention_mask": mask})
    out["logits"].numpy()                               # shares the memory; so do torch.from_dlpack and memoryview

The GIL is free during a run. numpy is used where it is there and never needed to import.
"""
from __future__ import annotations

import ctypes as _C
import json as _json

from . import _native
from .errors import (BadFormatError, BadShapeError, BudgetError, BusyError, CancelledError, DeadlineError, FileError,
                     HastenError, InternalError, InvalidArgumentError, NoMemoryError, NotFoundError, UnsupportedError)
from .model import CancelFlag, Model, Session, ValueInfo
from .tensor import Tensor
from .values import read_value, write_value

__version__: str = _native.lib.hst_version().decode()

__all__ = ["Model", "Session", "Tensor", "ValueInfo", "CancelFlag", "set_threads", "threads", "list_of", "read_value",
           "write_value", "HastenError",
           "BadFormatError", "BadShapeError", "BudgetError", "BusyError", "CancelledError", "DeadlineError", "FileError",
           "InternalError", "InvalidArgumentError", "NoMemoryError", "NotFoundError", "UnsupportedError", "__version__"]


def set_threads(count: int) -> None:
    """Threads of the one team that all sessions share, the calling one included; 0: what affinity and quota allow."""
    _native.lib.hst_threads_set(count)


def threads() -> int:
    """Threads of that team."""
    return _native.lib.hst_threads_get()


def list_of(what: str) -> list[dict]:
    """What the library was built with: "ops", "kernels", "passes", "archs" or "tasks"."""
    out = _C.c_void_p()
    _native.call("list_json", what.encode(), _C.byref(out))
    return _json.loads(_native.text(out))
