"""The standard ONNX backend interface, so that onnx.backend.test runs against hasten as against others. Needs onnx, numpy.

    import hasten.backend as backend
    backend.run_model(onnx.load("model.onnx"), [x])
"""
from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from .model import Model, Session


class HastenRep(BackendRep):
    """A prepared model."""

    def __init__(self, model: Model):
        self.session = Session(model)
        self._inputs = [v for v in model.inputs]
        self._outputs = [v.name for v in model.outputs]

    def run(self, inputs: Any, **kwargs: Any) -> Any:
        """Inputs in the model's order (or by name); numpy arrays in the order of the outputs, also by name."""
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        feeds = inputs if isinstance(inputs, dict) else {v.name: x for v, x in zip(self._inputs, inputs)}
        results = self.session.run(feeds)
        return namedtupledict("Outputs", self._outputs)(*[_numpy(results[name]) for name in self._outputs])


def _numpy(value: Any) -> Any:
    if isinstance(value, list):
        return [_numpy(item) for item in value]
    return value if value is None or isinstance(value, dict) else value.numpy()


class HastenBackend(Backend):
    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        try:
            Model(model)
        except NotImplementedError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> HastenRep:
        """`model`: an onnx.ModelProto, its bytes, or a path. Options go to hasten.Model."""
        if not cls.supports_device(device):
            raise ValueError(f"device '{device}' is not supported: hasten runs on 'CPU'")
        return HastenRep(Model(model, **kwargs))

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> Any:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Sequence[Any] | None = None,
                 **kwargs: Any) -> Any:
        """One node on its own. `opset_imports` as for onnx.helper.make_model; its outputs' types need not be given."""
        names = [name for name in node.input if name]
        imports = kwargs.pop("opset_imports", None) or [helper.make_opsetid(node.domain, onnx.defs.onnx_opset_version())]
        arrays = [np.asarray(x) for x in inputs]
        infos = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                 for name, a in zip(names, arrays)]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "run_node", infos, outputs)
        return cls.run_model(helper.make_model(graph, opset_imports=imports), arrays, device, **kwargs)


supports_device = HastenBackend.supports_device
is_compatible = HastenBackend.is_compatible
prepare = HastenBackend.prepare
run_model = HastenBackend.run_model
run_node = HastenBackend.run_node
