"""An executor in Python without an SDK: the WIT's bindings and nothing else."""

import json
import traceback
from array import array

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.executor import Concurrency, Configuration, Description, Failure, Method
from wit_world.imports import logging, timers
from wit_world.imports.documents import DocumentArray, JsonField, NdarrayField, Rows_All, StringField
from wit_world.imports.requests import Request

# The replica's name, from `start`.
name = ''


async def trace(request: Request, docs: DocumentArray) -> None:
    """Converts the texts to upper case, and notes in each document who did."""
    texts = docs.strings(StringField.TEXT, Rows_All())
    docs.set_strings(StringField.TEXT, Rows_All(), [f'{text.upper()}>{name}' for text in texts])
    tags = [json.loads(tags or '{}') for tags in docs.json_objects(JsonField.TAGS, Rows_All())]
    written = [json.dumps({**tags, 'python': name}) for tags in tags]
    docs.set_json_objects(JsonField.TAGS, Rows_All(), written)
    parameters = json.loads(request.parameters())
    request.set_results(json.dumps({'seen': texts, 'parameters': parameters}))


async def embedding(request: Request, docs: DocumentArray) -> None:
    """Doubles the embeddings, all at once."""
    matrix = docs.matrix(NdarrayField.EMBEDDING, Rows_All())
    assert matrix is not None and matrix.dtype == '<f4'
    numbers = array('f', matrix.buffer)
    matrix.buffer = array('f', [2 * x for x in numbers]).tobytes()
    docs.set_matrix(NdarrayField.EMBEDDING, Rows_All(), matrix)


async def other(request: Request, docs: DocumentArray) -> None:
    """Answers with documents of its own."""
    answer = DocumentArray()
    answer.append_new(2)
    answer.set_strings(StringField.TEXT, Rows_All(), ['new', 'ünïcode'])
    request.set_docs(answer)


async def wait(request: Request, docs: DocumentArray) -> None:
    """Lets other calls run for a second."""
    await timers.after(1_000_000_000).read()


async def fail(request: Request, docs: DocumentArray) -> None:
    """Raises, after it has written."""
    docs.set_strings(StringField.TEXT, Rows_All(), ['half done'] * docs.length())
    raise ValueError('deliberate failure in Python')


async def refused(request: Request, docs: DocumentArray) -> None:
    """Writes what the host does not take."""
    docs.set_json_objects(JsonField.TAGS, Rows_All(), ['[]'] * docs.length())


METHODS = [trace, embedding, other, wait, fail, refused]


class Executor(exports.Executor):
    def describe(self) -> Description:
        methods = [
            Method(
                name=method.__name__,
                endpoints=[f'/{method.__name__}'],
                concurrency=Concurrency.CONCURRENT,
                documentation=method.__doc__ or '',
                parameters_schema='',
                details='',
            )
            for method in METHODS
        ]
        return Description(
            name='Pythonic',
            version='1.2.3',
            documentation=__doc__ or '',
            methods=methods,
            config_schema='',
            sdk='none (Python)',
            details='',
        )

    async def start(self, configuration: Configuration) -> None:
        global name
        name = json.loads(configuration.runtime_args)['name']
        logging.log(logging.Level.INFO, 'started', configuration.uses_with)

    async def handle(self, method: int, request: Request, docs: DocumentArray, length: int) -> None:
        # Handed back here and not when they are garbage, which may be much later: an
        # error's traceback holds on to them.
        with request, docs:
            try:
                assert length == docs.length()
                await METHODS[method](request, docs)
            except Exception as error:
                raise Err(failure(error)) from None

    async def stop(self) -> None:
        print('stopped')


def failure(error: Exception) -> Failure:
    # An error of the host's is a case of its variant: the case is its name.
    if isinstance(error, Err):
        return Failure(type(error.value).__name__, error.value.value, [], '')
    trace = traceback.format_exception(error)
    return Failure(type(error).__name__, str(error), trace, '{"retry": false}')
