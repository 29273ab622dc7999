"""`jina`, `docarray` and `numpy` for executors, where these packages are not installed.

A build puts this folder on a component's path. Elsewhere, `import wasm_flow.shims` does so
for a test, behind what is installed, and `python3 -m wasm_flow FILE` for a file.
"""

import sys
from pathlib import Path

_folder = str(Path(__file__).parent)
if _folder not in sys.path:
    sys.path.append(_folder)
