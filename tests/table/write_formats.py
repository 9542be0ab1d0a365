"""Writes the files that the tests of formats read, and beside each what it must be read as.

Usage: write_formats.py DIRECTORY FORMAT
"""

import datetime
import decimal
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc

ROWS = 1000


def every_type(rows: int = ROWS, seed: int = 1) -> pa.Table:
    """A table with a column of each type, a tenth of it nulls."""
    chance = random.Random(seed)

    def column(kind: pa.DataType, value) -> pa.Array:
        return pa.array([None if chance.random() < 0.1 else value(row) for row in range(rows)], kind)

    day = datetime.date(2024, 2, 29)
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
    words = ["", "a", "zwölf", "日本語", "x" * 40]
    word = lambda row: words[row % 5]
    columns = {
        "bool": column(pa.bool_(), lambda row: row % 3 == 0),
        **{
            f"int{bits}": column(pa.int64() if bits == 64 else getattr(pa, f"int{bits}")(), lambda row: row % 100 - 50)
            for bits in [8, 16, 32, 64]
        },
        **{f"uint{bits}": column(getattr(pa, f"uint{bits}")(), lambda row: row % 200) for bits in [8, 16, 32, 64]},
        "float32": column(pa.float32(), lambda row: row / 8),
        "float64": column(pa.float64(), lambda row: row / 3),
        "string": column(pa.string(), word),
        "large_string": column(pa.large_string(), word),
        "string_view": column(pa.string_view(), word),
        "binary": column(pa.binary(), lambda row: word(row).encode()),
        "fixed": column(pa.binary(3), lambda row: bytes([row % 256, 1, 2])),
        "date32": column(pa.date32(), lambda row: day + datetime.timedelta(row)),
        "date64": column(pa.date64(), lambda row: day + datetime.timedelta(row)),
        "timestamp_us": column(pa.timestamp("us"), lambda row: moment + datetime.timedelta(row)),
        "timestamp_zone": column(pa.timestamp("ms", "Europe/Berlin"), lambda row: datetime.datetime.fromtimestamp(row * 1e6, datetime.timezone.utc)),
        "time32": column(pa.time32("ms"), lambda row: datetime.time(row % 24, 1, 2, 3000)),
        "time64": column(pa.time64("us"), lambda row: datetime.time(row % 24, 1, 2, 3)),
        "duration": column(pa.duration("us"), lambda row: datetime.timedelta(row)),
        "decimal128": column(pa.decimal128(20, 3), lambda row: decimal.Decimal(row) / 8),
        "decimal256": column(pa.decimal256(50, 3), lambda row: decimal.Decimal(row) / 8),
        "list": column(pa.list_(pa.int32()), lambda row: list(range(row % 4))),
        "large_list": column(pa.large_list(pa.string()), lambda row: [word(row)] * (row % 3)),
        "fixed_list": column(pa.list_(pa.float32(), 2), lambda row: [row, -row]),
        "struct": column(pa.struct([("a", pa.int32()), ("b", pa.string())]), lambda row: {"a": row, "b": word(row)}),
        "map": column(pa.map_(pa.string(), pa.int32()), lambda row: [(f"k{n}", n) for n in range(row % 3)]),
        "dictionary": column(pa.string(), word).dictionary_encode(),
        "null": pa.nulls(rows),
    }
    return pa.table(columns)


def write_stream(table: pa.Table, path: Path, **options) -> None:
    with pa.ipc.new_stream(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=300)


def write_file(table: pa.Table, path: Path, **options) -> None:
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=300)


