"""Which modules a file imports, anywhere in it."""

from __future__ import annotations

import ast
from typing import Iterator


def imports_of(source: str, package: str = '') -> list[str]:
    """The names of the modules, and names from them that may be modules, too. `package` is
    what relative imports are relative to. What is for type checkers, or for the file as a
    program, is left out."""
    found: dict[str, None] = {}
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.name] = None
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base:
                found[base] = None
            for alias in node.names:
                if alias.name != '*':
                    found['.'.join(filter(None, (base, alias.name)))] = None
    return list(found)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ''
    parts = package.split('.') if package else []
    parts = parts[: len(parts) - (node.level - 1)]
    return '.'.join([*parts, *filter(None, [node.module])])


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_elsewhere(child.test):
            for other in child.orelse:
                yield other
                yield from _walk(other)
            continue
        yield child
        yield from _walk(child)


def _is_elsewhere(test: ast.expr) -> bool:
    """Whether a condition never holds in a component."""
    if isinstance(test, ast.Name) and test.id == 'TYPE_CHECKING':
        return True
    if isinstance(test, ast.Attribute) and test.attr == 'TYPE_CHECKING':
        return True
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == '__name__'
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
    )
