"""The private environment with componentize-py: made once, and used by every build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

from .errors import BuildError

HERE = Path(__file__).parent
REQUIREMENTS = HERE / 'requirements.txt'


def tool() -> str:
    """componentize-py with its version, as pip names it."""
    return REQUIREMENTS.read_text().strip()


def environment(folder: Optional[Path] = None) -> Path:
    """The environment's interpreter. It is made if it is not there."""
    version = f'{sys.version_info[0]}.{sys.version_info[1]}'
    home = (folder or _cache()) / f'{tool().replace("==", "-")}-python{version}'
    python = home / 'bin' / 'python'
    if python.exists():
        return python
    print(f'making a Python environment with {tool()} (72 MB, once)', file=sys.stderr, flush=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    # Under its name only once it is whole: another build may make it at the same time.
    unfinished = home.with_name(f'{home.name}.{os.getpid()}')
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _run(
            [sys.executable, '-m', 'venv', str(unfinished)],
            'the environment cannot be made. On Debian and Ubuntu, `apt install python3-venv` has what is missing',
        )
        _run(
            [
                str(unfinished / 'bin' / 'python'),
                '-m',
                'pip',
                *QUIET,
                'install',
                '-r',
                str(REQUIREMENTS),
            ],
            f'pip cannot install {tool()}',
        )
        try:
            unfinished.rename(home)
        except OSError:
            if not python.exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return python


QUIET = ('--quiet', '--disable-pip-version-check', '--no-input')


def _cache() -> Path:
    named = os.environ.get('XDG_CACHE_HOME')
    base = Path(named) if named else Path.home() / '.cache'
    return base / 'wasm-flow' / 'python'


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BuildError(f'{failure}:\n{done.stdout.strip()}')
