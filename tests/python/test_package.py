"""The Python package without any other package: prototypes against the header, tensors, models, sessions, errors.

    HASTEN_LIBRARY=build/release/libhasten.so PYTHONPATH=python python3 -m unittest discover tests/python
"""
import array
import ctypes as C
import gc
import os
import re
import sys
import tempfile
import threading
import unittest

import hasten
from hasten import _native, dtypes

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SENTIMENT = os.path.join(SOURCE, "models", "sentiment")
IDS, MASK = [[101, 1045, 2293, 2009, 102]], [[1] * 5]


def proto(*fields):
    """A protobuf message from (number, bytes or int) pairs: enough for a small ONNX file."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    return b"".join(varint(k << 3) + varint(v) if isinstance(v, int) else varint(k << 3 | 2) + varint(len(v)) + v
                    for k, v in fields)


def one_node(op, inputs, outputs, dtype=1, domain=b""):
    """A model of one node; free dimensions, one rank: 1."""
    def info(name):
        shape = proto((1, proto((2, b"n"))))
        return proto((1, name), (2, proto((1, proto((1, dtype), (2, shape))))))
    node = proto(*[(1, i) for i in inputs], *[(2, o) for o in outputs], (4, op), (7, domain))
    graph = proto((1, node), (2, b"g"), *[(11, info(i)) for i in inputs], *[(12, info(o)) for o in outputs])
    return proto((1, 8), (7, graph), (8, proto((1, b""), (2, 18))))


class Header(unittest.TestCase):
    """The table of prototypes says what hasten.h says."""

    def test_prototypes(self):
        with open(os.path.join(SOURCE, "include", "hasten.h"), encoding="utf-8") as f:
            header = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        found = {}
        for result, name, arguments in re.findall(r"^HST_API\s+([^;]*?)\bhst_(\w+)\(([^;]*)\);", header, flags=re.M):
            found[name] = (result.strip(), [] if arguments.strip() == "void" else [a.strip() for a in arguments.split(",")])
        letters = {"int": "i", "bool": "b", "size_t": "z", "int64_t": "q", "uint64_t": "u", "void": "v", "hst_dtype": "i",
                   "hst_log_level": "i", "hst_log_callback": "p", "hst_status": "oi"}

        def letter(text):
            if "*" in text:
                return "spd" if "int64_t" in text else "spV"
            words = [w for w in text.split() if w != "const"]
            return letters[words[0]]

        self.assertGreater(len(found), 90)
        for name, prototype in _native.PROTOTYPES.items():
            result, arguments = prototype.split(":")
            header_result, header_arguments = found[name]
            self.assertIn(result, letter(header_result), name)
            if result == "o":
                self.assertIn("hst_error", header_arguments.pop(), name)
            self.assertEqual(len(arguments), len(header_arguments), name)
            for mine, theirs in zip(arguments, header_arguments):
                self.assertIn(mine, letter(theirs), f"{name}: {theirs}")

    def test_enums(self):
        with open(os.path.join(SOURCE, "include", "hasten.h"), encoding="utf-8") as f:
            header = f.read()
        for name, number in re.findall(r"HST_DTYPE_(\w+) = (\d+)", header):
            if int(number):
                self.assertEqual((dtypes.CODES | dtypes.LISTS)[name.lower()], int(number))


class Tensors(unittest.TestCase):
    def test_values(self):
        for data, dtype, shape in (([[1, 2], [3, 4]], "s64", (2, 2)), ([1.5, 2], "f32", (2,)), (True, "b8", ()),
                                   ([[], []], "f32", (2, 0)), (["a", "ü"], "string", (2,)), (7, "s64", ())):
            t = hasten.Tensor(data)
            self.assertEqual((t.dtype, t.shape), (dtype, shape))
            self.assertEqual(t.tolist(), data)

    def test_every_dtype_by_list(self):
        for dtype in dtypes.CODES:
            if dtype in ("string", "c64", "c128", "f8e8m0", "f6e2m3", "f6e3m2"):
                continue
            t = hasten.Tensor([1, 0, 1], dtype)
            self.assertEqual((t.dtype, [float(x) for x in t.tolist()]), (dtype, [1, 0, 1]))

    def test_ragged_lists(self):
        for data in ([[1, 2], [3]], [1, [2]], [[1], 2]):
            with self.assertRaises(ValueError):
                hasten.Tensor(data)

    def test_elements_that_do_not_fit(self):
        for data, dtype in (([None], None), ([300], "u8"), ([1e39], "f32"), ([b"x", 1], None)):
            with self.assertRaises(TypeError):
                hasten.Tensor(data, dtype)

    def test_buffers_are_shared(self):
        a = array.array("f", [1, 2, 3])
        t = hasten.Tensor(a)
        a[1] = 20
        self.assertEqual(t.tolist(), [1, 20, 3])
        view = t.view()
        del t
        gc.collect()
        self.assertEqual(view.tolist(), [1, 20, 3])
        view[0] = 10
        self.assertEqual(a[0], 10)

    def test_a_borrowed_array_cannot_shrink(self):
        a = array.array("d", [1, 2])
        t = hasten.Tensor(a)
        with self.assertRaises(BufferError):
            a.append(3)
        del t
        gc.collect()
        a.append(3)

    def test_read_only_and_strided(self):
        self.assertEqual(hasten.Tensor(memoryview(b"\1\2")).tolist(), [1, 2])
        with self.assertRaises(BufferError):
            hasten.Tensor(memoryview(bytearray(8))[::2])

    def test_retain_reshape_astype(self):
        t = hasten.Tensor([1, 2, 3, 4])
        self.assertEqual(t.reshape((2, 2)).tolist(), [[1, 2], [3, 4]])
        self.assertEqual(hasten.Tensor(t, "f16").tolist(), [1, 2, 3, 4])
        with self.assertRaises(hasten.BadShapeError):
            t.reshape((3,))
        with self.assertRaises(ValueError):
            t.astype("f33")

    def test_from_bytes(self):
        self.assertEqual(hasten.Tensor.from_bytes(b"\x21\x03", "u4", (3,)).tolist(), [1, 2, 3])
        with self.assertRaises(hasten.HastenError):
            hasten.Tensor.from_bytes(b"\0" * 5, "f32", (2,))

    def test_dlpack(self):
        t = hasten.Tensor([[1.0, 2.0]])
        capsule = t.__dlpack__()
        address = t.address

        class Source:
            def __dlpack__(self, **_):
                return capsule

            def __dlpack_device__(self):
                return 1, 0
        u = hasten.Tensor(Source())
        self.assertEqual((u.address, u.dtype, u.shape), (address, "f32", (1, 2)))
        with self.assertRaises(BufferError):
            hasten.Tensor(Source())  # used up
        del t
        gc.collect()
        self.assertEqual(u.tolist(), [[1, 2]])
        from hasten import _buffers
        self.assertEqual(len(_buffers._lent), 1)
        del u
        gc.collect()
        self.assertEqual(len(_buffers._lent), 0)
        hasten.Tensor([1]).__dlpack__()  # never taken
        gc.collect()
        self.assertEqual(len(_buffers._lent), 0)

    def test_dlpack_elsewhere(self):
        class OnGpu:
            def __dlpack__(self, **_):
                raise AssertionError

            def __dlpack_device__(self):
                return 2, 0
        with self.assertRaises(BufferError):
            hasten.Tensor(OnGpu())
        with self.assertRaises(BufferError):
            hasten.Tensor(["text"]).__dlpack__()


class Values(unittest.TestCase):
    """Values in ONNX messages."""

    def test_round_trips(self):
        a, b = hasten.Tensor([[1, 2], [3, 4]]), hasten.Tensor(["x", ""])
        for value, kind in ((a, "tensor"), (b, "tensor"), ([a, b], "sequence"), ([], "sequence"), (None, "optional"),
                            (a, "optional"), ([a], "optional")):
            data = hasten.write_value(value, kind=kind, name="n")
            got, name = hasten.read_value(data, kind)
            plain = [v.tolist() for v in value] if isinstance(value, list) else value and value.tolist()
            self.assertEqual([v.tolist() for v in got] if isinstance(got, list) else got and got.tolist(), plain)
            self.assertEqual(name, "n")
        for value in ({1: 0.5, -2: 1.5}, {"a": 1, "b": 2}, {3: "x"}):
            self.assertEqual(hasten.read_value(hasten.write_value(value), "map")[0], value)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "input_0.pb")
            self.assertIsNone(hasten.write_value([a, b], path))
            self.assertEqual([t.tolist() for t in hasten.read_value(path, "sequence")[0]], [a.tolist(), b.tolist()])
            self.assertIsNone(hasten.write_value([[1.5]], path))
            self.assertEqual(hasten.read_value(path)[0].tolist(), [[1.5]])

    def test_refused(self):
        with self.assertRaises(hasten.BadFormatError):
            hasten.read_value(b"\xff")
        with self.assertRaises(LookupError):
            hasten.read_value("/nowhere/at/all.pb")
        for wrong in (lambda: hasten.read_value(b"", "list"), lambda: hasten.write_value(hasten.Tensor([1]), kind="list")):
            with self.assertRaises(ValueError):
                wrong()
        with self.assertRaises(hasten.InvalidArgumentError):
            hasten.write_value(hasten.Tensor([1]), kind="sequence")


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = hasten.Model(SENTIMENT)

    def test_what_it_is(self):
        m = self.model
        self.assertEqual([v.name for v in m.inputs], ["input_ids", "attention_mask"])
        self.assertEqual((m.inputs[0].dtype, m.inputs[0].shape), ("s64", ("batch", "sequence")))
        self.assertEqual(m.labels, {0: "NEGATIVE", 1: "POSITIVE"})
        self.assertEqual(m.config["model_type"], "distilbert")
        self.assertIn("inputs", m.describe())

    def test_run(self):
        a = self.model.run({"input_ids": IDS, "attention_mask": MASK})["logits"]
        b = self.model.session(threads=1).run([IDS, MASK], ["logits"])["logits"]
        self.assertEqual((a.dtype, a.shape), ("f32", (1, 2)))
        self.assertEqual(a.tobytes(), b.tobytes())
        self.assertGreater(abs(a.tolist()[0][0] - a.tolist()[0][1]), 0.5)

    def test_errors(self):
        with self.assertRaisesRegex(hasten.NotFoundError, "no input 'x'"):
            self.model.run({"x": [1]})
        with self.assertRaises(hasten.BadShapeError):
            self.model.run({"input_ids": [1], "attention_mask": MASK})
        with self.assertRaises(ValueError):
            self.model.run([IDS, MASK, MASK])
        with self.assertRaises(hasten.DeadlineError):
            self.model.run([IDS, MASK], timeout=1e-9)
        with self.assertRaises(hasten.BudgetError):
            self.model.session(memory_budget=1000).run([IDS * 8, MASK * 8])
        flag = hasten.CancelFlag()
        flag.cancel()
        with self.assertRaises(hasten.CancelledError):
            self.model.run([IDS, MASK], cancel=flag)
        with self.assertRaises(LookupError):
            hasten.Model("/nowhere/at/all")
        with self.assertRaises(hasten.BadFormatError):
            hasten.Model(b"not onnx")
        with self.assertRaises(NotImplementedError):
            hasten.Model(one_node(b"NoSuchOperator", [b"x"], [b"y"]))
        with self.assertRaises(ValueError):
            hasten.Model(SENTIMENT, optimization="some")

    def test_errors_name_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "empty")
            open(path, "wb").close()
            with self.assertRaises(hasten.BadFormatError) as caught:
                hasten.Model(path)
            self.assertEqual(str(caught.exception), f"{path}: the file is empty")
            self.assertEqual((caught.exception.message, caught.exception.object), ("the file is empty", path))
        with self.assertRaises(hasten.NotFoundError) as caught:
            hasten.Model("nowhere")
        self.assertTrue(str(caught.exception).startswith("cannot open 'nowhere'"))

    def test_objects_that_were_not_made(self):
        ignored = []
        hook, sys.unraisablehook = sys.unraisablehook, ignored.append
        try:
            for make in (lambda: hasten.Model(SENTIMENT, quantisation="int8"), lambda: self.model.session(thread=1)):
                with self.assertRaises(TypeError):
                    make()
            gc.collect()
        finally:
            sys.unraisablehook = hook
        self.assertEqual(ignored, [])

    def test_options_that_would_be_ignored(self):
        for options in ({"quantization": "int8"}, {"weights": "f16"}, {"optimization": "none"}):
            with self.assertRaisesRegex(hasten.InvalidArgumentError, "would be ignored"):
                hasten.Model(SENTIMENT, graph_only=True, **options)
        compile = _native.lib.hst_model_compile
        compile.argtypes = [C.c_void_p, C.c_char_p, C.c_void_p, C.c_void_p]
        with tempfile.TemporaryDirectory() as folder:
            engine = os.path.join(folder, "engine.hst")
            self.assertEqual(compile(self.model._handle, engine.encode(), None, None), 0)
            feeds = {"input_ids": IDS, "attention_mask": MASK}
            self.assertEqual(hasten.Model(engine).run(feeds)["logits"].tobytes(),
                             self.model.run(feeds)["logits"].tobytes())
            with open(engine, "rb") as f:
                sources = (engine, f.read())
            for source in sources:
                for options in ({"quantization": "int8"}, {"weights": "bf16"}, {"optimization": "exact"}):
                    with self.assertRaisesRegex(hasten.InvalidArgumentError, "compile it again"):
                        hasten.Model(source, **options)

    def test_quantization_and_weights(self):
        feeds = {"input_ids": IDS, "attention_mask": MASK}
        plain = hasten.Model(SENTIMENT).run(feeds)["logits"].tolist()[0]
        # The embedded checkpoint is f16: kept so, answers have the same bits.
        self.assertEqual(hasten.Model(SENTIMENT, weights="f16").run(feeds)["logits"].tolist()[0], plain)
        for options in ({"quantization": "int8"}, {"weights": "bf16"}):
            other = hasten.Model(SENTIMENT, **options).run(feeds)["logits"].tolist()[0]
            self.assertNotEqual(other, plain)
            for a, b in zip(other, plain):
                self.assertAlmostEqual(a, b, delta=0.5)
        with self.assertRaises(ValueError):
            hasten.Model(SENTIMENT, quantization="int4")
        with self.assertRaises(hasten.InvalidArgumentError):
            hasten.Model(SENTIMENT, weights="u8")
        with self.assertRaisesRegex(ValueError, "^weights is 'f8': 'f32', 'f16', 'bf16' or None$"):
            hasten.Model(SENTIMENT, weights="f8")
        with self.assertRaises(hasten.InvalidArgumentError):
            hasten.Model(SENTIMENT, quantization="int8", optimization="none")

    def test_threads_at_once(self):
        want, got = self.model.run([IDS, MASK])["logits"].tobytes(), []

        def work():
            for _ in range(3):
                got.append(self.model.run([IDS, MASK])["logits"].tobytes())
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, [want] * 12)

    def test_explain_and_its_errors(self):
        told = []
        m = hasten.Model(one_node(b"Relu", [b"x"], [b"y"]), explain=lambda *a: told.append(a))
        self.assertEqual(m.run([[-1.0, 2.0]])["y"].tolist(), [0, 2])

        def fails(*_):
            raise KeyError("mine")
        hasten.Model(SENTIMENT, explain=lambda *a: told.append(a))
        self.assertTrue(told)
        with self.assertRaises(KeyError):
            hasten.Model(SENTIMENT, explain=fails)

    def test_dimensions_strings_export(self):
        m = hasten.Model(one_node(b"Relu", [b"x"], [b"y"]), dimensions={"n": 2})
        self.assertEqual(m.inputs[0].shape, (2,))
        s = hasten.Model(one_node(b"Identity", [b"x"], [b"y"], dtype=8))
        self.assertEqual(s.run([["a", "b"]])["y"].tolist(), ["a", "b"])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.onnx")
            hasten.Model(one_node(b"Relu", [b"x"], [b"y"]), graph_only=True).export_onnx(path)
            self.assertEqual(hasten.Model(path).run([[-1.0]])["y"].tolist(), [0])

    def test_maps(self):
        def model(op, x, attribute, version=b"ai.onnx.ml"):
            node = proto((1, b"x"), (2, b"y"), (4, op), (7, version), (5, attribute))
            graph = proto((1, node), (2, b"g"), (11, proto((1, b"x"), (2, x))), (12, proto((1, b"y"))))
            return proto((1, 8), (7, graph), (8, proto((1, b""), (2, 18))), (8, proto((1, version), (2, 1))))
        scores = proto((1, proto((1, 1), (2, proto((1, proto((2, b"n"))), (1, proto((2, b"c"))))))))
        m = hasten.Model(model(b"ZipMap", scores, proto((1, b"classlabels_strings"), (9, b"no"), (9, b"yes"), (20, 8))))
        out = m.outputs[0]
        self.assertEqual((out.dtype, out.key, out.element), ("sequence", "string", "f32"))
        want = [{"no": 0.25, "yes": 0.75}, {"no": 1.0, "yes": 0.0}]
        self.assertEqual(m.run([[[0.25, 0.75], [1.0, 0.0]]])["y"], want)
        with self.assertRaises(hasten.BadShapeError):
            m.run([[[0.25]]])
        words = proto((5, proto((1, 8), (2, proto((1, proto((1, 11))))))))  # map(string, f64)
        m = hasten.Model(model(b"DictVectorizer", words, proto((1, b"string_vocabulary"), (9, b"b"), (9, b"c"), (20, 8))))
        self.assertEqual((m.inputs[0].dtype, m.inputs[0].key, m.inputs[0].element), ("map", "string", "f64"))
        self.assertEqual(m.run([{"a": 1, "b": 2.5}])["y"].tolist(), [[2.5, 0]])
        self.assertEqual(m.run([{}])["y"].tolist(), [[0, 0]])
        for wrong in ({1: 2.5}, [1.0], None):
            with self.assertRaises(hasten.BadShapeError):
                m.run([wrong])
        with tempfile.TemporaryDirectory() as folder:  # through an ONNX file and back
            path = os.path.join(folder, "m.onnx")
            m.export_onnx(path)
            self.assertEqual(hasten.Model(path).inputs[0][1:], m.inputs[0][1:])

    def test_state(self):
        add = one_node(b"Add", [b"x", b"past"], [b"present"])
        s = hasten.Model(add).session()
        s.declare_state("past", "present", array.array("f", [0, 0]))
        gc.collect()
        for want in ([1, 2], [2, 4]):
            self.assertEqual(s.run({"x": [1.0, 2.0]})["present"].tolist(), want)
        s.set_state("past", [10.0, 20.0])
        gc.collect()
        self.assertEqual(s.run({"x": [1.0, 2.0]})["present"].tolist(), [11, 22])
        s.reorder_state([1, 0])
        self.assertEqual(s.get_state("past").tolist(), [22, 11])
        s.truncate_state(1, 0)
        self.assertEqual(s.get_state("past").tolist(), [22])
        s.reset_state()
        self.assertEqual(s.get_state("past").tolist(), [0, 0])
        s.trim()
        self.assertGreaterEqual(s.memory()[1], s.memory()[0])

    def test_objects_go(self):
        """Outputs outlive their session and model."""
        m = hasten.Model(one_node(b"Relu", [b"x"], [b"y"]))
        y = m.run([[1.0, -1.0]])["y"]
        del m
        gc.collect()
        self.assertEqual(y.tolist(), [1, 0])


if __name__ == "__main__":
    unittest.main()
