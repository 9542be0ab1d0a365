"""Parquet files of texts and bytes, written by pyarrow with settings at random, and their values.

    python random_texts.py SEED COUNT FOLDER

writes FOLDER/NUMBER.parquet so many times, and FOLDER/texts.json: of each file its settings and the
values of its columns, as pyarrow reads them; bytes as hexadecimal.
"""

import json
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
chance = random.Random(seed)
PIECES = ["", "a", "ab", "é", "日本", "😀", "\0", "O'Hara", "plain words ", "x" * 17, "y" * 50]


def text(longest):
    made = ""
    while chance.random() < 0.8 and len(made) < longest:
        made += chance.choice(PIECES)
    return made[:longest]


def column(kind, rows):
    longest = chance.choice([0, 1, 3, 8, 16, 48, 60, 2000])
    different = [text(longest) for _ in range(chance.choice([1, 2, 50, 1000]))]
    share = chance.choice([0, 0, 0.02, 0.5, 1])
    values = [None if chance.random() < share else chance.choice(different) for _ in range(rows)]
    if chance.random() < 0.3:
        values.sort(key=lambda value: (value is None, value))
    if kind in (pa.binary(), pa.large_binary()):
        values = [None if value is None else value.encode("utf-16") for value in values]
    return pa.array(values, kind)


KINDS = {"string": pa.string(), "large": pa.large_string(), "bytes": pa.binary(), "largeBytes": pa.large_binary()}
files = []
for number in range(count):
    rows = chance.choice([1, 9, 300, 3000])
    columns = {name: column(kind, rows) for name, kind in KINDS.items()}
    fields = [
        pa.field(name, array.type, nullable=array.null_count > 0 or chance.random() < 0.7)
        for name, array in columns.items()
    ]
    table = pa.table(list(columns.values()), schema=pa.schema(fields))
    settings = {
        "row_group_size": chance.choice([rows, 700]),
        "data_page_size": chance.choice([1, 64, 1000, 1 << 20]),
        "write_batch_size": chance.choice([1, 10, 1024]),
        "dictionary_pagesize_limit": chance.choice([10, 500, 1 << 20]),
        "data_page_version": chance.choice(["1.0", "2.0"]),
        "compression": chance.choice(["none", "snappy", "zstd", "gzip"]),
        "write_statistics": chance.random() < 0.7,
        "store_schema": chance.random() < 0.7,
    }
    if chance.random() < 0.7:
        settings["use_dictionary"] = chance.random() < 0.8
    else:
        encodings = ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]
        settings |= {
            "use_dictionary": False,
            "column_encoding": {name: chance.choice(encodings) for name in columns},
        }
    path = f"{folder}/{number}.parquet"
    pq.write_table(table, path, **settings)
    read = pq.read_table(path)
    values = {
        name: [value.hex() if isinstance(value, bytes) else value for value in read[name].to_pylist()]
        for name in columns
    }
    files.append({"settings": settings, "rows": rows, "values": values})
with open(f"{folder}/texts.json", "w") as file:
    json.dump(files, file)
