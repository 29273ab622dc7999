"""Jina's loggers."""
