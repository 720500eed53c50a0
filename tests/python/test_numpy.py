"""numpy arrays in and out; skipped where numpy is not there."""
import gc
import unittest

import hasten
from hasten import dtypes

try:
    import numpy as np
except ImportError:
    np = None


@unittest.skipUnless(np, "needs numpy")
class Arrays(unittest.TestCase):
    def test_shared_both_ways(self):
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        t = hasten.Tensor(x)
        x[1, 2] = 50
        y = np.asarray(t)
        self.assertEqual((y[1, 2], y.shape), (50, (2, 3)))
        self.assertTrue(np.shares_memory(x, y))
        del t, x
        gc.collect()
        self.assertEqual(y.tolist(), [[0, 1, 2], [3, 4, 50]])
        z = np.from_dlpack(hasten.Tensor(y))
        self.assertTrue(np.shares_memory(z, y))

    def test_every_dtype(self):
        for name in ("f32", "u8", "s8", "u16", "s16", "s32", "s64", "b8", "f16", "f64", "u32", "u64", "c64", "c128"):
            x = np.array([[1, 0], [1, 1]], dtype=dtypes.NUMPY[name])
            t = hasten.Tensor(x)
            self.assertEqual(t.dtype, name)
            self.assertEqual(t.numpy().dtype, x.dtype)
            self.assertTrue((t.numpy() == x).all())
            self.assertEqual(t.tolist(), x.tolist())

    def test_layouts(self):
        x = np.arange(6, dtype=np.int32).reshape(2, 3)
        for array in (x.T, x[:, ::2], x.astype(">i4"), np.asfortranarray(x)):
            self.assertEqual(hasten.Tensor(array).tolist(), array.tolist())
        self.assertEqual(hasten.Tensor(np.float32(2.5)).shape, ())
        self.assertEqual(hasten.Tensor(np.zeros((0, 3))).numpy().shape, (0, 3))
        frozen = np.ones(3, np.float32)
        frozen.flags.writeable = False
        self.assertEqual(hasten.Tensor(frozen).tolist(), [1, 1, 1])

    def test_strings(self):
        for array in (np.array([["a", "bc"]]), np.array([["a", "bc"]], dtype=object)):
            t = hasten.Tensor(array)
            self.assertEqual((t.dtype, t.shape, t.tolist()), ("string", (1, 2), [["a", "bc"]]))
            self.assertEqual(t.numpy().tolist(), [["a", "bc"]])

    def test_unknown_dtypes(self):
        with self.assertRaises(TypeError):
            hasten.Tensor(np.array(["2020-01-01"], dtype="datetime64[D]"))

    def test_sub_byte(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("needs ml_dtypes")
        for name, values in (("int4", [-8, 7, 1]), ("uint4", [0, 15, 9]), ("int2", [-2, 1, 0]), ("uint2", [3, 0, 1]),
                             ("bfloat16", [1.5, -2, 0]), ("float8_e4m3fn", [1.5, -2, 0]), ("float4_e2m1fn", [1.5, -2, 0])):
            x = np.array(values).astype(getattr(ml_dtypes, name))
            y = hasten.Tensor(x).numpy()
            self.assertEqual(y.dtype, x.dtype)
            self.assertEqual(y.astype(np.float32).tolist(), values)


if __name__ == "__main__":
    unittest.main()
