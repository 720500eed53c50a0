"""The figures of bench/peers as one HTML page: charts are SVG in it, nothing is loaded from anywhere."""
import html, math

COLORS = {"torch": "#e8743b", "onnxruntime": "#3f6fd8", "openvino": "#7a5bc7", "ctranslate2": "#2a9d6f"}
OTHER = "#888888"
STYLE = """
:root{color-scheme:light dark;--ink:#1c2733;--soft:#6a7785;--line:#d5dce3;--paper:#ffffff;--mark:#c62f4b}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#93a1af;--line:#36424e;--paper:#12181f;--mark:#ff6b85}}
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2.2rem 0 .3rem}p,figcaption{color:var(--soft);margin:.3rem 0}
figure{margin:0}svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.6rem 0;width:100%}
th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left}
th{font-weight:600;color:var(--soft)}.met{color:#2a9d6f}.missed{color:var(--mark);font-weight:600}.missing{color:var(--soft)}
.wide{overflow-x:auto}.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 1em}
"""
W, H, LEFT, TOP, BOTTOM = 900, 250, 44, 12, 34


def esc(text):
    return html.escape(str(text))


def ticks(most):
    """A logarithmic axis from 0.5 to beyond `most`."""
    all_ticks = [0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64]
    return all_ticks[:next((i for i, t in enumerate(all_ticks) if t >= most), len(all_ticks) - 1) + 1]


def bars(results, dtype):
    """A group of bars a point: how many times hasten's time each peer takes."""
    results = [r for r in results if r.get(dtype, {}).get("ratio")]
    names = list(dict.fromkeys(n for r in results for n in r[dtype]["ratio"]))
    if not results or not names:
        return ""
    marks = ticks(max(v for r in results for v in r[dtype]["ratio"].values()))
    low, high = math.log(marks[0]), math.log(marks[-1])
    y = lambda v: TOP + (H - TOP - BOTTOM) * (1 - (min(max(math.log(v), low), high) - low) / (high - low))
    group = (W - LEFT) / len(results)
    width = min(22, group * 0.8 / len(names))
    parts = [f'<line x1="{LEFT}" x2="{W}" y1="{y(m):.1f}" y2="{y(m):.1f}" stroke="var({"--mark" if m == 1 else "--line"})"/>'
             f'<text x="{LEFT - 6}" y="{y(m) + 4:.1f}" text-anchor="end">{m:g}×</text>' for m in marks]
    for i, r in enumerate(results):
        middle = LEFT + group * (i + 0.5)
        for k, name in enumerate(names):
            v = r[dtype]["ratio"].get(name)
            if v is None:
                continue
            x = middle + (k - len(names) / 2) * width
            top, bottom = sorted((y(v), y(1)))
            parts.append(f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{max(bottom - top, 1):.1f}" rx="1" '
                         f'fill="{COLORS.get(name, OTHER)}"><title>{esc(name)}, {esc(r["point"])}: {v:.2f} times hasten\'s time, '
                         f'{r[dtype]["ms"][name]:.2f} ms against {r[dtype]["ms"]["hasten"]:.2f} ms</title></rect>')
        parts.append(f'<text x="{middle:.1f}" y="{H - 14}" text-anchor="middle">{esc(r["point"])}</text>')
    key = "".join(f'<i style="background:{COLORS.get(n, OTHER)}"></i>{esc(n)}' for n in names)
    kind = "int8, each engine's own" if dtype == "int8" else "f32"
    return (f'<figure><figcaption class="key">{kind}: time over hasten\'s{key}</figcaption>'
            f'<svg viewBox="0 0 {W} {H}" role="img">{"".join(parts)}</svg></figure>')


