"""hasten.Model and hasten.Session: what hasten.h says of hst_model and hst_session, in Python's words."""
from __future__ import annotations

import ctypes as C
import json
import os
import threading
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Sequence

from . import _native, dtypes
from ._native import call, lib
from .tensor import Tensor, from_handle, to_handle

MAP_COPY, GRAPH_ONLY, SHAPES = 1, 2, 4


class ValueInfo(NamedTuple):
    """An input or output. A free dimension is its name, or -1 where it has none; dtype and shape are None where they are not
    known before a run."""

    name: str
    dtype: str | None
    shape: tuple[int | str, ...] | None
    optional: bool
    element: str | None = None  # of a sequence (dtype "sequence"): the type of its items, of which `shape` speaks then
    may_be_empty: bool = False  # an ONNX optional: None may stand in its place
    key: str | None = None  # of a map (dtype "map"), or of a sequence of maps: the type of its keys, `element` that of its values


def _info(v: Any) -> ValueInfo:
    v = v.contents
    dims = None if v.rank < 0 else tuple(
        v.dims[i] if v.dims[i] >= 0 else (v.dim_names[i].decode("utf-8", "replace") or -1) for i in range(v.rank))
    return ValueInfo(v.name.decode("utf-8", "replace"), dtypes.NAMES.get(v.dtype), dims, bool(v.optional), dtypes.NAMES.get(v.element),
                     bool(v.may_be_empty), dtypes.NAMES.get(v.key))


def _optimization(level: Any) -> int:
    levels = {None: 0, "all": 3, "exact": 2, "none": 1}
    if level not in levels:
        raise ValueError(f"optimization is {level!r}: 'all', 'exact' or 'none'")
    return levels[level]


def _weights(dtype: Any) -> int:
    if dtype is None:
        return 0
    try:
        return dtypes.code(dtype)
    except ValueError:
        raise ValueError(f"weights is {dtype!r}: 'f32', 'f16', 'bf16' or None") from None


