"""Files that are written for Jina, in a Python that has neither Jina nor docarray."""

import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parent.parent)


class Programs(unittest.TestCase):
    def ran(self, text):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / 'my_executor.py'
            file.write_text(textwrap.dedent(text))
            (Path(folder) / 'beside.py').write_text('WORD = "beside"\n')
            # Without what is installed in this one.
            command = [sys.executable, '-S', '-m', 'wasm_flow', str(file), 'argument']
            done = subprocess.run(
                command, capture_output=True, text=True, env={'PYTHONPATH': PACKAGE}, cwd=folder
            )
        self.assertEqual(done.stderr, '')
        return done.stdout

    def test_a_file_of_a_seed(self):
        told = self.ran("""
            import sys
            from docarray import DocumentArray, Document
            from docarray.score import NamedScore
            from jina import Executor, requests, Flow
            from jina.logging.logger import JinaLogger
            from jina.serve.executors.decorators import dynamic_batching
            import numpy as np
            from beside import WORD

            class MyExec(Executor):
                @requests
                @dynamic_batching(preferred_batch_size=2)
                def foo(self, docs, **kwargs):
                    for d in docs:
                        d.text = f'hello {WORD}'
                        d.embedding = np.ones(3)

            f = Flow(port=1).add(uses=MyExec).add(uses=MyExec, needs='gateway')
            with f:
                f.post(on='/', inputs=DocumentArray(Document(text='x')), show_progress=True)

            if __name__ == '__main__':
                da = DocumentArray([Document(text='test')])
                MyExec().foo(docs=da)
                print(f'Text: {da[0].text}', da.embeddings.shape, sys.argv[1:], type(f).__name__)
        """)
        self.assertEqual(told, "Text: hello beside (1, 3) ['argument'] Flow\n")


if __name__ == '__main__':
    unittest.main()