def shares(results):
    """A bar a point: T_min / T of hasten in f32."""
    height, group = 150, (W - LEFT) / max(len(results), 1)
    y = lambda v: TOP + (height - TOP - BOTTOM) * (1 - min(v, 1.2) / 1.2)
    parts = [f'<line x1="{LEFT}" x2="{W}" y1="{y(m):.1f}" y2="{y(m):.1f}" stroke="var({"--mark" if m == 1 else "--line"})"/>'
             f'<text x="{LEFT - 6}" y="{y(m) + 4:.1f}" text-anchor="end">{m:g}</text>' for m in (0, 0.25, 0.5, 0.75, 1)]
    for i, r in enumerate(results):
        middle, v = LEFT + group * (i + 0.5), r["efficiency"]
        parts.append(f'<rect x="{middle - 14:.1f}" y="{y(v):.1f}" width="28" height="{max(y(0) - y(v), 1):.1f}" rx="1" fill="#3f6fd8">'
                     f'<title>{esc(r["point"])}: {v:.2f} of the limit</title></rect>'
                     f'<text x="{middle:.1f}" y="{height - 14}" text-anchor="middle">{esc(r["point"])}</text>')
    return (f'<figure><figcaption>f32: T_min / T of hasten</figcaption>'
            f'<svg viewBox="0 0 {W} {height}" role="img">{"".join(parts)}</svg></figure>')


def figure_table(results, dtype):
    names = list(dict.fromkeys(n for r in results for n in r.get(dtype, {}).get("ms", {})))
    if "hasten" not in names and dtype == "int8":
        return ""
    last = ("best peer / hasten", "T_min / T" if dtype == "float32" else "own f32 / int8")
    head = "".join(f"<th>{esc(c)}</th>" for c in ["tokens", *(f"{n}, ms" for n in names), *last])
    number = lambda v, form: format(v, form) if v is not None else "–"
    body = ""
    for r in results:
        own = r["efficiency"] if dtype == "float32" else r[dtype].get("over_own_float32")
        cells = [r["point"], *(number(r[dtype]["ms"].get(n), ".3f") for n in names), number(r[dtype].get("best"), ".2f"), number(own, ".2f")]
        body += "<tr>" + "".join(f"<td>{esc(c)}</td>" for c in cells) + "</tr>"
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def check_table(rows):
    if not rows:
        return ""
    number = lambda v: "–" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v)
    body = "".join(f'<tr><td>{esc(r["what"])}</td><td>{number(r["value"])}</td><td>{"≥" if r["least"] else "≤"} {r["limit"]:g}</td>'
                   f'<td class="{esc(r["state"])}">{esc(r["state"])}</td><td>{esc(r["where"])}</td></tr>' for r in rows)
    return f'<h2>What hasten must reach</h2><div class="wide"><table><tr><th>row</th><th>is</th><th>must be</th><th></th><th></th></tr>{body}</table></div>'


def page(report):
    machine = report["machine"]
    speeds = "; ".join(f'{s["threads"]} thread{"s" * (s["threads"] > 1)} {s["gflops"]:.1f} GFLOP/s, {s["read_gb_s"]:.1f} GB/s' for s in machine["speed"])
    groups = {}
    for r in report["results"]:
        groups.setdefault((r["size"], r["head"], r["threads"]), []).append(r)
    parts = [f"<h1>hasten beside its peers</h1><p>{esc(machine['processor'])}, {esc(machine['isa'])}: {esc(speeds)}</p>"
             "<p>Every engine in its own process, in turns of short slices; ratios within a round, median over the rounds. "
             "Above 1× hasten is faster. T_min / T is the share of what the machine can do at all.</p>"]
    parts += [f"<p>{esc(note)}</p>" for note in report["notes"]]
    parts.append(check_table(report["check"]))
    for (size, head, threads), results in groups.items():
        parts.append(f"<h2>{esc(size)}, {esc(head)}, {threads} thread{'s' * (threads > 1)}</h2>")
        for dtype in ("float32", "int8"):
            if any(dtype in r for r in results):
                parts += [bars(results, dtype), shares(results) if dtype == "float32" else "", figure_table([r for r in results if dtype in r], dtype)]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>hasten beside its peers</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n")