def arrow(directory: Path) -> None:
    table = every_type()
    write_stream(table, directory / "expected.arrows")
    for name, codec in [("plain", None), ("lz4", "lz4"), ("zstd", "zstd")]:
        write_file(table, directory / f"{name}.arrow", compression=codec)
        write_stream(table, directory / f"{name}.arrows", compression=codec)
    write_file(table, directory / "nameless")
    write_stream(table, directory / "nameless_stream")
    write_file(table.slice(0, 0), directory / "empty.arrow")
    write_stream(table.slice(0, 0), directory / "empty.arrows")
    write_file(pa.table({}), directory / "no_columns.arrow")
    pa.feather.write_feather(table.select(["int64", "string"]), directory / "lz4.feather")
    wide = pa.table({f"c{number}": pa.array([number, None], pa.int32()) for number in range(10_000)})
    write_file(wide, directory / "wide.arrow")
    # Messages that are longer and shorter than what is read at once.
    numbers = pa.table({"a": pa.array(range(3_000_000), pa.int64())})
    with pa.ipc.new_stream(directory / "long.arrows", numbers.schema) as writer:
        for start, rows in [(0, 10), (10, 1_500_000), (1_500_010, 20), (1_500_030, 600_000), (2_100_030, 899_970)]:
            writer.write_table(numbers.slice(start, rows))
    with pa.ipc.new_file(directory / "long.arrow", numbers.schema) as writer:
        writer.write_table(numbers, max_chunksize=700_000)
    # Every type in batches of which some columns are read, with a column between any two.
    import arrow_files
    apart = {}
    for at, (name, array) in enumerate([*arrow_files.columns(), *arrow_files.only_arrow()]):
        apart[name] = pa.concat_arrays([array] * 600)
        apart[f"between {at}"] = pa.array(range(4200), pa.int64())
    apart["words"] = pa.array([f"{row:0100}" for row in range(4200)]).dictionary_encode()
    for name, codec in [("apart", None), ("apart_lz4", "lz4")]:
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_file(directory / f"{name}.arrow", pa.table(apart).schema, options=options) as writer:
            writer.write_table(pa.table(apart), max_chunksize=2100)
    # Dictionaries that grow, and that are replaced.
    kind = pa.schema([("d", pa.dictionary(pa.int32(), pa.string()))])
    for name, words in [("delta", [["a", "b"], ["a", "b", "c"]]), ("replaced", [["a", "b"], ["x"]])]:
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=name == "delta")
        with pa.ipc.new_stream(directory / f"{name}.arrows", kind, options=options) as writer:
            for values in words:
                array = pa.DictionaryArray.from_arrays(pa.array(range(len(values)), pa.int32()), pa.array(values))
                writer.write_batch(pa.record_batch([array], schema=kind))


def text_table(rows: int = ROWS) -> pa.Table:
    """What CSV and NDJSON can say: a tenth of it is null."""
    chance = random.Random(2)
    words = ["a", "zwölf", 'with "quotes"', "a, comma", "two\nlines", "x" * 40]
    day = datetime.date(2024, 2, 29)

    def column(kind: pa.DataType, value) -> pa.Array:
        return pa.array([None if chance.random() < 0.1 else value(row) for row in range(rows)], kind)

    return pa.table({
        "int": column(pa.int64(), lambda row: row * 7 - 1000),
        "float": column(pa.float64(), lambda row: row / 3),
        "bool": column(pa.bool_(), lambda row: row % 3 == 0),
        "text": column(pa.string(), lambda row: words[row % 6]),
        "day": column(pa.date32(), lambda row: day + datetime.timedelta(row)),
        "moment": column(pa.timestamp("us"), lambda row: datetime.datetime(2024, 1, 1, 1, 2, 3, 456789) + datetime.timedelta(hours=row)),
    })


