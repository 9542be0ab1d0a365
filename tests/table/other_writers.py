# Writes files with polars and DuckDB in every codec that they have, and prints their names. Who reads
# them for the comparison is pyarrow (arrow_files.py).
#
#   other_writers.py FOLDER

import datetime
import decimal
import json
import sys

import duckdb
import polars as pl

ROWS = 1000


def frame():
    """Every type that polars writes to Parquet, with nulls."""
    start = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)
    rows = range(ROWS)

    def some(value):
        return [None if row % 7 == 3 else value(row) for row in rows]

    return pl.DataFrame(
        {
            "bool": some(lambda row: row % 3 == 0),
            "int8": pl.Series(some(lambda row: row % 256 - 128), dtype=pl.Int8),
            "int16": pl.Series(some(lambda row: row * 65 - 32768), dtype=pl.Int16),
            "int32": pl.Series(some(lambda row: row * 4_000_000 - 2**31), dtype=pl.Int32),
            "int64": pl.Series(some(lambda row: row - 2**62), dtype=pl.Int64),
            "uint8": pl.Series(some(lambda row: row % 256), dtype=pl.UInt8),
            "uint16": pl.Series(some(lambda row: row * 65), dtype=pl.UInt16),
            "uint32": pl.Series(some(lambda row: row * 4_000_000), dtype=pl.UInt32),
            "uint64": pl.Series(some(lambda row: row + 2**63), dtype=pl.UInt64),
            "float32": pl.Series(some(lambda row: row / 8), dtype=pl.Float32),
            "float64": some(lambda row: row / 3),
            "text": some(lambda row: "é" * (row % 40)),
            "bytes": some(lambda row: bytes([row % 256]) * (row % 5)),
            "date": some(lambda row: datetime.date(1969, 12, 30) + datetime.timedelta(row)),
            "time": some(lambda row: datetime.time(row % 24, row % 60, row % 60, row)),
            "ms": pl.Series(some(lambda row: start + datetime.timedelta(row)), dtype=pl.Datetime("ms")),
            "us": pl.Series(some(lambda row: start - datetime.timedelta(row)), dtype=pl.Datetime("us", "UTC")),
            "ns": pl.Series(some(lambda row: start), dtype=pl.Datetime("ns")),
            "category": pl.Series(some(lambda row: f"c{row % 5}"), dtype=pl.Categorical),
            "decimal": pl.Series(some(lambda row: decimal.Decimal(row - 500) / 100), dtype=pl.Decimal(12, 2)),
            "list": some(lambda row: [row] * (row % 4)),
            "struct": [{"a": row, "b": str(row)} for row in rows],
            "same": [1] * ROWS,
            "null": pl.Series([None] * ROWS, dtype=pl.Int32),
        }
    )


def main(folder):
    names = []

    def named(name):
        names.append(name)
        return f"{folder}/{name}"

    table = frame()
    for codec in ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        table.write_parquet(named(f"polars-{codec}.parquet"), compression=codec, row_group_size=300)
    table.write_parquet(named("polars-plain.parquet"), use_pyarrow=False, statistics=False)
    for codec in ["uncompressed", "lz4", "zstd"]:
        table.drop("list", "struct", "category").write_ipc(named(f"polars-{codec}.arrow"), compression=codec)
    connection = duckdb.connect()
    connection.execute(
        """
        CREATE TABLE numbers AS SELECT
          CASE WHEN i % 7 <> 3 THEN i::TINYINT END AS tiny,
          CASE WHEN i % 7 <> 3 THEN (i * 300)::INTEGER END AS int,
          CASE WHEN i % 7 <> 3 THEN (i - 4611686018427387904)::BIGINT END AS big,
          (i / 3)::DOUBLE AS double, (i / 8)::FLOAT AS single,
          CASE WHEN i % 5 <> 0 THEN repeat('é', i % 20) END AS text,
          i % 2 = 0 AS bool, DATE '1969-12-30' + i::INTEGER AS date,
          TIMESTAMP '2024-02-29 23:59:59' + INTERVAL (i) SECOND AS at,
          TIMESTAMPTZ '2024-02-29 23:59:59+00' + INTERVAL (i) SECOND AS zoned,
          (i / 100)::DECIMAL(12, 3) AS decimal, range(i % 4) AS list, {'a': i, 'b': i::VARCHAR} AS struct,
          encode(i::VARCHAR) AS bytes
        FROM (SELECT range::INTEGER AS i FROM range(100)) AS rows
        """
    )
    for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"]:
        for version in ["V1", "V2"]:
            path = named(f"duckdb-{codec}-{version}.parquet")
            connection.execute(
                f"COPY numbers TO '{path}' (FORMAT parquet, CODEC {codec}, PARQUET_VERSION {version}, ROW_GROUP_SIZE 2048)"
            )
    print(json.dumps(names))


main(sys.argv[1])
