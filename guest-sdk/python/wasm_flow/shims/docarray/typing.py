"""docarray v1's names for types."""

from typing import Any

ArrayType = Any
DocumentContentType = Any
StructValueType = Any
