"""bench/peers without engines: the limit, the table of what must be reached, the page. Needs Python alone."""
import contextlib, importlib.machinery, importlib.util, io, os, sys, unittest
import xml.etree.ElementTree as xml

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("peers", os.path.join(BENCH, "peers"))
peers = importlib.util.module_from_spec(importlib.util.spec_from_loader("peers", loader))
loader.exec_module(peers)
HOSTILE = '</script><img src=x onerror="1">&'


def made(point, ratio, head="tokens", efficiency=0.9, over=1.5):
    lengths = peers.lengths_of(point)
    one = lambda r: {"ms": {"hasten": 2.0, "torch": 2.0 * r, "ctranslate2": 4 * r}, "ratio": {"torch": r, "ctranslate2": 2 * r}, "best": r}
    return {"size": "minilm-l6", "head": head, "threads": 2, "point": peers.label(point), "lengths": lengths, "t_min_ms": 1.0,
            "efficiency": efficiency, "float32": one(ratio), "int8": dict(one(ratio), over_own_float32=over)}


def states(results):
    rows = peers.peer_check.Rows()
    with contextlib.redirect_stdout(io.StringIO()):
        peers.peer_check.speed_rows(rows, "minilm-l6", results)
    return {r["what"].split(", ", 1)[1]: r["state"] for r in rows.rows}


class Peers(unittest.TestCase):
    def test_lengths(self):
        self.assertEqual(peers.lengths_of("3x7"), [7, 7, 7])
        self.assertEqual(peers.lengths_of("6,9"), [6, 9])

    def test_cost_of_all_rows(self):
        """Against products counted one by one: the same for sequences apart and together."""
        h, f = 384, 1536
        def layer(n):
            return 4 * n * h * h + 2 * n * h * f + sum(2 * h for _ in range(n) for _ in range(n))
        macs, weights = peers.cost("minilm-l6", "tokens", "5,9")
        self.assertEqual(macs, 6 * (layer(5) + layer(9)))
        self.assertEqual(weights, 4 * 6 * (4 * h * h + 2 * h * f))

    def test_cost_of_the_first_row(self):
        """One token a sequence: the classifier needs every row, so it costs what token outputs cost, and the head."""
        head = 384 * (384 + 2)
        for batch in (1, 3):
            point = ",".join(["1"] * batch)
            self.assertEqual(peers.cost("minilm-l6", "classification", point)[0], peers.cost("minilm-l6", "tokens", point)[0] + batch * head)
        self.assertLess(peers.cost("minilm-l6", "classification", "1x64")[0], 0.9 * peers.cost("minilm-l6", "tokens", "1x64")[0])

    def test_rows(self):
        grid = [made(p, 1.5, h) for p in peers.GRID for h in ("tokens", "classification")]
        got = states(grid)
        missed = {w for w, s in got.items() if s != "met"}
        self.assertEqual(missed, {f"{h}, ragged: {e}" for h in ("tokens", "classification") for e in ("onnxruntime, openvino, torch",)})
        got = states([made(p, 1.5 if p != "1x64" else 0.99, efficiency=0.84) for p in peers.GRID])
        self.assertEqual(got["tokens, f32: best peer, every point"], "missed")
        self.assertEqual(got["tokens, f32: T_min/T from 64 tokens"], "missed")
        self.assertEqual(got["tokens, f32: T_min/T at 32 tokens"], "met")
        self.assertEqual(got["classification, f32: best peer, 1x8"], "missing")
        self.assertEqual(set(states([]).values()), {"missing"})

    def test_settled(self):
        rounds = lambda *ratios: {("hasten", "float32"): [2.0] * len(ratios), ("torch", "float32"): [2 * r for r in ratios]}
        self.assertTrue(peers.settled(rounds(1.5, 1.55, 1.52)))
        self.assertFalse(peers.settled(rounds(1.5, 1.9, 1.52)))
        self.assertTrue(peers.settled(rounds(1.5, 1.51, 1.52, 1.53, 3.0)))  # one round hit by a neighbour
        self.assertFalse(peers.settled(rounds(1.0, 1.1, 1.5, 1.9, 2.0)))
        self.assertTrue(peers.settled(rounds(1.5)))

    def test_no_int8(self):
        result = made("1x32", 1.5)
        del result["int8"]
        self.assertEqual(states([result])["tokens, int8: own f32, 1x384"], "missing")

    def test_page(self):
        machine = {"processor": HOSTILE, "isa": "avx2", "speed": [{"threads": 2, "gflops": 80.0, "read_gb_s": 20.0}]}
        bad = made("1x64", 1.1)
        bad["float32"]["ms"][HOSTILE], bad["float32"]["ratio"][HOSTILE] = 3.0, 1.5
        row = {"what": HOSTILE, "value": None, "limit": 1.0, "least": True, "state": "missing", "where": HOSTILE}
        page = peers.peer_page.page({"machine": machine, "notes": [HOSTILE], "check": [row], "results": [made(p, 0.01 * 9 ** i) for i, p in enumerate(peers.GRID[:5])] + [bad]})
        self.assertNotIn("<img", page)
        self.assertNotIn("http", page)  # nothing is loaded
        tree = xml.fromstring(page.replace("<!DOCTYPE html>", "").replace('<meta charset="utf-8">', "").replace('<meta name="viewport" content="width=device-width">', ""))
        self.assertEqual(len(tree.findall(".//rect")), 2 * (2 * 6) + 1 + 6)
        self.assertEqual(len(tree.findall(".//svg")), 3)


if __name__ == "__main__":
    unittest.main()
