#!/usr/bin/env python3
"""f32 LSTM, GRU and RNN against ONNX Runtime, in turns in one process.

    HASTEN_LIBRARY=build/release/libhasten.so PYTHONPATH=python bench/recurrent.py [--rounds 5] [--threads 2]

Prints, per layer, the median of each in ms and of the rounds' ratios (above 1: hasten is faster)."""
import argparse, statistics, time
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
import hasten

LAYERS = [  # kind, steps, batch, inputs, hidden, directions, linear_before_reset, sequence lengths
    ("LSTM", 50, 1, 256, 256, 1, 0, False),
    ("LSTM", 50, 8, 256, 256, 1, 0, False),
    ("LSTM", 50, 8, 256, 256, 2, 0, True),
    ("LSTM", 50, 1, 64, 64, 1, 0, False),
    ("LSTM", 20, 32, 512, 512, 1, 0, False),
    ("LSTM", 50, 3, 30, 37, 2, 0, True),
    ("GRU", 50, 1, 256, 256, 1, 0, False),
    ("GRU", 50, 8, 256, 256, 1, 1, True),
    ("GRU", 50, 8, 256, 256, 2, 0, False),
    ("RNN", 50, 8, 256, 256, 1, 0, False),
]


def model(kind, steps, batch, inputs, hidden, directions, before, lengths):
    rng, gates = np.random.default_rng(0), {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    constants = {"w": rng.standard_normal((directions, gates * hidden, inputs)) / np.sqrt(inputs),
                 "r": rng.standard_normal((directions, gates * hidden, hidden)) / np.sqrt(hidden),
                 "b": rng.standard_normal((directions, 2 * gates * hidden)) / 10}
    constants = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
    if lengths:
        constants.append(numpy_helper.from_array(np.array([steps - k % steps for k in range(batch)], np.int32), "l"))
    attributes = dict(hidden_size=hidden, direction="bidirectional" if directions == 2 else "forward")
    if kind == "GRU":
        attributes["linear_before_reset"] = before
    outputs = ["y", "h", "c"][:3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, ["x", "w", "r", "b"] + ["l"] * lengths, outputs, **attributes)
    graph = helper.make_graph([node], "layer",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, (steps, batch, inputs))],
                              [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs], constants)
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    m.ir_version = 9
    return m.SerializeToString(), rng.standard_normal((steps, batch, inputs)).astype(np.float32), outputs


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    print(f"{'layer':46} {'hasten':>9} {'ort':>9} {'ratio':>6}  largest difference")
    for layer in LAYERS:
        data, x, outputs = model(*layer)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = a.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        ort = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        ours = hasten.Session(hasten.Model(data), threads=a.threads)
        runs = [lambda: [np.asarray(y) for y in ours.run({"x": x}).values()], lambda: ort.run(None, {"x": x})]
        here, there = [r() for r in runs]
        difference = max(np.abs(h - t).max() for h, t in zip(here, there))
        times = [[], []]
        for _ in range(a.rounds):
            for k in (0, 1):
                time.sleep(0.06)  # the other's threads have stopped spinning
                begin = time.perf_counter()
                for _ in range(5):
                    runs[k]()
                times[k].append((time.perf_counter() - begin) / 5)
        kind, steps, batch, inputs, hidden, directions, before, lengths = layer
        name = f"{kind} {steps} x {batch} x {inputs} -> {hidden}" + " both ways" * (directions == 2) + \
            " linear before reset" * before + " lengths" * lengths
        print(f"{name:46} {statistics.median(times[0]) * 1e3:9.3f} {statistics.median(times[1]) * 1e3:9.3f} "
              f"{statistics.median(t / h for h, t in zip(*times)):6.2f}  {difference:.1e}", flush=True)


main()