def csv(directory: Path) -> None:
    import bz2
    import gzip
    import lzma

    import polars
    import pyarrow.csv

    table = text_table()
    write_stream(table, directory / "expected.arrows")
    pyarrow.csv.write_csv(table, directory / "pyarrow.csv")
    frame = polars.from_arrow(table)
    frame.write_csv(directory / "polars.csv")
    frame.write_csv(directory / "tabs.tsv", separator="\t")
    frame.write_csv(directory / "quoted.csv", quote_style="always")
    frame.write_csv(directory / "bom.csv", include_bom=True)
    frame.write_csv(directory / "crlf.csv", line_terminator="\r\n")
    frame.write_csv(directory / "nulls.csv", null_value="NA")
    frame.write_csv(directory / "semicolons.txt", separator=";", quote_char="'", include_header=False)
    plain = (directory / "polars.csv").read_bytes()
    (directory / "polars.csv.gz").write_bytes(gzip.compress(plain))
    (directory / "polars.csv.bz2").write_bytes(bz2.compress(plain))
    (directory / "polars.csv.xz").write_bytes(lzma.compress(plain))
    (directory / "polars.csv.zst").write_bytes(pa.compress(plain, "zstd", asbytes=True))
    (directory / "latin.csv").write_bytes("name\nKöln\n".encode("latin1"))
    # Longer than what is looked at and than a piece.
    long = text_table(400_000)
    write_stream(long, directory / "long.arrows")
    pyarrow.csv.write_csv(long, directory / "long.csv")


def ndjson(directory: Path) -> None:
    import gzip
    import json

    import polars

    table = text_table().drop_columns(["day", "moment"])
    table = table.append_column("list", pa.array([list(range(row % 4)) if row % 5 else None for row in range(ROWS)]))
    table = table.append_column("object", pa.array([{"z": row, "a": str(row)} for row in range(ROWS)], pa.struct([("z", pa.int64()), ("a", pa.string())])))
    write_stream(table, directory / "expected.arrows")
    polars.from_arrow(table).write_ndjson(directory / "polars.ndjson")
    lines = (directory / "polars.ndjson").read_bytes()
    (directory / "polars.jsonl.gz").write_bytes(gzip.compress(lines))
    rows = [json.loads(line) for line in lines.splitlines()]
    (directory / "array.json").write_text(json.dumps(rows))
    (directory / "pretty.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False))
    (directory / "lines.json").write_bytes(lines)
    (directory / "array.ndjson").write_text(json.dumps(rows))
    long = text_table(200_000).drop_columns(["day", "moment"])
    write_stream(long, directory / "long.arrows")
    polars.from_arrow(long).write_ndjson(directory / "long.ndjson")
    polars.from_arrow(long).write_json(directory / "long.json")


def arrays(directory: Path) -> None:
    import json

    import numpy
    from safetensors.numpy import save_file

    expected = {}

    def shown(value) -> str:
        """As JavaScript shows it."""
        if isinstance(value, (float, numpy.floating)):
            return str(int(value)) if value == int(value) else repr(float(value))
        return str(int(value))

    def expect(name: str, array, dtype: str) -> None:
        values = [shown(value) for value in array.ravel(order="C")]
        expected[name] = {"dtype": dtype, "shape": list(array.shape), "values": values}

    def save(name: str, array, dtype: str) -> None:
        numpy.save(directory / name, array)
        expect(name, array, dtype)

    for kind in ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]:
        numbers = (numpy.arange(24) % 7).reshape(3, 2, 4).astype(kind)
        save(f"{kind}.npy", numbers, kind)
        if kind != "bool" and numbers.itemsize > 1:
            save(f"{kind}_big.npy", numbers.astype(numbers.dtype.newbyteorder(">")), kind)
    save("fortran.npy", numpy.asfortranarray(numpy.arange(24.0).reshape(3, 2, 4)), "float64")
    save("scalar.npy", numpy.array(42.5), "float64")
    save("flat.npy", numpy.arange(10, dtype="int64"), "int64")
    save("empty.npy", numpy.zeros((0, 3), "float32"), "float32")
    numpy.save(directory / "text.npy", numpy.array(["a", "b"]))
    numpy.save(directory / "bytes.npy", numpy.array([b"a", b"b"]))
    numpy.save(directory / "complex.npy", numpy.array([1j]))
    numpy.save(directory / "records.npy", numpy.zeros(3, [("height", "f4"), ("name", "U3")]))
    tensors = {
        "weights": numpy.arange(12, dtype="float32").reshape(3, 4),
        "halves": numpy.arange(6, dtype="float16"),
        "ids": numpy.arange(5, dtype="int64"),
        "flags": numpy.array([True, False]),
    }
    save_file(tensors, directory / "model.safetensors", metadata={"made": "by a test"})
    for name, array in tensors.items():
        expect(f"model.safetensors#{name}", array, str(array.dtype))
    (directory / "expected.json").write_text(json.dumps(expected))


