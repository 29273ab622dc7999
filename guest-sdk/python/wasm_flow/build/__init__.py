"""Makes a component of an executor's file: `python3 -m wasm_flow.build my_executor.py -o
my_executor.wasm`."""
