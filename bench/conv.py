#!/usr/bin/env python3
"""f32 Conv against ONNX Runtime, in turns in one process: the shapes of ViT, Whisper, ConvNeXt, wav2vec2 and ResNet.

    HASTEN_LIBRARY=build/release/libhasten.so PYTHONPATH=python bench/conv.py [--rounds 15] [--threads 2] [name part]

Prints, per shape, the median of each in ms and of the rounds' ratios (above 1: hasten is faster)."""
import argparse, statistics, time
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
import hasten

SHAPES = [  # name, x, weights, attributes
    ("vit patch 16x16", (1, 3, 224, 224), (768, 3, 16, 16), dict(strides=[16, 16])),
    ("whisper conv1", (1, 80, 3000), (384, 80, 3), dict(pads=[1, 1])),
    ("whisper conv2", (1, 384, 3000), (384, 384, 3), dict(pads=[1, 1], strides=[2])),
    ("convnext stem 4x4", (1, 3, 224, 224), (96, 3, 4, 4), dict(strides=[4, 4])),
    ("convnext depthwise 56", (1, 96, 56, 56), (96, 1, 7, 7), dict(group=96, pads=[3] * 4)),
    ("convnext depthwise 28", (1, 192, 28, 28), (192, 1, 7, 7), dict(group=192, pads=[3] * 4)),
    ("convnext depthwise 14", (1, 384, 14, 14), (384, 1, 7, 7), dict(group=384, pads=[3] * 4)),
    ("convnext depthwise 7", (1, 768, 7, 7), (768, 1, 7, 7), dict(group=768, pads=[3] * 4)),
    ("convnext down 2x2", (1, 96, 56, 56), (192, 96, 2, 2), dict(strides=[2, 2])),
    ("convnext 1x1 56", (1, 96, 56, 56), (384, 96, 1, 1), {}),
    ("convnext 1x1 7", (1, 768, 7, 7), (3072, 768, 1, 1), {}),
    ("wav2vec2 first", (1, 1, 16000), (512, 1, 10), dict(strides=[5])),
    ("wav2vec2 second", (1, 512, 3199), (512, 512, 3), dict(strides=[2])),
    ("wav2vec2 position", (1, 768, 49), (768, 48, 128), dict(group=16, pads=[64, 64])),
    ("resnet 3x3 56", (1, 64, 56, 56), (64, 64, 3, 3), dict(pads=[1] * 4)),
    ("resnet 3x3 14", (1, 256, 14, 14), (256, 256, 3, 3), dict(pads=[1] * 4)),
    ("mobile depthwise stride 2", (1, 96, 112, 112), (96, 1, 3, 3), dict(group=96, pads=[1] * 4, strides=[2, 2])),
]


def model(x, w, attributes):
    rng = np.random.default_rng(0)
    weight = (rng.standard_normal(w) / np.sqrt(np.prod(w[1:]))).astype(np.float32)
    bias = rng.standard_normal(w[0]).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    graph = helper.make_graph([node], "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")])
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    m.ir_version = 9
    return m.SerializeToString(), rng.standard_normal(x).astype(np.float32), 2 * np.prod(w) / w[0]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("part", nargs="?", default="")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    print(f"{'shape':26} {'hasten':>9} {'ort':>9} {'ratio':>6} {'GFLOP/s':>8}  largest difference")
    for name, x, w, attributes in SHAPES:
        if a.part not in name:
            continue
        data, value, flops = model(x, w, attributes)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = a.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        ort = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        ours = hasten.Session(hasten.Model(data), threads=a.threads)
        runs = [lambda: np.asarray(ours.run({"x": value})["y"]), lambda: ort.run(None, {"x": value})[0]]
        results = [r() for r in runs]
        times = [[], []]
        each = 1
        for _ in range(a.rounds):
            for k in (0, 1):
                time.sleep(0.06)  # the other's threads have stopped spinning
                begin = time.perf_counter()
                for _ in range(each):
                    runs[k]()
                times[k].append((time.perf_counter() - begin) / each)
            each = max(1, min(200, int(0.03 / min(times[0] + times[1]))))
        here, there = statistics.median(times[0]), statistics.median(times[1])
        ratio = statistics.median(t / h for h, t in zip(*times))
        print(f"{name:26} {here * 1e3:9.3f} {there * 1e3:9.3f} {ratio:6.2f} {flops * results[0].size / here / 1e9:8.1f}"
              f"  {np.abs(results[0] - results[1]).max():.1e}", flush=True)


main()
