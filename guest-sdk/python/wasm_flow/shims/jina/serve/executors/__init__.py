"""Jina's base class of executors."""

from wasm_flow import Executor as BaseExecutor

__all__ = ['BaseExecutor']
