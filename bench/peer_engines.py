"""The models of bench/peers and the engines that run them, each in a process of its own: this file, run as a program, is
such a process. It answers lines "POINT SECONDS" with a line of JSON, exactly as `hasten bench --serve` does:
{"runs", "median_ms", "min_ms"} or {"error"}. The parent stops it (SIGSTOP) while the others have their turn."""
import contextlib, fcntl, json, os, signal, statistics, subprocess, sys, time

SIZES = {  # name: (layers, hidden, heads, feed-forward, vocabulary)
    "distilbert-base": (6, 768, 12, 3072, 30522),
    "minilm-l6": (6, 384, 12, 1536, 30522),
}
LABELS = 2
SLOW = 0.1  # a run this long needs no warm-up after a stop, and one of it may be enough


def lengths_of(point):
    if "x" in point:
        batch, length = map(int, point.split("x"))
        return [length] * batch
    return [int(n) for n in point.split(",")]


def inputs_of(point):
    """The ids that `hasten bench --size` makes."""
    import numpy as np
    lengths = lengths_of(point)
    ids = np.zeros((len(lengths), max(lengths)), dtype=np.int64)
    for row, n in enumerate(lengths):
        ids[row, :n] = 100 + (row * 31 + np.arange(n) * 17) % 800
    return ids, (np.arange(max(lengths))[None, :] < np.array(lengths)[:, None]).astype(np.int64)


# ---- models ----

