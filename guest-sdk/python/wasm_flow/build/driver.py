"""One build, from a file or a folder to a component."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

from .environment import environment, tool
from .errors import BuildError
from .packages import install
from .staging import ENTRY, Staging

WIT = Path(__file__).parent / 'wit'
WORLD = 'bare'
# For executors that import `wasm_flow.http`.
HTTP_WORLD = 'python-http'

# Seconds that one build may take. What a module does when it is imported is a part of it.
WITHIN = 300

# What a folder's executor is called, the first that is there.
MAIN = ('executor.py', 'my_executor.py')

_ERROR = re.compile(r'<<<wasm-flow(.*?)wasm-flow>>>', re.DOTALL)


def build(uses: str, to: Path, cache: Optional[Path] = None) -> bool:
    """Makes the component of `my_executor.py`, `my_executor.py:Class` or a folder. False if
    it was there already, of the same files."""
    path, name = _parted(uses)
    main = _main(path)
    with tempfile.TemporaryDirectory(prefix='wasm-flow-') as root:
        staging = Staging(Path(root))
        if path.is_dir():
            staging.add_folder(path)
        else:
            staging.add_file(path)
        staging.add_sdk()
        requirements = main.parent / 'requirements.txt'
        wanted = requirements.read_text(encoding='utf-8') if requirements.is_file() else ''
        # Before the packages are fetched: they follow from their list.
        digest = staging.digest(uses if name else '', wanted, tool())
        key = to.with_name(f'{to.name}.key')
        if to.is_file() and key.is_file() and key.read_text().strip() == digest:
            return False
        python = environment(cache)
        if wanted.strip():
            install(requirements, python, staging.site)
        imports = staging.imports()
        staging.write_entry(main.stem, name, imports)
        world = HTTP_WORLD if 'wasm_flow.http' in imports else WORLD
        _componentize(python, staging, world, to)
        key.write_text(f'{digest}\n')
    return True


def _parted(uses: str) -> tuple[Path, Optional[str]]:
    path, colon, name = uses.rpartition(':')
    if colon and name.isidentifier() and not Path(uses).exists():
        return Path(path), name
    return Path(uses), None


def _main(path: Path) -> Path:
    if path.is_file():
        if path.suffix != '.py' or not path.stem.isidentifier():
            raise BuildError(
                f'{path}: an executor is in a file that Python can import: `my_executor.py`'
            )
        return path
    if not path.is_dir():
        raise BuildError(f'{path} does not exist')
    for name in MAIN:
        if (path / name).is_file():
            return path / name
    raise BuildError(f'{path} has no file {" or ".join(MAIN)}')


def _componentize(python: Path, staging: Staging, world: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = to.with_name(f'.{to.name}.{os.getpid()}')
    command = [str(python), '-c', 'from componentize_py import script; script()']
    command += ['--wit-path', str(WIT), '--world', world, 'componentize', ENTRY]
    for folder in staging.paths():
        command += ['--python-path', str(folder)]
    command += ['--output', str(unfinished)]
    # Its own packages, and not those of an environment that is active.
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ('VIRTUAL_ENV', 'PYTHONPATH')
    }
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=variables,
            timeout=WITHIN,
        )
        if done.returncode:
            told = _ERROR.search(done.stdout)
            output = done.stdout.partition('Stack backtrace:')[0].strip()
            raise BuildError(told[1] if told else f'componentize-py failed:\n{output}')
        unfinished.replace(to)
    except subprocess.TimeoutExpired:
        raise BuildError(
            f'the build was given up after {WITHIN} seconds: does a module compute or wait when it '
            'is imported?'
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """The command line."""
    import argparse

    parser = argparse.ArgumentParser(
        prog='python3 -m wasm_flow.build', description='Makes a component of an executor in Python.'
    )
    parser.add_argument(
        'uses', metavar='FILE[:CLASS]', help='the file of the executor, or its folder'
    )
    parser.add_argument(
        '-o', '--output', type=Path, metavar='FILE', help='the component; NAME.wasm by default'
    )
    parser.add_argument('--cache', type=Path, metavar='FOLDER', help='where the tools are kept')
    given = parser.parse_args(arguments)
    output = given.output or Path(f'{_parted(given.uses)[0].stem}.wasm')
    try:
        made = build(given.uses, output, given.cache)
    except BuildError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{output}: {"made" if made else "unchanged"}')
    return 0
