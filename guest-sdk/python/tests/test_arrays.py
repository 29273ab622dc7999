"""Arrays of numbers, and what stands for numpy. The expected values are numpy's."""

import math
import sys
import unittest
from pathlib import Path

from wasm_flow import ndarrays as numbers
from wasm_flow.dtype import dtype, promoted

SHIMS = str(Path(numbers.__file__).parent / 'shims')


class Arrays(unittest.TestCase):
    def setUp(self):
        self.a = numbers.array([[1, 2, 3], [4, 5, 6]], 'f4')

    def test_shape_and_type(self):
        a = self.a
        self.assertEqual((a.shape, a.ndim, a.size, a.nbytes, len(a)), ((2, 3), 2, 6, 24, 2))
        self.assertEqual((a.dtype, a.dtype.str, str(a.dtype)), ('float32', '<f4', 'float32'))
        self.assertEqual(numbers.array([1, 2]).dtype, int)
        self.assertEqual(numbers.array([1, 2.5]).dtype, 'float64')
        self.assertEqual(numbers.array([True]).dtype, bool)
        self.assertEqual(numbers.array(3).shape, ())
        with self.assertRaisesRegex(ValueError, 'one shape'):
            numbers.array([[1], [1, 2]])
        with self.assertRaisesRegex(TypeError, "no type 'c8'"):
            dtype('c8')

    def test_slices_share(self):
        a = self.a
        a[0][1] = 20
        a.T[2] = [30, 60]
        a[:, ::2] *= 10
        self.assertEqual(a.tolist(), [[10, 20, 300], [40, 5, 600]])
        copied = a[[0]]
        copied[0] = 0
        self.assertEqual(a[0, 0], 10)

    def test_parts(self):
        a = self.a
        self.assertEqual(a[1, 2], 6.0)
        self.assertEqual(a[-1].tolist(), [4, 5, 6])
        self.assertEqual(a[:, 1].tolist(), [2, 5])
        self.assertEqual(a[a > 2].tolist(), [3, 4, 5, 6])
        self.assertEqual(a[[1, 0], [0, 2]].tolist(), [4, 3])
        self.assertEqual(a[..., 0].tolist(), [1, 4])
        self.assertEqual(a[:, None].shape, (2, 1, 3))
        a[a > 4] = 0
        self.assertEqual(a.tolist(), [[1, 2, 3], [4, 0, 0]])
        for index in (2, (0, 3), (0, 0, 0), 'x'):
            with self.assertRaises(IndexError):
                a[index]

    def test_arithmetic(self):
        a = self.a
        self.assertEqual((a + a[0]).tolist(), [[2, 4, 6], [5, 7, 9]])
        self.assertEqual((2 * a - 1).tolist(), [[1, 3, 5], [7, 9, 11]])
        self.assertEqual((a / 2).dtype, 'float32')
        self.assertEqual((numbers.array([1, 2]) / 2).tolist(), [0.5, 1.0])
        self.assertEqual((a[0] / 0).tolist(), [math.inf] * 3)
        self.assertEqual((a == 2).tolist(), [[False, True, False], [False] * 3])
        self.assertEqual((numbers.array([250], 'u1') + 10).tolist(), [4])
        with self.assertRaisesRegex(ValueError, 'do not fit together'):
            a + [1, 2]
        with self.assertRaisesRegex(ValueError, 'neither true nor false'):
            bool(a > 1)

    def test_products(self):
        a = self.a
        self.assertEqual((a @ a.T).tolist(), [[14, 32], [32, 77]])
        self.assertEqual(a.dot([1, 0, 1]).tolist(), [4, 10])
        self.assertEqual(a[0] @ a[1], 32.0)
        self.assertEqual(numbers.norms(a), [math.sqrt(14), math.sqrt(77)])
        with self.assertRaisesRegex(ValueError, 'cannot be multiplied'):
            a @ a

    def test_along_a_dimension(self):
        a = self.a
        self.assertEqual(
            (a.sum(), a.sum(0).tolist(), a.mean(1).tolist()), (21.0, [5, 7, 9], [2, 5])
        )
        self.assertEqual(a.max(axis=1, keepdims=True).tolist(), [[3], [6]])
        self.assertEqual((a.argmax(), a.argmin(axis=0).tolist()), (5, [0, 0, 0]))
        self.assertEqual(numbers.array([3, 1, 2]).argsort().tolist(), [1, 2, 0])
        self.assertEqual((-a).argsort(axis=1).tolist(), [[2, 1, 0]] * 2)
        self.assertAlmostEqual(a.std(), 1.7078251, places=6)
        self.assertEqual(a.sum().item(), 21.0)

    def test_joined(self):
        a = self.a
        self.assertEqual(numbers.stack([a, a]).shape, (2, 2, 3))
        self.assertEqual(numbers.stack([a[0], a[1]], axis=1).tolist(), a.T.tolist())
        self.assertEqual(numbers.concatenate([a, a], axis=1)[0].tolist(), [1, 2, 3, 1, 2, 3])
        self.assertEqual(a.reshape(3, -1).shape, (3, 2))
        self.assertEqual(a.T.reshape(-1).tolist(), [1, 4, 2, 5, 3, 6])
        with self.assertRaisesRegex(ValueError, 'has not the shape'):
            a.reshape(4, 2)

    def test_bytes(self):
        a = self.a
        self.assertEqual(numbers.frombuffer(a.tobytes(), '<f4', (2, 3)).tolist(), a.tolist())
        self.assertEqual(numbers.frombuffer(b'\0\1', '>i2').tolist(), [1])
        half = numbers.array([1.5, 0.1], 'f2')
        self.assertEqual(numbers.frombuffer(half.tobytes(), '<f2').tolist(), half.tolist())
        self.assertEqual(half.nbytes, 4)

    def test_types_of_results(self):
        kinds = [
            ('f4', 'i8', 'f8'),
            ('f4', 'i2', 'f4'),
            ('u1', 'i1', 'i2'),
            ('b1', 'u1', 'u1'),
            ('u8', 'i8', 'f8'),
        ]
        for one, other, result in kinds:
            self.assertEqual(promoted(dtype(one), dtype(other)), result)

    def test_another_librarys_array(self):
        class Foreign:
            shape = (2,)
            dtype = dtype('i4')

            def tobytes(self):
                return b'\1\0\0\0\2\0\0\0'

        self.assertEqual(numbers.asarray(Foreign()).tolist(), [1, 2])


