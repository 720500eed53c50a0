"""What hasten must reach, row by row, from the figures of bench/peers (two threads) and a few measurements of its own:
each row is met, missed, or missing (the feature or the measurement is not there)."""
import json, math, os, statistics, subprocess, tempfile

MB = 1e6


def tokens(result):
    return sum(result["lengths"])


def even(result):
    return result["point"] != "ragged"


def geometric_mean(values):
    return math.exp(statistics.mean(map(math.log, values))) if values else None


class Rows:
    def __init__(self):
        self.rows = []

    def add(self, what, value, limit, least=True, where="", form=".3f"):
        state = "missing" if value is None else "met" if (value >= limit if least else value <= limit) else "missed"
        self.rows.append({"what": what, "value": value, "limit": limit, "least": least, "state": state, "where": where})
        shown = "-" if value is None else format(value, form)
        print(f"  {state:<8} {what:<82} {shown:>9} {'>=' if least else '<='} {limit:<7g} {where}", flush=True)

    def lowest(self, what, values, limit):
        """`values`: (number, point) pairs, or nothing."""
        value, where = min(((v, p) for v, p in values if v is not None), default=(None, ""))
        self.add(what, value, limit, where=where and f"lowest at {where}")


def best(results, dtype="float32"):
    return [(r.get(dtype, {}).get("best"), r["point"]) for r in results]


def against(result, names):
    ratios = result["float32"].get("ratio", {})
    return min((ratios[n] for n in names if n in ratios), default=None)


def speed_rows(rows, size, results):
    def of(head, keep=lambda r: True):
        return [r for r in results if r["size"] == size and r["head"] == head and r["threads"] == 2 and keep(r)]
    long = lambda r: even(r) and tokens(r) >= 32
    at = lambda point: lambda r: r["point"] == point
    for head, every, mean, short in (("tokens", 1.0, 1.05, (1.2, 1.1)), ("classification", 1.15, 1.2, (1.3, 1.25))):
        name = f"{size}, {head}, f32"
        rows.lowest(f"{name}: best peer, {'every point' if head == 'tokens' else 'every point of 32 tokens or more'}",
                    best(of(head, even if head == "tokens" else long)), every)
        ratios = [v for v, _ in best(of(head, long)) if v]
        rows.add(f"{name}: best peer, mean of 32 tokens or more", geometric_mean(ratios), mean)
        rows.lowest(f"{name}: best peer, 1x8", best(of(head, at("1x8"))), short[0])
        rows.lowest(f"{name}: best peer, 1x16", best(of(head, at("1x16"))), short[1])
    floors = (0.85, 0.82) if size.startswith("minilm") else (0.90, 0.86)
    share = lambda keep: [(r["efficiency"], r["point"]) for r in of("tokens", keep)]
    rows.lowest(f"{size}, tokens, f32: T_min/T from 64 tokens", share(lambda r: tokens(r) >= 64), floors[0])
    rows.lowest(f"{size}, tokens, f32: T_min/T at 32 tokens", share(at("1x32")), floors[1])
    for head in ("classification", "tokens"):
        ragged = of(head, lambda r: not even(r))
        rows.lowest(f"{size}, {head}, ragged: onnxruntime, openvino, torch",
                    [(against(r, ("onnxruntime", "openvino", "torch")), r["point"]) for r in ragged], 4.0)
        rows.lowest(f"{size}, {head}, ragged: ctranslate2", [(against(r, ("ctranslate2",)), r["point"]) for r in ragged], 1.25)
    for head in ("classification", "tokens"):
        rows.lowest(f"{size}, {head}, int8: best peer's int8, 32 tokens or more", best(of(head, lambda r: tokens(r) >= 32), "int8"), 1.4)
        own = lambda keep: [(r.get("int8", {}).get("over_own_float32"), r["point"]) for r in of(head, keep)]
        rows.lowest(f"{size}, {head}, int8: own f32, 32 to 1,024 tokens",
                    own(lambda r: 32 <= tokens(r) <= 1024 and r["point"] != "1x384"), 1.4)
        rows.lowest(f"{size}, {head}, int8: own f32, 1x384", own(at("1x384")), 1.3)


# ---- accuracy ----

