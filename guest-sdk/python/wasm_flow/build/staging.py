"""The files that go into a component, put together in a folder of their own. The build
leaves compiled code beside them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Iterable, Optional

from .errors import BuildError
from .imports import imports_of

PACKAGE = Path(__file__).parent.parent
SHIMS = Path(__file__).parent.parent / 'shims'
ENTRY = 'wasm_flow_entry'

# Folders of a project that are no part of the executor.
_LEFT_OUT = {'__pycache__', 'node_modules', 'target', 'tests', 'venv', 'env', 'dist', 'build'}
# The most that is copied of a folder.
MOST_FILES = 5_000
MOST_BYTES = 64 << 20


class Staging:
    """The folders of a build, in the order in which modules are looked for."""

    def __init__(self, root: Path) -> None:
        self.entry = root / 'entry'
        self.app = root / 'app'
        self.site = root / 'site'
        self.sdk = root / 'sdk'
        for folder in (self.entry, self.app, self.site, self.sdk):
            folder.mkdir(parents=True)

    def paths(self) -> list[Path]:
        """Where modules are looked for."""
        return [self.entry, self.app, self.site, self.sdk]

    def add_sdk(self) -> None:
        """The package and what stands for jina, docarray and numpy."""
        ignore = shutil.ignore_patterns('__pycache__', 'build', 'shims', 'py.typed')
        shutil.copytree(PACKAGE, self.sdk / 'wasm_flow', ignore=ignore)
        for shim in SHIMS.iterdir():
            if shim.is_dir() and shim.name != '__pycache__':
                shutil.copytree(shim, self.sdk / shim.name, ignore=ignore)

    def add_file(self, file: Path) -> None:
        """A file, and the modules beside it that it imports."""
        names = [file.name]
        done: set[str] = set()
        while names:
            name = names.pop()
            if name in done:
                continue
            done.add(name)
            source = file.parent / name
            if source.is_dir():
                _copy_folder(source, self.app / name)
                inner = [path for path in (self.app / name).rglob('*.py')]
            else:
                shutil.copyfile(source, self.app / name)
                inner = [source]
            for path in inner:
                for module in _imports(path):
                    top = module.partition('.')[0]
                    if (file.parent / f'{top}.py').is_file():
                        names.append(f'{top}.py')
                    elif (file.parent / top / '__init__.py').is_file():
                        names.append(top)

    def add_folder(self, folder: Path) -> None:
        """All of a folder but what is plainly no part of the executor."""
        _copy_folder(folder, self.app, dirs_exist_ok=True)

    def imports(self) -> list[str]:
        """What the author's files and the packages import."""
        found: dict[str, None] = {}
        for root in (self.app, self.site):
            for path in sorted(root.rglob('*.py')):
                parts = path.relative_to(root).with_suffix('').parts
                package = '.'.join(parts[:-1])
                if root == self.app:
                    modules = _imports(path, package)
                else:
                    try:
                        modules = imports_of(_text(path), package)
                    except (SyntaxError, BuildError):
                        # Packages have files for other versions of Python.
                        continue
                for module in modules:
                    found[module] = None
        return list(found)

    def write_entry(self, module: str, name: Optional[str], imports: Iterable[str]) -> None:
        """The module that the component is made from."""
        text = (
            'from wasm_flow.host.entry import make\n\n'
            f'Executor = make({module!r}, {name!r}, {json.dumps(sorted(imports))})\n'
        )
        (self.entry / f'{ENTRY}.py').write_text(text, encoding='utf-8')

    def digest(self, *more: str) -> str:
        """A hash of all files, by which a component is known to be made of them."""
        hasher = hashlib.sha256()
        for text in more:
            hasher.update(text.encode() + b'\0')
        for root in self.paths():
            for path in sorted(root.rglob('*')):
                if path.is_file() and path.suffix != '.pyc':
                    hasher.update(str(path.relative_to(root.parent)).encode() + b'\0')
                    hasher.update(hashlib.sha256(path.read_bytes()).digest())
        return hasher.hexdigest()


def _imports(path: Path, package: str = '') -> list[str]:
    """The imports of one of the author's files."""
    try:
        return imports_of(_text(path), package)
    except SyntaxError as error:
        line = (error.text or '').strip()
        raise BuildError(f'{path}:{error.lineno}: {error.msg}: `{line}`') from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise BuildError(f'{path} is not UTF-8: {error}') from None


def _copy_folder(source: Path, to: Path, dirs_exist_ok: bool = False) -> None:
    files, size = 0, 0
    for folder, folders, names in os.walk(source):
        folders[:] = [
            name for name in folders if name not in _LEFT_OUT and not name.startswith('.')
        ]
        target = to / Path(folder).relative_to(source)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(folder) / name
            if name.startswith('.') or name.endswith(('.pyc', '.wasm')) or not path.is_file():
                continue
            files += 1
            size += path.stat().st_size
            if files > MOST_FILES or size > MOST_BYTES:
                raise BuildError(
                    f'{source} has more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB. '
                    'Put the executor into a folder of its own'
                )
            shutil.copyfile(path, target / name)