class Numpy(unittest.TestCase):
    """What a component has in numpy's place."""

    @classmethod
    def setUpClass(cls):
        cls.real = {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name.split('.')[0] == 'numpy'
        }
        sys.path.insert(0, SHIMS)
        import numpy

        cls.np = numpy

    @classmethod
    def tearDownClass(cls):
        sys.path.remove(SHIMS)
        for name in list(sys.modules):
            if name.split('.')[0] == 'numpy':
                del sys.modules[name]
        sys.modules.update(cls.real)

    def test_functions(self):
        np = self.np
        a = np.array([[3.0, 4.0], [6.0, 8.0]])
        self.assertEqual(np.linalg.norm(a, axis=1).tolist(), [5, 10])
        self.assertEqual((a / np.linalg.norm(a, axis=1, keepdims=True)).tolist(), [[0.6, 0.8]] * 2)
        self.assertEqual(np.outer([1, 2], [3, 4]).tolist(), [[3, 4], [6, 8]])
        self.assertEqual(
            np.take_along_axis(a, np.argsort(-a, axis=1), axis=1).tolist(), [[4, 3], [8, 6]]
        )
        self.assertEqual(np.sqrt(np.array([4, -1])).tolist()[0], 2)
        self.assertTrue(np.allclose(a, a + 1e-9))
        self.assertTrue(np.isnan(np.nan))
        self.assertEqual(np.where(a > 4, 1, 0).tolist(), [[0, 0], [1, 1]])
        self.assertIsInstance(np.float32(0.1), np.floating)
        self.assertEqual(np.random.default_rng(1).random((2, 2)).shape, (2, 2))
        self.assertEqual(np.median([3, 1, 2]), 2)

    def test_what_is_missing_says_so(self):
        np = self.np
        with self.assertRaisesRegex(AttributeError, '`numpy.fft` is not in the part of numpy'):
            np.fft
        with self.assertRaisesRegex(AttributeError, '`numpy.linalg.svd` is not'):
            np.linalg.svd
        with self.assertRaises(ImportError):
            from numpy import einsum  # noqa: F401


if __name__ == '__main__':
    unittest.main()