def sentiment(options, texts, *extra):
    """The class of each text, by the embedded model."""
    out = subprocess.run([options.hasten, "run", "-m", os.path.join(options.root, "models/sentiment"), "--format", "jsonl",
                          *extra, "--input", "jsonl", "-"],
                         input="".join(json.dumps({"text": t}) + "\n" for t in texts), check=True, capture_output=True, text=True).stdout
    answers = [json.loads(line) for line in out.splitlines()]
    first = lambda a: a[0] if isinstance(a, list) else a["answers"][0] if "answers" in a else a
    return [first(a)["label"] for a in answers]


def accuracy_rows(rows, options):
    path = os.path.join(os.environ.get("HASTEN_DATA", ""), "data/sst2-dev.tsv")
    right = agree = None
    where = "set HASTEN_DATA to the folder with data/sst2-dev.tsv" if not os.path.exists(path) else ""
    if not where and options.own_int8:
        with open(path, encoding="utf-8") as f:
            lines = [line.rsplit("\t", 1) for line in f.read().splitlines()[1:]]
        texts, truth = [l[0] for l in lines], ["POSITIVE" if int(l[1]) else "NEGATIVE" for l in lines]
        own, small = sentiment(options, texts), sentiment(options, texts, "--quantize", "int8")
        count = lambda labels: sum(a == b for a, b in zip(labels, truth))
        right, agree = count(small) - count(own), sum(a == b for a, b in zip(own, small)) / len(texts)
        where = f"{count(own)} right in f32, {count(small)} in int8, of {len(texts)}"
    rows.add("embedded model, int8: right answers more than f32", right, -4, form="d", where=where)
    rows.add("embedded model, int8: share of equal labels", agree, 0.985)


# ---- the compiled file, memory, size ----

def bench_json(options, model, *extra):
    return json.loads(subprocess.run([options.hasten, "bench", "-m", model, "--threads", "2", "--json", *extra], check=True,
                                     capture_output=True).stdout)


def compiled_rows(rows, options):
    opened = first = memory = None
    where = "this hasten has no `compile`"
    folder = os.path.join(options.folder, "distilbert-base-tokens")
    has = subprocess.run([options.hasten, "compile", "--help"], capture_output=True).returncode == 0
    if has and not os.path.exists(folder):
        where = "the distilbert-base was not made"
    elif has:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            model = os.path.join(scratch, "model.hst")
            try:
                subprocess.run([options.hasten, "compile", folder, "-o", model], check=True, capture_output=True, text=True)
                runs = [bench_json(options, model, "--size", "1x32", "--warmups", "5", "--runs", "15") for _ in range(7)]
                opened = statistics.median(r["load_ms"] for r in runs)
                first = statistics.median(r["first_ms"] - 1.2 * r["p50_ms"] for r in runs)
                peak = bench_json(options, model, "--size", "1x128", "--warmups", "2", "--runs", "3")["peak_memory_mb"]
                weights = os.path.getsize(os.path.join(folder, "model.safetensors")) / MB
                memory, where = peak - weights, f"peak {peak:.1f} MB, weights {weights:.1f} MB"
            except subprocess.CalledProcessError as e:
                where = (e.stderr or "").strip()[:100]
    rows.add("compiled distilbert-base: open, ms", opened, 5, least=False)
    rows.add("compiled distilbert-base: first answer at 1x32 - 1.2 x steady, ms", first, 5, least=False)
    rows.add("compiled distilbert-base, 1x128: peak memory - weights, MB", memory, 16, least=False, where=where, form=".1f")


def size_row(rows, options):
    library = os.path.join(options.build, "libhasten.so")
    with tempfile.NamedTemporaryFile() as stripped:
        done = subprocess.run(["strip", "--strip-all", "-o", stripped.name, library], capture_output=True).returncode == 0
        rows.add("libhasten.so, stripped, MB", os.path.getsize(stripped.name) / MB if done else None, 1.5, least=False)


def check(options, results):
    print("\nwhat hasten must reach, two threads (ratios: their time over hasten's)")
    rows = Rows()
    for size in options.sizes.split(","):
        speed_rows(rows, size, results)
    accuracy_rows(rows, options)
    compiled_rows(rows, options)
    size_row(rows, options)
    count = lambda state: sum(r["state"] == state for r in rows.rows)
    print(f"  {count('met')} met, {count('missed')} missed, {count('missing')} missing")
    return rows.rows
