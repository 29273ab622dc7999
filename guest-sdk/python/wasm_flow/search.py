"""The nearest documents by their embeddings, by comparing with each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from . import ndarrays as numbers
from .document import Document
from .score import NamedScore

if TYPE_CHECKING:
    from .array import DocumentArray


def nearest(
    docs: 'DocumentArray',
    query: Any,
    metric: Any,
    limit: Any,
    *,
    metric_name: Any = None,
    exclude_self: bool = False,
    only_id: bool = False,
    normalization: Any = None,
    **options: Any,
) -> Any:
    """For each row of the query, copies of the documents with the least distance, each with
    its distance as a score. A list of arrays, or one array if the query is one array of one
    dimension."""
    from .array import DocumentArray

    for name in options:
        if name not in (
            'batch_size',
            'use_scipy',
            'device',
            'num_worker',
            'on',
            'return_root',
            'index',
        ):
            raise TypeError(f'a search by embedding has no option `{name}`')
    if limit is not None:
        if limit <= 0:
            raise ValueError(f'`limit` is above 0, and not {limit}')
        limit = int(limit)
    queries: Any = None
    if isinstance(query, Document):
        queries = DocumentArray([query])
    elif isinstance(query, DocumentArray):
        queries = query
    rows = numbers.asarray(query) if queries is None else queries.embeddings
    if rows is None:
        raise ValueError('the documents to search for have no embedding')
    one = rows.ndim == 1
    if rows.ndim != 2:
        rows = rows.reshape((1 if one else rows.shape[0], -1))
    matrix = docs.embeddings
    if matrix is None:
        raise ValueError('the documents to search in have no embedding')
    if matrix.ndim != 2:
        matrix = matrix.reshape((matrix.shape[0], -1))
    if matrix.shape[1] != rows.shape[1]:
        raise ValueError(
            f'an embedding of {rows.shape[1]} numbers has no distance from one of {matrix.shape[1]}'
        )
    distances = _distances(rows, matrix, metric)
    name = metric_name or (metric.__name__ if callable(metric) else metric)
    found = []
    for place, row in enumerate(distances):
        # Sorting is stable: of equal ones, the first comes first.
        order = sorted(range(len(row)), key=row.__getitem__)
        scores = row if normalization is None else _normalized(row, normalization)
        matches = DocumentArray()
        own = queries[place].id if exclude_self and queries is not None else None
        for index in order:
            if limit is not None and len(matches) >= limit:
                break
            doc = docs[index]
            if own is not None and doc.id == own:
                continue
            match = Document(id=doc.id) if only_id else Document(doc)
            # Otherwise a document that is found among its own matches would hold itself.
            match.pop('matches')
            match.scores[name] = NamedScore(value=scores[index])
            matches.append(match)
        found.append(matches)
    return found[0] if one and queries is None else found


def _distances(rows: Any, matrix: Any, metric: Any) -> list[list[float]]:
    if callable(metric):
        return numbers.asarray(metric(rows, matrix)).tolist()
    distance = _METRICS.get(metric)
    if distance is None:
        raise NotImplementedError(
            f'`{metric}` is not a metric here. There are {", ".join(_METRICS)}'
        )
    return distance(rows, matrix)


def _cosine(rows: Any, matrix: Any) -> list[list[float]]:
    eps = 1e-7
    products = (rows @ matrix.T).tolist()
    own = numbers.norms(rows)
    others = numbers.norms(matrix)
    return [
        [
            1 - min(1.0, max(-1.0, (product + eps) / (length * other + eps)))
            for product, other in zip(row, others)
        ]
        for row, length in zip(products, own)
    ]


def _sqeuclidean(rows: Any, matrix: Any) -> list[list[float]]:
    products = (rows @ matrix.T).tolist()
    own = [length * length for length in numbers.norms(rows)]
    others = [length * length for length in numbers.norms(matrix)]
    return [
        [length + other - 2 * product for product, other in zip(row, others)]
        for row, length in zip(products, own)
    ]


def _euclidean(rows: Any, matrix: Any) -> list[list[float]]:
    # Rounding may make the distance of equal ones a little less than nothing.
    return [[max(0.0, value) ** 0.5 for value in row] for row in _sqeuclidean(rows, matrix)]


_METRICS: dict[str, Callable[[Any, Any], list[list[float]]]] = {
    'cosine': _cosine,
    'sqeuclidean': _sqeuclidean,
    'euclidean': _euclidean,
}


def _normalized(row: list[float], normalization: tuple[float, float]) -> list[float]:
    start, end = normalization
    least, most = min(row), max(row)
    low, high = min(start, end), max(start, end)
    return [
        min(high, max(low, (end - start) * (value - least) / (most - least + 1e-7) + start))
        for value in row
    ]
