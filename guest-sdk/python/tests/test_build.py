"""What goes into a component: the files, and what they import."""

import contextlib
import io
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from wasm_flow.build import driver, packages
from wasm_flow.build.errors import BuildError
from wasm_flow.build.imports import imports_of
from wasm_flow.build.staging import Staging

REPOSITORY = Path(__file__).resolve().parents[3]


class Interface(unittest.TestCase):
    def test_is_that_of_the_host(self):
        # `python.wit` is the build's own.
        ours = {path.relative_to(driver.WIT): path for path in driver.WIT.rglob('*.wit')}
        del ours[Path('python.wit')]
        self.assertIn(Path('documents.wit'), ours)
        for name, path in ours.items():
            with self.subTest(name=str(name)):
                self.assertEqual(path.read_text(), (REPOSITORY / 'wit' / name).read_text())


class Imports(unittest.TestCase):
    def test_anywhere_in_a_file(self):
        source = """
import a, b.c as d
from e import f
try:
    import g
except ImportError:
    g = None
class C:
    def m(self):
        from .h import i
        if self:
            from .. import j
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import never
else:
    import k
if __name__ == '__main__':
    import never
from l import *
"""
        expected = ['a', 'b.c', 'e', 'e.f', 'g', 'p.q.h', 'p.q.h.i', 'p', 'p.j', 'typing']
        expected += ['typing.TYPE_CHECKING', 'k', 'l']
        self.assertEqual(sorted(imports_of(source, 'p.q')), sorted(expected))


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.project = self.folder / 'project'
        self.project.mkdir()

    def write(self, name, text):
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def staged(self, add):
        staging = Staging(Path(tempfile.mkdtemp(dir=self.folder)))
        add(staging)
        names = sorted(
            str(path.relative_to(staging.app)) for path in staging.app.rglob('*') if path.is_file()
        )
        return staging, names

    def test_a_file_brings_what_it_imports(self):
        main = self.write('my.py', 'import helper\ndef f():\n    from package.inner import x\n')
        self.write('helper.py', 'import deeper, json\n')
        self.write('deeper.py', '')
        self.write('package/__init__.py', '')
        self.write('package/inner.py', 'import csv\n')
        self.write('package/words.txt', 'data')
        self.write('other.py', '')
        staging, names = self.staged(lambda staging: staging.add_file(main))
        expected = [
            'deeper.py',
            'helper.py',
            'my.py',
            'package/__init__.py',
            'package/inner.py',
            'package/words.txt',
        ]
        self.assertEqual(names, expected)
        self.assertLessEqual(
            {'csv', 'json', 'deeper', 'package.inner', 'package.inner.x'}, set(staging.imports())
        )

    def test_a_folder_without_what_is_no_part_of_it(self):
        for name in (
            'executor.py',
            'data/a.txt',
            '.git/config',
            'venv/x.py',
            '__pycache__/a.pyc',
            'old.wasm',
        ):
            self.write(name, '')
        _, names = self.staged(lambda staging: staging.add_folder(self.project))
        self.assertEqual(names, ['data/a.txt', 'executor.py'])

    def test_the_digest_is_of_the_files(self):
        main = self.write('my.py', 'a = 1\n')
        one, _ = self.staged(lambda staging: staging.add_file(main))
        same, _ = self.staged(lambda staging: staging.add_file(main))
        self.assertEqual(one.digest('x'), same.digest('x'))
        self.assertNotEqual(one.digest('x'), same.digest('y'))
        main.write_text('a = 2\n')
        other, _ = self.staged(lambda staging: staging.add_file(main))
        self.assertNotEqual(one.digest('x'), other.digest('x'))

    def test_the_sdk_has_its_shims(self):
        staging, _ = self.staged(lambda staging: staging.add_sdk())
        for name in (
            'wasm_flow/host/entry.py',
            'jina/__init__.py',
            'docarray/score.py',
            'numpy/linalg.py',
        ):
            self.assertTrue((staging.sdk / name).is_file(), name)
        self.assertFalse((staging.sdk / 'wasm_flow/build').exists())
        self.assertFalse((staging.sdk / 'wasm_flow/shims').exists())

    def test_what_is_not_an_executors_file(self):
        cases = [
            ('missing.py', 'does not exist'),
            ('my-executor.py', 'that Python can import'),
            ('.', 'has no file'),
        ]
        self.write('my-executor.py', '')
        for name, message in cases:
            with self.assertRaisesRegex(BuildError, message):
                driver.build(str(self.project / name), self.folder / 'out.wasm')
        self.assertEqual(driver._parted('a/b.py:My'), (Path('a/b.py'), 'My'))

    def test_a_file_that_python_cannot_read(self):
        main = self.write('my.py', 'import os\nclass A(B)\n    pass\n')
        with self.assertRaisesRegex(BuildError, r"my\.py:2: expected ':': `class A\(B\)`"):
            driver.build(str(main), self.folder / 'out.wasm')
        main.write_bytes(b'# \xff')
        with self.assertRaisesRegex(BuildError, 'is not UTF-8'):
            driver.build(str(main), self.folder / 'out.wasm')

    def test_a_module_that_does_not_come_to_an_end(self):
        main = self.write('my.py', 'while True: pass\n')
        # In the place of the environment's Python.
        slow = self.folder / 'python'
        slow.write_text('#!/bin/sh\nexec sleep 60\n')
        slow.chmod(0o755)
        staging, _ = self.staged(lambda staging: staging.add_file(main))
        with unittest.mock.patch.object(driver, 'WITHIN', 0.2):
            with self.assertRaisesRegex(BuildError, 'given up after 0.2 seconds'):
                driver._componentize(slow, staging, driver.WORLD, self.folder / 'out.wasm')
        self.assertFalse((self.folder / 'out.wasm').exists())

    def test_requirements_that_the_sdk_stands_for(self):
        listed = self.write(
            'requirements.txt', '# a comment\njina==3.34.0\nDocArray[common]<0.30\nnumpy >= 1.26\n'
        )
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            packages.install(listed, Path('no-python-is-called'), self.folder / 'site')
        self.assertEqual(told.getvalue().count('is left out'), 3)


class Interface(unittest.TestCase):
    def test_the_wit_is_the_repositorys(self):
        for path in sorted(driver.WIT.rglob('*.wit')):
            if path.name == 'python.wit':
                continue
            path = path.relative_to(driver.WIT)
            self.assertEqual(
                (driver.WIT / path).read_text(), (REPOSITORY / 'wit' / path).read_text(), path
            )

    def test_the_tool_is_the_one_that_the_repository_tests(self):
        pinned = (REPOSITORY / 'tests/guests/python/requirements.txt').read_text().strip()
        self.assertEqual((driver.WIT.parent / 'requirements.txt').read_text().strip(), pinned)


if __name__ == '__main__':
    unittest.main()
