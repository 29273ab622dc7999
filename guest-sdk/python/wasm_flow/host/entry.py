"""Makes a component of an executor's module, while it is built.

The interpreter is kept as it is when this is done: with all modules that were imported,
and without the files that they came from. So what the executor's files import anywhere is
imported here.
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import io
import linecache
import mimetypes
import sys
from typing import Any, Optional, Sequence

from .. import Executor
from . import blocking, component, failure, finalizer, log, loop

# What the driver looks for in the output of a build that failed.
ERROR_BEGINS = '<<<wasm-flow'
ERROR_ENDS = 'wasm-flow>>>'

# Modules that Python's own import only when they are needed.
LATE = (
    '_ast_unparse',
    '_strptime',
    '_suggestions',
    'ast',
    'encodings.ascii',
    'encodings.cp1252',
    'encodings.idna',
    'encodings.latin_1',
    'encodings.punycode',
    'encodings.raw_unicode_escape',
    'encodings.unicode_escape',
    'encodings.utf_16',
    'encodings.utf_16_be',
    'encodings.utf_16_le',
    'encodings.utf_32',
    'encodings.utf_8_sig',
    'asyncio.timeouts',
    'base64',
    'copy',
    'decimal',
    'pickle',
    'stringprep',
    'unicodedata',
    'urllib.parse',
    'wasm_flow.hashing',
)


# Modules for other systems or for a person at a terminal: nothing that runs here needs them.
NOT_HERE = frozenset(
    'ctypes curses doctest idlelib java nt pdb pydoc readline ssl test tkinter unittest winreg'.split()
)


class BuildError(Exception):
    """Why no component can be made, in words for people."""


def make(module: str, name: Optional[str], imports: Sequence[str]) -> type:
    """The component of an executor: of the class with this name, or of the only one."""
    try:
        loop.install()
        blocking.install()
        log.install()
        found = _imported(module)
        executor = _chosen(found, name)
        made = component.export(executor)
        if 'wasm_flow.http' in sys.modules:
            importlib.import_module('wasm_flow.host.http').install()
        for one in (*LATE, *imports):
            _import_if_there(one)
        for one in imports:
            for late in _late_of(one):
                _import_if_there(late)
    except BuildError as error:
        raise SystemExit(f'{ERROR_BEGINS}{error}{ERROR_ENDS}') from None
    mimetypes.init([])
    _keep_lines()
    sys.path[:] = []
    sys.path_importer_cache.clear()
    sys.meta_path.append(_NotThere)
    finalizer.install()
    gc.collect()
    gc.freeze()
    return made


def _imported(module: str) -> Any:
    # What a module prints is printed once, here, and nobody would see it.
    output, sys.stdout = sys.stdout, io.StringIO()
    try:
        # Not by importlib, whose own lines would be part of a traceback.
        __import__(module)
        return sys.modules[module]
    except BaseException as error:
        lines = '\n'.join(failure.lines_of(error))
        if isinstance(error, ModuleNotFoundError):
            lines += '\nPackages that it needs are named in requirements.txt beside it.'
        raise BuildError(f'the module `{module}` cannot be imported\n{lines}') from None
    finally:
        sys.stdout = output


def _chosen(module: Any, name: Optional[str]) -> type:
    classes = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, Executor)
        and value.__module__ == module.__name__
    }
    if name is not None:
        chosen = getattr(module, name, None)
        if not inspect.isclass(chosen) or not issubclass(chosen, Executor):
            there = _listed(classes) or 'none'
            raise BuildError(f'`{name}` is not an executor of the module. There is {there}')
        return chosen
    if not classes:
        raise BuildError(
            'the module has no executor. One is a class: `class MyExecutor(Executor):`, '
            'with `from wasm_flow import Executor` or `from jina import Executor`'
        )
    if len(classes) > 1:
        first = next(iter(classes))
        raise BuildError(
            f'the module has several executors: {_listed(classes)}. Name the one that is meant, '
            f'as in `{module.__name__}.py:{first}`'
        )
    return next(iter(classes.values()))


def _listed(names: Any) -> str:
    return ', '.join(f'`{name}`' for name in names)


def _import_if_there(name: str) -> None:
    """Imports a module, or a name that may be one. What is not there is an error only if the
    executor comes to it."""
    parent, _, last = name.rpartition('.')
    if parent in sys.modules and hasattr(sys.modules[parent], last):
        return
    output, sys.stdout = sys.stdout, io.StringIO()
    try:
        importlib.import_module(name)
    except Exception:
        pass
    finally:
        sys.stdout = output


def _late_of(name: str) -> list[str]:
    """What functions of a module of Python's own import. The author's files and the packages
    were looked through before."""
    path = getattr(sys.modules.get(name), '__file__', None) or ''
    if not path.startswith('/python/') or not path.endswith('.py'):
        return []
    try:
        with open(path, encoding='utf-8') as file:
            nodes = ast.walk(ast.parse(file.read()))
    except FileNotFoundError:
        # It is a part of the interpreter.
        return []
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return [late for late in found if late.partition('.')[0] not in NOT_HERE]


def _keep_lines() -> None:
    """Keeps the lines of the author's files, which tracebacks show."""
    for module in list(sys.modules.values()):
        path = getattr(module, '__file__', None)
        if (
            not path
            or path.startswith(('/python/', '/bundled/', '/world/'))
            or failure.is_sdk(path)
        ):
            continue
        lines = linecache.getlines(path)
        if lines:
            # Without a time, they are not looked for again.
            linecache.cache[path] = (sum(map(len, lines)), None, lines, path)


class _NotThere:
    """Says of a module why it is not there."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        parent = name.rpartition('.')[0]
        if parent in sys.modules and path is not None and not list(path):
            return None
        raise ModuleNotFoundError(
            f'No module named {name!r} in this component: it was not there when it was built, or no '
            '`import` names it. Add it to requirements.txt, or write the `import`',
            name=name,
        )


__all__ = ['make']