def make_model(folder, size, head, hasten):
    """A checkpoint with random weights, a tokenizer with a vocabulary of the right length (converters ask for one), and its
    ONNX export. Made once."""
    layers, hidden, heads, forward, vocabulary = SIZES[size]
    if not os.path.exists(os.path.join(folder, "model.onnx")):
        import torch
        torch.manual_seed(0)
        config = transformers_of(head)[0](n_layers=layers, dim=hidden, n_heads=heads, hidden_dim=forward, vocab_size=vocabulary)
        transformers_of(head)[1](config).eval().save_pretrained(folder)
        subprocess.run([hasten, "export", folder, os.path.join(folder, "model.onnx")], check=True)
    if not os.path.exists(os.path.join(folder, "vocab.txt")):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{i}" for i in range(5, vocabulary)]
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump({"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True}, f)
        with open(os.path.join(folder, "vocab.txt"), "w") as f:
            f.write("\n".join(words) + "\n")


def transformers_of(head):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, DistilBertModel
    return DistilBertConfig, DistilBertForSequenceClassification if head == "classification" else DistilBertModel


class LeftOut(Exception):
    """Why an engine does not take part."""


@contextlib.contextmanager
def alone(folder):
    """Converted models are made once, though workers start together."""
    with open(os.path.join(folder, ".lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


# ---- engines: each gives a function that prepares a point, which gives a function that runs it ----

def engine_torch(folder, head, threads, dtype):
    import torch
    torch.set_num_threads(threads)
    model = transformers_of(head)[1].from_pretrained(folder).eval()
    if dtype == "int8":
        import warnings
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def prepare(point):
        ids, mask = (torch.from_numpy(x) for x in inputs_of(point))
        def run():
            with torch.inference_mode():
                return model(input_ids=ids, attention_mask=mask)[0]
        return run
    return prepare


def engine_onnxruntime(folder, head, threads, dtype):
    import onnxruntime
    path = os.path.join(folder, "model.onnx")
    if dtype == "int8":  # as its documentation advises where there is no VNNI: 7-bit weights, or sums saturate
        float_path, path = path, os.path.join(folder, "onnxruntime-int8.onnx")
        with alone(folder):
            if not os.path.exists(path):
                import logging
                logging.disable(logging.WARNING)
                from onnxruntime.quantization import QuantType, quantize_dynamic
                quantize_dynamic(float_path, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(point):
        ids, mask = inputs_of(point)
        feed = {"input_ids": ids, "attention_mask": mask}
        return lambda: session.run(None, feed)[0]
    return prepare


def openvino_int8(path):
    """Weights and activations quantised by nncf, calibrated on texts of several lengths."""
    try:
        import nncf
    except ImportError:
        raise LeftOut("nncf, which quantises for it, is not installed")
    import openvino
    made = path.replace("model.onnx", "openvino-int8.xml")
    if not os.path.exists(made):
        names = ("input_ids", "attention_mask")
        data = nncf.Dataset([dict(zip(names, inputs_of(p))) for p in ("1x16", "1x32", "1x64", "4x48")])
        openvino.save_model(nncf.quantize(openvino.Core().read_model(path), data, model_type=nncf.ModelType.TRANSFORMER,
                                          subset_size=4), made)
    return made


def engine_openvino(folder, head, threads, dtype):
    import openvino
    path = os.path.join(folder, "model.onnx")
    if dtype == "int8":
        path = openvino_int8(path)
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                        "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"})
    request = model.create_infer_request()

    def prepare(point):
        ids, mask = inputs_of(point)
        feed = {"input_ids": ids, "attention_mask": mask}
        return lambda: request.infer(feed)
    return prepare


def numpy_head(folder):
    """The classification head on the encoder's output, for an engine that has none."""
    import numpy as np
    from safetensors.numpy import load_file
    w = load_file(os.path.join(folder, "model.safetensors"))
    pick = lambda name: (np.ascontiguousarray(w[name + ".weight"].T), w[name + ".bias"])
    (w1, b1), (w2, b2) = pick("pre_classifier"), pick("classifier")
    return lambda hidden: np.maximum(hidden[:, 0] @ w1 + b1, 0) @ w2 + b2


def engine_ctranslate2(folder, head, threads, dtype):
    import ctranslate2, numpy
    converted = os.path.join(folder, "ctranslate2")
    with alone(folder):
        if not os.path.exists(os.path.join(converted, "model.bin")):
            ctranslate2.converters.TransformersConverter(folder).convert(converted, force=True)
    encoder = ctranslate2.Encoder(converted, device="cpu", intra_threads=threads,
                                  compute_type="int8" if dtype == "int8" else "float32")
    finish = numpy_head(folder) if head == "classification" else numpy.copy

    def prepare(point):
        ids, _ = inputs_of(point)
        rows = [list(map(int, row[:n])) for row, n in zip(ids, lengths_of(point))]
        return lambda: finish(numpy.asarray(encoder.forward_batch(rows).last_hidden_state))
    return prepare


ENGINES = {name[len("engine_"):]: f for name, f in list(globals().items()) if name.startswith("engine_")}


# ---- the worker ----

def time_point(run, seconds):
    begin = time.perf_counter()
    run()
    first = time.perf_counter() - begin
    times = [first] if first >= SLOW else []
    now = time.perf_counter()
    begin = begin if first >= SLOW else now
    while len(times) < (1 if first >= SLOW else 3) or now - begin < seconds:
        before = now
        run()
        now = time.perf_counter()
        times.append(now - before)
    return {"runs": len(times), "median_ms": statistics.median(times) * 1e3, "min_ms": min(times) * 1e3}


def worker(engine, folder, head, threads, dtype):
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what engines print is no answer
    say = lambda answer: print(json.dumps(answer), file=out, flush=True)
    try:
        prepare = ENGINES[engine](folder, head, int(threads), dtype)
        say({"ready": True})
    except Exception as e:
        return say({"error": f"{type(e).__name__}: {e}" if not isinstance(e, LeftOut) else str(e)})
    known = {}
    for line in sys.stdin:
        point, seconds = line.split()
        try:
            known = known if point in known else {point: prepare(point)}
            say(time_point(known[point], float(seconds)))
        except Exception as e:
            say({"error": f"{type(e).__name__}: {e}"})


def die_with_parent():
    """A stopped process would stay for ever."""
    with contextlib.suppress(Exception):
        import ctypes
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    """The parent's side: a process that runs only while it is asked something."""

    def __init__(self, command, threads):
        # numpy's threads (the head of ctranslate2 uses it) would wait for those of the engine.
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1",
                           HF_HUB_OFFLINE="1")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env=environment, preexec_fn=die_with_parent)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, *lines):
        """The answers to some lines, asked one after the other in one turn."""
        self.process.send_signal(signal.SIGCONT)
        try:
            answers = []
            for line in lines:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
                answers.append(self.answer())
            return answers
        finally:
            self.stop()

    def close(self):
        self.process.kill()
        self.process.wait()


def start(engine, folder, head, threads, dtype):
    return Process([sys.executable, os.path.abspath(__file__), engine, folder, head, str(threads), dtype], threads)


def start_hasten(program, folder, threads, extra=()):
    return Process([program, "bench", "--serve", "-m", folder, "--threads", str(threads), *extra], threads)


if __name__ == "__main__":
    worker(*sys.argv[1:])