def numpy(directory: Path) -> None:
    import zipfile

    import numpy as np

    expected = {}
    kinds = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
    arrays = {}
    for kind in kinds:
        numbers = (np.arange(1000) % 7).astype(kind)
        arrays[kind] = numbers
        if numbers.itemsize > 1:
            arrays[f"{kind}_big"] = numbers.astype(numbers.dtype.newbyteorder(">"))
    words = ["", "a", "zwölf", "日本語", "x" * 40]
    arrays["text"] = np.array([words[row % 5] for row in range(1000)])
    arrays["text_big"] = arrays["text"].astype(arrays["text"].dtype.newbyteorder(">"))
    arrays["bytes"] = np.array([words[row % 5].encode() for row in range(1000)])
    days = np.array(["2024-02-29", "NaT"] * 500, "datetime64[D]")
    arrays["days"] = days
    for unit in ["s", "ms", "us", "ns"]:
        arrays[f"moments_{unit}"] = days.astype(f"datetime64[{unit}]")
        arrays[f"durations_{unit}"] = (np.arange(1000) * 3600).astype(f"timedelta64[{unit}]")

    def column(array) -> pa.Array:
        array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype.kind == "S":
            return pa.array([value.decode() for value in array])
        return pa.array(array)

    def expect(name: str, columns: dict) -> None:
        table = pa.table({name: column(array) for name, array in columns.items()})
        write_stream(table, directory / f"{name}.expected")

    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
        expect(f"{name}.npy", {"values": array})
    matrix = np.arange(3000.0).reshape(1000, 3)
    for name, array in [("rows", matrix), ("columns", np.asfortranarray(matrix)), ("ints", matrix.astype(">i2"))]:
        np.save(directory / f"{name}.npy", array)
        expect(f"{name}.npy", {f"column_{at}": array[:, at] for at in range(3)})
    np.save(directory / "nameless.npy", arrays["int32"])
    (directory / "nameless.npy").rename(directory / "nameless")
    expect("nameless", {"values": arrays["int32"]})
    np.save(directory / "scalar.npy", np.array(42.5))
    expect("scalar.npy", {"values": np.array([42.5])})
    np.save(directory / "empty.npy", np.zeros(0, "int32"))
    expect("empty.npy", {"values": np.zeros(0, "int32")})
    np.save(directory / "narrow.npy", np.zeros((5, 0), "int32"))
    many = {**arrays, "matrix": matrix}
    many_columns = {**arrays, **{f"matrix_{at}": matrix[:, at] for at in range(3)}}
    np.savez(directory / "stored.npz", **many)
    np.savez_compressed(directory / "deflated.npz", **many, fortran=np.asfortranarray(matrix))
    expect("stored.npz", many_columns)
    expect("deflated.npz", {**many_columns, **{f"fortran_{at}": matrix[:, at] for at in range(3)}})
    np.savez(directory / "uneven.npz", x=np.arange(3), y=np.arange(4), z=np.arange(3.0), w=np.array([1j] * 3))
    expect("uneven.npz", {"z": np.arange(3.0), "x": np.arange(3)})
    np.savez(directory / "wide.npz", **{f"c{at}": np.array([at, -at], "int32") for at in range(3000)})
    expect("wide.npz", {f"c{at}": np.array([at, -at], "int32") for at in range(3000)})
    # A name ends with what the names of files end with; one array does not fit in what is looked at first.
    small = {f"c{at}": np.array([at, -at, at * at, 7], "int64") for at in range(2000)}
    small["c7.npy"] = np.array([1, 2, 3, 4], "int16")
    small["noise"] = np.random.default_rng(5).integers(0, 2**50, (4, 300))
    np.savez_compressed(directory / "small.npz", **small)
    noise = small.pop("noise")
    expect("small.npz", {**small, **{f"noise_{at}": noise[:, at] for at in range(300)}})
    # Longer than a batch.
    long = np.arange(6_000_000, dtype="float64")
    np.save(directory / "long.npy", long)
    np.savez_compressed(directory / "long.npz", a=long, b=(long % 100).astype("int16"))
    np.save(directory / "records.npy", np.zeros(3, [("height", "f4"), ("name", "U3")]))
    np.save(directory / "complex.npy", np.array([1j]))
    np.save(directory / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    np.save(directory / "cube.npy", np.zeros((2, 3, 4)))
    np.save(directory / "odd_bytes.npy", np.array([b"\xff\xfe"]))
    with zipfile.ZipFile(directory / "other.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(directory / "int32.npy", "x.npy")
    with zipfile.ZipFile(directory / "none.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")


def extremes(directory: Path) -> None:
    import pyarrow.parquet as pq

    wide = pa.table({f"c{number}": pa.array([number, None, -number], pa.int32()) for number in range(10_000)})
    pq.write_table(wide, directory / "wide.parquet")
    # One row group of a GiB, which is short in the file: numbers that repeat.
    rows = 1 << 23
    column = pa.array(range(1 << 10), pa.int64())
    column = pa.concat_arrays([column] * (rows >> 10))
    big = pa.table({f"n{number}": column for number in range(16)})
    pq.write_table(big, directory / "big.parquet", row_group_size=rows, compression="zstd", write_statistics=False)
    pq.write_table(pa.table({"a": pa.array(range(1000), pa.int64()), "b": pa.array(range(1000))}), directory / "small.parquet", compression="none")
    # Without columns: a file of Parquet has rows all the same.
    none = pa.table({"x": pa.array([1, 2, 3])}).select([])
    pq.write_table(none, directory / "none.parquet")
    # Row groups and batches of about a MiB, for readers that share a small budget.
    chance = random.Random(3)
    shared = pa.table({"a": pa.array([chance.getrandbits(60) for _ in range(400_000)], pa.int64())})
    pq.write_table(shared, directory / "shared.parquet", row_group_size=50_000)
    with pa.ipc.new_file(directory / "shared.arrow", shared.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(shared, max_chunksize=50_000)
    with pa.ipc.new_stream(directory / "shared.arrows", shared.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(shared, max_chunksize=50_000)
    import numpy as np
    import pyarrow.csv

    pyarrow.csv.write_csv(shared, directory / "shared.csv")
    (directory / "shared.ndjson").write_text("".join(f'{{"a": {value}}}\n' for value in shared["a"].to_pylist()))
    np.savez_compressed(directory / "shared.npz", a=shared["a"].to_numpy())


def public(directory: Path) -> None:
    """The files of Parquet and Feather that pyarrow is tested with, as far as its package carries them."""
    import shutil

    import pyarrow.parquet as pq

    root = Path(pa.__file__).parent / "tests" / "data"
    for path in sorted(root.rglob("*")):
        if path.suffix not in [".parquet", ".feather"]:
            continue
        table = pq.read_table(path) if path.suffix == ".parquet" else pa.feather.read_table(path)
        shutil.copy(path, directory / path.name)
        write_stream(table, directory / f"{path.name}.expected")


def spark(directory: Path) -> None:
    """The files of Parquet that Spark is tested with, which many programs wrote."""
    import io
    import os
    import zipfile

    import pyarrow.parquet as pq

    with zipfile.ZipFile(os.environ["DIPPER_TEST_SPARK_FILES"]) as jar:
        for member in jar.namelist():
            folder, _, name = member.partition("/")
            if folder != "test-data" or Path(name).suffix not in [".parquet", ".parq"]:
                continue
            content = jar.read(member)
            (directory / name).write_bytes(content)
            write_stream(pq.read_table(io.BytesIO(content)), directory / f"{name}.expected")


if __name__ == "__main__":
    _, target, what = sys.argv
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    globals()[what](folder)
