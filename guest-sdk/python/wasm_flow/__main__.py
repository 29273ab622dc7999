"""Runs a file of an executor as a program, without a host: `python3 -m wasm_flow FILE`.

If `jina`, `docarray` or `numpy` is not installed, what a component has in its place is
there.
"""

import runpy
import sys
from pathlib import Path

from . import shims  # noqa: F401


def main() -> None:
    """The command line."""
    if len(sys.argv) < 2:
        raise SystemExit('usage: python3 -m wasm_flow FILE [ARGUMENT ...]')
    file = sys.argv[1]
    del sys.argv[0]
    sys.path[0] = str(Path(file).resolve().parent)
    runpy.run_path(file, run_name='__main__')


main()
