#!/usr/bin/env python3
"""Whole models of many families against ONNX Runtime, f32: each engine in a process of its own, in turns, all but one stopped.

    HASTEN_LIBRARY=build/release/libhasten.so PYTHONPATH=python bench/models.py [--rounds 5] [--threads 2] [part of a name …]
    … --batch 4, --scale 2 (larger images), --isa avx2 (as on a processor without AVX-512; see bench/cpu_avx2.c)

The models have the shapes of well-known ones (those of text: 4 layers of 768, 2x128 tokens) and random weights; torch and
transformers make them, exported as written, their BatchNormalization not folded. Prints the median of each in ms, of the rounds' ratios (above 1: hasten is faster), and the largest
difference of the outputs over the largest output."""
import argparse, json, os, statistics, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peer_engines import Process, time_point


# ---- models: name: (side of the image, or the input's shape, function that makes the module) ----

def of_transformers(stem, **config):
    def make():
        import transformers
        return getattr(transformers, stem + "ForImageClassification")(getattr(transformers, stem + "Config")(**config))
    return make


def encoder(stem, sizes="hidden_size num_hidden_layers num_attention_heads intermediate_size", model="Model", **config):
    """A model of token ids with 4 layers of 768; sizes: what its configuration calls their sizes."""
    def make():
        import transformers
        made = dict(zip(sizes.split(), (768, 4, 12, 3072)), vocab_size=5000, **config)
        module = getattr(transformers, stem + model)(getattr(transformers, stem + "Config")(**made))
        module.config.use_cache = False
        return module
    return make


def whisper_encoder():
    import transformers
    return transformers.WhisperModel(transformers.WhisperConfig(d_model=512, encoder_layers=4, decoder_layers=1, encoder_attention_heads=8,
                                                                decoder_attention_heads=8, encoder_ffn_dim=2048)).get_encoder()


def whisper_stem():
    import torch
    from torch import nn
    return nn.Sequential(nn.Conv1d(80, 384, 3, padding=1), nn.GELU(), nn.Conv1d(384, 384, 3, stride=2, padding=1), nn.GELU())


def wav2vec2_features():
    import transformers
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2FeatureEncoder
    return Wav2Vec2FeatureEncoder(transformers.Wav2Vec2Config())


