"""Random flows on the real Jina and on wasm-flow: the same answers, but for what
docs/flows.md says is different.

A case (`case.py`) is a flow of the executors in `twins.py` and requests to it, made from
a number. `sides.py` runs it on both, `answers.py` makes their answers comparable, and
`model.py` says what each of them answers: only a difference that the model predicts for
both sides is tolerated, and each part of it that makes a difference is a row of the
table. `__main__.py` is the command.
"""
