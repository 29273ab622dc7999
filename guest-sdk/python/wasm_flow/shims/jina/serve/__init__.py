"""Where Jina keeps its executors."""