def mobilenet_v3():
    """MobileNetV3-large, block by block: channels in, kernel, expanded, out, squeeze-and-excitation, HardSwish, stride."""
    from torch import nn
    norm = lambda n: nn.BatchNorm2d(n, eps=1e-3)

    class Gate(nn.Module):
        def __init__(self, n, inner):
            super().__init__()
            self.f = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(n, inner, 1), nn.ReLU(), nn.Conv2d(inner, n, 1), nn.Hardsigmoid())

        def forward(self, x):
            return x * self.f(x)

    class Block(nn.Module):
        def __init__(self, i, k, e, o, gate, swish, stride):
            super().__init__()
            act = nn.Hardswish if swish else nn.ReLU
            wide = [nn.Conv2d(i, e, 1, bias=False), norm(e), act()] if e != i else []
            gates = [Gate(e, max(8, (e // 4 + 4) // 8 * 8))] if gate else []
            self.f = nn.Sequential(*wide, nn.Conv2d(e, e, k, stride, k // 2, groups=e, bias=False), norm(e), act(), *gates,
                                   nn.Conv2d(e, o, 1, bias=False), norm(o))
            self.same = stride == 1 and i == o

        def forward(self, x):
            return x + self.f(x) if self.same else self.f(x)

    blocks = [(16, 3, 16, 16, 0, 0, 1), (16, 3, 64, 24, 0, 0, 2), (24, 3, 72, 24, 0, 0, 1), (24, 5, 72, 40, 1, 0, 2), (40, 5, 120, 40, 1, 0, 1),
              (40, 5, 120, 40, 1, 0, 1), (40, 3, 240, 80, 0, 1, 2), (80, 3, 200, 80, 0, 1, 1), (80, 3, 184, 80, 0, 1, 1), (80, 3, 184, 80, 0, 1, 1),
              (80, 3, 480, 112, 1, 1, 1), (112, 3, 672, 112, 1, 1, 1), (112, 5, 672, 160, 1, 1, 2), (160, 5, 960, 160, 1, 1, 1), (160, 5, 960, 160, 1, 1, 1)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), norm(16), nn.Hardswish(), *[Block(*b) for b in blocks],
                         nn.Conv2d(160, 960, 1, bias=False), norm(960), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(960, 1280), nn.Hardswish(), nn.Linear(1280, 1000))


MODELS = {
    "resnet18": (224, of_transformers("ResNet", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic")),
    "resnet50": (224, of_transformers("ResNet")),
    "mobilenet_v1": (224, of_transformers("MobileNetV1")),
    "mobilenet_v2": (224, of_transformers("MobileNetV2")),
    "mobilenet_v3": (224, mobilenet_v3),
    "efficientnet_b0": (224, of_transformers("EfficientNet", width_coefficient=1.0, depth_coefficient=1.0, image_size=224, hidden_dim=1280)),
    "convnext_tiny": (224, of_transformers("ConvNext")),
    "mobilevit": (256, of_transformers("MobileViT")),
    "whisper_stem": ((80, 3000), whisper_stem),
    "wav2vec2_features": ((16000,), wav2vec2_features),
    "vit": (224, of_transformers("ViT", num_hidden_layers=4)),
    "swin": (224, of_transformers("Swin", depths=[2, 2, 2, 2])),
    "segformer": (224, of_transformers("Segformer")),
    "whisper_encoder": ((80, 3000), whisper_encoder),
    "roberta": ("text", encoder("Roberta")),
    "albert": ("text", encoder("Albert", embedding_size=128)),
    "deberta": ("text", encoder("Deberta", relative_attention=True, pos_att_type=["p2c", "c2p"])),
    "deberta_v2": ("text", encoder("DebertaV2", relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=256,
                                   share_att_key=True, norm_rel_ebd="layer_norm")),
    "xlnet": ("text", encoder("XLNet", "d_model n_layer n_head d_inner")),
    "funnel": ("text", encoder("Funnel", "", block_sizes=[2, 2, 2])),
    "longformer": ("text", encoder("Longformer", attention_window=64)),
    "convbert": ("text", encoder("ConvBert", embedding_size=128)),
    "modernbert": ("text", encoder("ModernBert", pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)),
    "t5_encoder": ("text", encoder("T5", "d_model num_layers num_heads d_ff", "EncoderModel")),
    "gpt2": ("text", encoder("GPT2", "n_embd n_layer n_head")),
    "llama": ("text", encoder("Llama", num_key_value_heads=4)),
    "bloom": ("text", encoder("Bloom", "hidden_size n_layer n_head")),
}


def shape_of(name, batch, scale):
    size = MODELS[name][0]
    if size == "text":
        return 2 * batch, 128
    return (batch, 3, size * scale, size * scale) if isinstance(size, int) else (batch, *size)


def make(name, path, batch, scale):
    import torch
    torch.manual_seed(0)
    module = MODELS[name][1]().eval()
    for m in module.modules():  # statistics that do something
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(m.weight, 0.5, 1.5)
            torch.nn.init.normal_(m.bias, 0, 0.1)

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, x):
            y = self.module(x, attention_mask=torch.ones_like(x)) if MODELS[name][0] == "text" else self.module(x)
            return getattr(y, "logits", getattr(y, "last_hidden_state", y))

    shape = shape_of(name, batch, scale)
    x = torch.randint(5, 1000, shape) if MODELS[name][0] == "text" else torch.randn(*shape)
    torch.onnx.export(Plain().eval(), (x,), path, input_names=["x"], output_names=["y"], opset_version=17, dynamo=False,
                      do_constant_folding=False)


# ---- the worker: "python models.py --worker ENGINE MODEL SHAPE THREADS ANSWER", then lines "SECONDS" ----

def worker(engine, path, shape, threads, answer):
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import numpy as np
    (kind, shape), random = json.loads(shape), np.random.default_rng(0)
    x = random.integers(5, 1000, shape) if kind == "text" else random.standard_normal(shape).astype(np.float32)
    if engine == "hasten":
        import hasten
        session = hasten.Session(hasten.Model(path), threads=int(threads))
        run = lambda: session.run({"x": x})["y"]
    else:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        run = lambda: session.run(["y"], {"x": x})[0]
    np.save(answer, np.asarray(run()))
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(time_point(run, float(line))), file=out, flush=True)


def compare(options, name):
    import numpy as np
    path = os.path.join(options.folder, f"{name}-{options.batch}-{options.scale}.onnx")
    if not os.path.exists(path):
        subprocess.run([sys.executable, os.path.abspath(__file__), "--make", name, path + ".new", str(options.batch), str(options.scale)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.replace(path + ".new", path)
    with tempfile.TemporaryDirectory() as folder:
        engines, answers = [], []
        for engine in ("hasten", "onnxruntime"):
            answers.append(os.path.join(folder, engine + ".npy"))
            engines.append(Process([sys.executable, os.path.abspath(__file__), "--worker", engine, path,
                                    json.dumps([MODELS[name][0], shape_of(name, options.batch, options.scale)]), str(options.threads), answers[-1]], options.threads))
            engines[-1].answer()
            engines[-1].stop()
        ours, theirs = (np.load(a) for a in answers)
    times = [[], []]
    for i in range(options.rounds):
        for k in (0, 1) if i % 2 == 0 else (1, 0):
            times[k].append(engines[k].ask(str(options.seconds))[0]["median_ms"])
    for e in engines:
        e.close()
    ratio = statistics.median(t / h for h, t in zip(*times))
    print(f"{name:20} {statistics.median(times[0]):9.2f} {statistics.median(times[1]):9.2f} {ratio:6.2f}"
          f"  {np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("part", nargs="*")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.3, help="of a turn (default: 0.3)")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--scale", type=int, default=1, help="how many times larger images are")
    p.add_argument("--isa", choices=["avx2"])
    p.add_argument("--folder", default=os.path.join(tempfile.gettempdir(), "hasten-models"), help="where the models are kept")
    p.add_argument("--build", default="build/release", help="where --isa finds its library")
    options = p.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    if options.isa:
        subprocess.run(["cmake", "--build", options.build, "--target", "cpu_avx2"], check=True, stdout=subprocess.DEVNULL)
        os.environ["LD_PRELOAD"] = os.path.abspath(os.path.join(options.build, "bench/libcpu_avx2.so"))
    print(f"{'model':20} {'hasten ms':>9} {'ort ms':>9} {'ratio':>6}  difference")
    for name in MODELS:
        if not options.part or any(part in name for part in options.part):
            compare(options, name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    elif sys.argv[1:2] == ["--make"]:
        make(*sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