class Model:
    """A loaded model: graph, packed weights, metadata. Immutable; any number of threads may use it.

    ``source``: the path of an ONNX or engine file, a folder with one, a checkpoint's folder or weight file; or the bytes of
    an ONNX or engine file; or an ``onnx.ModelProto``.

    optimization    "all" (the default): everything that keeps answers within the rounding of f32; "exact": only what is
                    exact; "none": nothing is rewritten. An engine file is as it was compiled, and takes none of them
    dimensions      fixed lengths for free dimensions: ``{"batch": 1}``
    architecture    which class a checkpoint is built as: "BertForMaskedLM", "Model"
    quantization    "int8": linear layers on 8-bit integers, faster, answers differ a little (docs/quantization.md)
    weights         "f16" or "bf16": linear layers keep their weights in half the memory, and compute in f32
    copy_files      read files into memory instead of mapping them: for files that may be cut in place
    graph_only      read the graph and nothing more, to inspect or export; also with unknown operators
    infer_shapes    with graph_only: infer the types of all values, for shapes()
    explain         called with (pass name, what it did or why not)
    """

    _handle = None  # also where __init__ was not reached: a wrong keyword

    def __init__(self, source: Any, *, optimization: str | None = None, dimensions: Mapping[str, int] | None = None,
                 architecture: str | None = None, quantization: str | None = None, weights: Any = None,
                 copy_files: bool = False, graph_only: bool = False, infer_shapes: bool = False,
                 explain: Callable[[str, str], None] | None = None):
        if quantization not in (None, "int8"):
            raise ValueError(f"quantization is {quantization!r}: 'int8' or None")
        self._sessions = threading.local()
        options = _native.ModelOptions(size=C.sizeof(_native.ModelOptions), optimization=_optimization(optimization),
                                       flags=MAP_COPY * copy_files | GRAPH_ONLY * graph_only |
                                       SHAPES * infer_shapes)
        items = [(k.encode(), v) for k, v in (dimensions or {}).items()]
        options.dimensions = (_native.Dimension * max(1, len(items)))(*[_native.Dimension(k, v) for k, v in items])
        options.dimension_count = len(items)
        options.architecture = architecture.encode() if architecture else None
        options.quantization = quantization == "int8"
        options.weights = _weights(weights)
        failures: list[BaseException] = []
        if explain:
            @_native.ExplainCallback
            def told(_, name, text):
                try:
                    explain(name.decode(), text.decode("utf-8", "replace"))
                except BaseException as e:  # it cannot cross C: raised when the load is over
                    failures.append(e)
            options.explain = told
        out = C.c_void_p()
        if hasattr(source, "SerializeToString"):
            source = source.SerializeToString()
        if isinstance(source, (bytes, bytearray, memoryview)):
            raw = bytes(source)
            call("model_load_memory", raw, len(raw), C.byref(options), C.byref(out))
        else:
            call("model_load", os.fsencode(source), C.byref(options), C.byref(out))
        self._handle = out.value
        if failures:
            raise failures[0]

    def __del__(self):
        if lib is not None and self._handle:
            lib.hst_model_free(self._handle)
            self._handle = None

    @property
    def inputs(self) -> list[ValueInfo]:
        """In the model's order."""
        return [_info(lib.hst_model_input(self._handle, i)) for i in range(lib.hst_model_input_count(self._handle))]

    @property
    def outputs(self) -> list[ValueInfo]:
        """In the model's order."""
        return [_info(lib.hst_model_output(self._handle, i)) for i in range(lib.hst_model_output_count(self._handle))]

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself (ONNX metadata_props)."""
        key, value, found = C.c_char_p(), C.c_char_p(), {}
        for i in range(lib.hst_model_metadata_count(self._handle)):
            lib.hst_model_metadata_get(self._handle, i, C.byref(key), C.byref(value))
            found[key.value.decode("utf-8", "replace")] = value.value.decode("utf-8", "replace")
        return found

    @property
    def opsets(self) -> dict[str, int]:
        """Imported operator sets; "" is ai.onnx."""
        domain, version, found = C.c_char_p(), C.c_int64(), {}
        for i in range(lib.hst_model_opset_count(self._handle)):
            lib.hst_model_opset_get(self._handle, i, C.byref(domain), C.byref(version))
            found[domain.value.decode("utf-8", "replace")] = version.value
        return found

    @property
    def config(self) -> dict | None:
        """config.json, of the checkpoint or beside the ONNX file."""
        text = lib.hst_model_config_json(self._handle)
        return json.loads(text) if text else None

    @property
    def labels(self) -> dict[int, str]:
        """id2label of config.json."""
        found = {}
        for i in range(lib.hst_model_label_count(self._handle)):
            label = lib.hst_model_label(self._handle, i)
            if label is not None:
                found[i] = label.decode("utf-8", "replace")
        return found

    def describe(self) -> dict:
        """All that `hasten inspect` shows."""
        out = C.c_void_p()
        call("model_describe_json", self._handle, C.byref(out))
        return json.loads(_native.text(out))

    def shapes(self) -> list[dict]:
        """The type of every value as inferred, in the order of the graph: dicts of name, graph, depth, from, node, output, dtype,
        shape (None: unknown rank; of numbers, names, and "?12" for unknown lengths), content where its numbers are known.
        Of a model that was loaded whole, or with ``graph_only=True, infer_shapes=True``."""
        out = C.c_void_p()
        call("model_describe_shapes_json", self._handle, C.byref(out))
        return json.loads(_native.text(out))

    def export_onnx(self, path: str | os.PathLike, *, opset: int = 0, dtype: Any = None) -> None:
        """Writes standard ONNX. Load with ``graph_only=True`` to write the model as it is, not as it was rewritten.
        opset 17 to 25 (0: 18, or the file's own); dtype "f32" or "f16" of the weights (None: as they are)."""
        options = _native.ExportOptions(C.sizeof(_native.ExportOptions), opset, dtypes.code(dtype) if dtype else 0, 0)
        call("model_export_onnx", self._handle, os.fsencode(path), C.byref(options))

    def session(self, **options: Any) -> "Session":
        """Session(self, **options)."""
        return Session(self, **options)

    def run(self, inputs: Any, outputs: Sequence[str] | None = None, **options: Any) -> dict[str, Any]:
        """As Session.run, on a session that this model keeps for each thread."""
        session = getattr(self._sessions, "session", None)
        if session is None:
            # It keeps the C model alive, not this object, which would then never be freed.
            session = self._sessions.session = Session(self, _own=False)
        return session.run(inputs, outputs, **options)

    def __repr__(self) -> str:
        names = lambda values: ", ".join(v.name for v in values)
        return f"Model({names(self.inputs)} -> {names(self.outputs)})"


class Session:
    """Runs a model: memory plan, temporaries, state. One thread at a time (BusyError else); many sessions share one model.

    threads         0: the team's (hasten.set_threads). 1: the caller's alone
    memory_budget   bytes for temporaries, outputs and state together; 0: 80 % of what the machine had left
    padded_rows     what padding rows of token outputs hold: "compute" as ONNX defines, "zero": they need not be computed
    """

    _handle = None

    def __init__(self, model: Model, *, threads: int = 0, memory_budget: int = 0, padded_rows: str = "compute",
                 _own: bool = True):
        if padded_rows not in ("compute", "zero"):
            raise ValueError(f"padded_rows is {padded_rows!r}: 'compute' or 'zero'")
        options = _native.SessionOptions(C.sizeof(_native.SessionOptions), None, memory_budget, threads,
                                         padded_rows == "zero")
        out = C.c_void_p()
        call("session_new", model._handle, C.byref(options), C.byref(out))
        self._handle = out.value
        self.model = model if _own else None
        self._inputs = [v.name for v in model.inputs]
        self._lists = {v.name: v for v in model.inputs if v.dtype in ("sequence", "map")}
        self._outputs = [v.name for v in model.outputs]
        self._names: dict[tuple, tuple] = {}
        self._state_owners: dict[str, Any] = {}  # Python memory that states may share

    def __del__(self):
        if lib is not None and self._handle:
            lib.hst_session_free(self._handle)
            self._handle = None

    def run(self, inputs: Mapping[str, Any] | Sequence[Any], outputs: Sequence[str] | None = None, *,
            timeout: float | None = None, memory_budget: int = 0, cancel: "CancelFlag | None" = None) -> dict[str, Any]:
        """Runs the model.

        inputs    by name, or in the model's order; anything that Tensor takes. Memory is shared where it can be. A list of
                  such for a sequence, a dict for a map, None for an empty optional; outputs come back as the same.
        outputs   names of those that are wanted; None: all. Only what they need is promised to be computed.
        timeout   seconds, after which DeadlineError ends the run
        memory_budget  bytes, where lower than the session's
        cancel    ends the run with CancelledError when another thread sets it
        """
        if type(inputs) is dict or isinstance(inputs, Mapping):
            feeds = inputs
        else:
            if len(inputs) > len(self._inputs):
                raise ValueError(f"{len(inputs)} inputs were given, the model has {len(self._inputs)}")
            feeds = dict(zip(self._inputs, inputs, strict=False))
        given = [to_handle(feeds[k], self._lists.get(k)) for k in feeds]
        options = None
        if timeout is not None or cancel is not None or memory_budget:
            options = _native.RunOptions(size=C.sizeof(_native.RunOptions), memory_budget=memory_budget)
            if timeout is not None:
                options.deadline_ns = lib.hst_clock_ns() + max(1, int(timeout * 1e9))
            if cancel is not None:
                options.cancel = C.pointer(cancel._flag)
        wanted = self._outputs if outputs is None else list(outputs)
        (names, handles_type), (out_names, out_type) = self._named(feeds), self._named(wanted)
        handles, out = handles_type(*[handle for handle, _ in given]), out_type()
        call("session_run", self._handle, len(given), names, handles, len(wanted), out_names, out,
             None if options is None else C.byref(options))
        return {k: from_handle(out[i]) for i, k in enumerate(wanted)}

    def _named(self, names: Iterable[str]) -> tuple[Any, Any]:
        """Names as C reads them, and the type of as many handles; made once for what is asked again and again."""
        key = tuple(names)
        found = self._names.get(key)
        if found is None:
            if len(self._names) >= 64:
                self._names.clear()
            room = max(1, len(key))
            found = (C.c_char_p * room)(*[k.encode() for k in key]), C.c_void_p * room
            self._names[key] = found
        return found

    def memory(self) -> tuple[int, int]:
        """Bytes held now, and the most ever held."""
        most = C.c_uint64()
        return lib.hst_session_memory(self._handle, C.byref(most)), most.value

    def trim(self) -> None:
        """Gives back all memory that is not in use."""
        call("session_trim", self._handle)

    # ---- state: an output that becomes the next run's input without a copy ----

    def declare_state(self, input: str, output: str, initial: Any = None) -> None:
        """`output` of one run becomes `input` of the next. `initial` None: the input's shape with free dimensions 0."""
        t = None if initial is None else Tensor(initial)
        call("session_state_declare", self._handle, input.encode(), output.encode(), t and t._handle)
        self._state_owners[input + "\0initial"] = t

    def reset_state(self, input: str | None = None) -> None:
        """Back to the initial value; None: every state (so for all of these)."""
        call("session_state_reset", self._handle, input.encode() if input else None)

    def reorder_state(self, index: Sequence[int], axis: int = 0, input: str | None = None) -> None:
        """Row k along `axis` becomes the old row index[k]."""
        rows = (C.c_int64 * max(1, len(index)))(*index)
        call("session_state_reorder", self._handle, input.encode() if input else None, axis, rows, len(index))

    def truncate_state(self, length: int, axis: int, input: str | None = None) -> None:
        """Keeps the first `length` rows along `axis`."""
        call("session_state_truncate", self._handle, input.encode() if input else None, axis, length)

    def set_state(self, input: str, value: Any) -> None:
        """What the next run sees; anything that Tensor takes."""
        t = Tensor(value)
        call("session_state_set", self._handle, input.encode(), t._handle)
        self._state_owners[input] = t

    def get_state(self, input: str) -> Tensor:
        """What the next run would see, shared."""
        out = C.c_void_p()
        call("session_state_get", self._handle, input.encode(), C.byref(out))
        return Tensor._wrap(out.value, self._state_owners.get(input))


class CancelFlag:
    """Ends runs: give it to Session.run, call cancel() from another thread."""

    def __init__(self):
        self._flag = C.c_int(0)

    def cancel(self) -> None:
        lib.hst_cancel(C.byref(self._flag))

    def clear(self) -> None:
        self._flag.value = 0
