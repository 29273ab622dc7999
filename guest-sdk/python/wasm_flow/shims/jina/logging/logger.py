"""Jina's loggers, which are Python's here."""

import logging
from typing import Any


def JinaLogger(context: str, *_: Any, **__: Any) -> logging.Logger:
    """The logger of this name."""
    return logging.getLogger(context)
