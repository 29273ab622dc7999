"""The packages that an executor asks for, as files to put into its component."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .environment import QUIET
from .errors import BuildError

# The SDK stands for these in a component.
PROVIDED = ('jina', 'docarray', 'numpy', 'wasm-flow', 'wasm-flow-sdk')


def install(requirements: Path, python: Path, site: Path) -> None:
    """Puts the packages of a requirements.txt into a folder. They have to be in Python alone:
    a component runs no code that was compiled for a machine."""
    wanted = []
    for line in requirements.read_text(encoding='utf-8').splitlines():
        text = line.split('#')[0].strip()
        name = re.split(r'[\s\[<>=!~;@]', text)[0].lower().replace('_', '-')
        if name in PROVIDED:
            print(
                f'{requirements.name}: `{name}` is left out: wasm-flow stands for it',
                file=sys.stderr,
            )
        elif text:
            wanted.append(text)
    if not wanted:
        return
    site.mkdir(parents=True, exist_ok=True)
    listed = site.parent / 'requirements.txt'
    listed.write_text('\n'.join(wanted) + '\n', encoding='utf-8')
    command = [str(python), '-m', 'pip', *QUIET, 'install', '--target', str(site)]
    command += [
        '--only-binary=:all:',
        '--platform',
        'any',
        '--implementation',
        'py',
        '--abi',
        'none',
    ]
    # What the interpreter in the component is.
    command += ['--python-version', '3.14', '-r', str(listed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        missing = re.search(r'No matching distribution found for (\S+)', done.stdout)
        if missing:
            raise BuildError(
                f'{requirements}: there is no `{missing[1]}` in Python alone. Packages with native code '
                'cannot run in the sandbox, so use another one, or serve the executor elsewhere'
            )
        raise BuildError(f'{requirements}: pip cannot install the packages:\n{done.stdout.strip()}')
