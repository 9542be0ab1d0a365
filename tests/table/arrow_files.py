# Writes files of every type of Arrow with pyarrow, and tells the values of a file, in a form that
# JSON and JavaScript agree on: integers, times and decimals as their digits, bytes as hexadecimal.
#
#   arrow_files.py write FOLDER   names and values of the files that were written
#   arrow_files.py read PATH...   names, types and values of files
#   arrow_files.py polars PATH...   values of files of text, as polars reads them

import datetime
import decimal
import json
import sys

import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet as pq


def plain(array):
    """The values of an array."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in plain(chunk)]
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pa.types.is_dictionary(kind):
        values = plain(array.dictionary)
        return [None if key is None else values[key] for key in array.indices.to_pylist()]
    if pa.types.is_run_end_encoded(kind):
        values = plain(array.values)
        ends = array.run_ends.to_pylist()
        decoded, run = [], 0
        for index in range(array.offset, array.offset + len(array)):
            while ends[run] <= index:
                run += 1
            decoded.append(values[run])
        return decoded
    if pa.types.is_struct(kind):
        fields = {kind.field(i).name: plain(array.field(i)) for i in range(kind.num_fields)}
        valid = array.is_valid().to_pylist()
        return [
            {name: values[row] for name, values in fields.items()} if valid[row] else None
            for row in range(len(array))
        ]
    if pa.types.is_map(kind):
        return [
            None if value is None else [[plain_one(kind.key_type, k), plain_one(kind.item_type, v)] for k, v in value]
            for value in array.to_pylist()
        ]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind) \
            or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return [
            None if not value.is_valid else plain(value.values) for value in array
        ]
    if pa.types.is_date(kind):
        epoch = datetime.date(1970, 1, 1)
        return [None if v is None else str((v - epoch).days * 86400000) for v in array.to_pylist()]
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        # Nanoseconds: Parquet has no seconds.
        unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        whole = array.view(pa.int32() if pa.types.is_time32(kind) else pa.int64())
        return [None if v is None else str(v * unit) for v in whole.to_pylist()]
    return [plain_one(kind, value) for value in array.to_pylist()]


def plain_one(kind, value):
    if value is None:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        with decimal.localcontext() as context:
            context.prec = 100
            return str(int(value.scaleb(kind.scale)))
    if isinstance(value, pa.MonthDayNano):
        return [value.months, value.days, value.nanoseconds]
    return value


def columns():
    """Every type, with nulls, extremes and nothing."""
    big = 2**63 - 1
    nanoseconds = 1732320000123456789
    texts = ["", None, "a", "äöü", "a string that is longer than twelve bytes", None, "🦢"]
    binaries = [b"", None, b"\x00", b"\xff\xfe", bytes(range(40)), None, b"end"]
    yield "null", pa.nulls(7)
    yield "bool", pa.array([True, None, False, True, True, None, False])
    for bits in (8, 16, 32, 64):
        edge = 2 ** (bits - 1)
        yield f"int{bits}", pa.array([0, None, -edge, edge - 1, 1, None, -1], getattr(pa, f"int{bits}")())
        yield f"uint{bits}", pa.array([0, None, 2 * edge - 1, 1, 2, None, 3], getattr(pa, f"uint{bits}")())
    special = [0.0, None, float("nan"), float("inf"), float("-inf"), None, -1.5]
    import numpy
    yield "float16", pa.array([None if v is None else numpy.float16(v) for v in special], pa.float16())
    yield "float32", pa.array(special, pa.float32())
    yield "float64", pa.array([5e-324, None, 1.7976931348623157e308, 0.1, -0.1, None, 3.0])
    yield "utf8", pa.array(texts)
    yield "largeUtf8", pa.array(texts, pa.large_utf8())
    yield "utf8View", pa.array(texts, pa.string_view())
    yield "binary", pa.array(binaries)
    yield "largeBinary", pa.array(binaries, pa.large_binary())
    yield "binaryView", pa.array(binaries, pa.binary_view())
    yield "fixedSizeBinary", pa.array([b"abc", None, b"\x00\x01\x02", b"xyz", b"   ", None, b"end"], pa.binary(3))
    digits = [decimal.Decimal(v) if v is not None else None for v in ("0", None, "1.23", "-1.23", "99999.99", None, "-0.01")]
    yield "decimal32", pa.array(digits, pa.decimal32(9, 2))
    yield "decimal64", pa.array(digits, pa.decimal64(18, 2))
    yield "decimal128", pa.array(digits[:-1] + [decimal.Decimal("-123456789012345678901234567890123456.78")], pa.decimal128(38, 2))
    yield "decimal256", pa.array(digits[:-1] + [decimal.Decimal("9" * 74 + ".99")], pa.decimal256(76, 2))
    days = [0, None, 1, -1, 20000, None, -719162]
    yield "date32", pa.array(days, pa.int32()).view(pa.date32())
    yield "date64", pa.array([None if d is None else d * 86400000 for d in days], pa.int64()).view(pa.date64())
    times = [0, None, 1, 86399, 3600, None, 60]
    yield "time32s", pa.array(times, pa.int32()).view(pa.time32("s"))
    yield "time32ms", pa.array(times, pa.int32()).view(pa.time32("ms"))
    yield "time64us", pa.array(times, pa.int64()).view(pa.time64("us"))
    yield "time64ns", pa.array(times, pa.int64()).view(pa.time64("ns"))
    for unit, per_unit in (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)):
        moments = [0, None, 1, -1, nanoseconds // per_unit, None, -62135596800]
        yield f"timestamp_{unit}", pa.array(moments, pa.int64()).view(pa.timestamp(unit))
        yield f"zoned_{unit}", pa.array(moments, pa.int64()).view(pa.timestamp(unit, "Europe/Berlin"))
        yield f"duration_{unit}", pa.array(moments, pa.int64()).view(pa.duration(unit))
    yield "interval", pa.array([pa.MonthDayNano([1, -2, 3]), None, pa.MonthDayNano([0, 0, 0]), pa.MonthDayNano([-12, 31, 2**40]), None, None, pa.MonthDayNano([1, 1, 1])])
    numbers = [[1, 2, None], None, [], [big], [-1, 0], None, [7]]
    yield "list", pa.array(numbers, pa.list_(pa.int64()))
    yield "largeList", pa.array(numbers, pa.large_list(pa.int64()))
    yield "listView", pa.array(numbers, pa.list_view(pa.int64()))
    yield "largeListView", pa.array(numbers, pa.large_list_view(pa.int64()))
    yield "listOfTexts", pa.array([["a", None], None, [], ["b" * 20], [""], None, ["c"]], pa.list_(pa.utf8()))
    yield "fixedSizeList", pa.array([[1.0, 2.0], None, [3.0, None], [5.0, 6.0], [0.5, 0.25], None, [7.0, 8.0]], pa.list_(pa.float32(), 2))
    yield "struct", pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, {"a": 3, "b": None}, {"a": 4, "b": ""}, None, {"a": 5, "b": "z"}], pa.struct([("a", pa.int32()), ("b", pa.utf8())]))
    yield "deep", pa.array([[{"t": [[1], None]}], None, [], [None], [{"t": None}, {"t": []}], None, [{"t": [[2, 3]]}]], pa.list_(pa.struct([("t", pa.list_(pa.list_(pa.int16())))])))
    yield "map", pa.array([[("a", 1), ("b", None)], None, [], [("c", 3)], [("d", 4)], None, [("e", 5)]], pa.map_(pa.utf8(), pa.int32()))
    yield "dictionary", pa.array(texts).dictionary_encode()
    yield "dictionaryOfNumbers", pa.array([big, None, big, -1, -1, None, 0]).dictionary_encode()
    yield "dictionary8", pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 1, 0, None, 2], pa.int8()), pa.array(["x", "y", "z"]))
    yield "listOfDictionary", pa.ListArray.from_arrays(pa.array([0, 1, 1, 3, 4, 4, 5, 6]), pa.array(["p", "q", "p", None, "q", "r"]).dictionary_encode())


ONLY_ARROW = {"interval", "listView", "largeListView"}


def only_arrow():
    """What a file of Parquet has no place for."""
    children = [pa.array([1, 2, 3, 4, 5, 6, 7]), pa.array(["a", "b", None, "d", "e", "f", "g"])]
    ids = pa.array([0, 1, 1, 0, 1, 0, 0], pa.int8())
    yield "sparseUnion", pa.UnionArray.from_sparse(ids, children)
    dense = [pa.array([1, 2, 3, 4]), pa.array(["b", None, "e"])]
    yield "denseUnion", pa.UnionArray.from_dense(ids, pa.array([0, 0, 1, 1, 2, 2, 3], pa.int32()), dense)
    yield "runEnd", pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 7], pa.int32()), pa.array(["x", None, "y"]))
    yield "runEnd16", pa.RunEndEncodedArray.from_arrays(pa.array([1, 7], pa.int16()), pa.array([1.5, 2.5]))


def union_values(name):
    if name == "sparseUnion":
        return ["1", "b", None, "4", "e", "6", "7"]
    return ["1", "b", None, "2", "e", "3", "4"]


def told(table):
    names = table.column_names
    values = {
        name: union_values(name) if name.endswith("Union") else plain(table.column(name))
        for name in names
    }
    return {"names": names, "types": [str(field.type) for field in table.schema], "rows": table.num_rows, "values": values}


def write(folder):
    files = []

    def wrote(name, table):
        files.append({"name": name, **told(table)})

    every = list(columns())
    table = pa.table(dict(every))
    # Parquet says dates of milliseconds as days, and moments of seconds as milliseconds.
    no_place = ONLY_ARROW | {"date64", "float16"}
    for column in table.drop_columns(sorted(no_place | {"float16"})).column_names:
        one = table.select([column])
        try:
            pq.write_table(one, f"{folder}/{column}.parquet", store_schema=True)
        except pa.ArrowNotImplementedError:
            continue
        wrote(f"{column}.parquet", pq.read_table(f"{folder}/{column}.parquet"))
    half = table.select(["float16"])
    pq.write_table(half, f"{folder}/float16.parquet")
    wrote("float16.parquet", half)
    for name, array in every + list(only_arrow()):
        one = pa.table({name: array})
        with pa.ipc.new_file(f"{folder}/{name}.arrow", one.schema) as writer:
            writer.write_table(one)
        wrote(f"{name}.arrow", one)
        if not pa.types.is_union(array.type) and not pa.types.is_null(array.type):
            cut = pa.table({name: array.slice(2, 4)})
            with pa.ipc.new_file(f"{folder}/{name}_slice.arrow", cut.schema) as writer:
                writer.write_table(cut)
            wrote(f"{name}_slice.arrow", cut)
    return files


def read(path):
    if path.endswith(".parquet"):
        return told(pq.read_table(path))
    if path.endswith(".arrows"):
        with pa.ipc.open_stream(path) as reader:
            return told(reader.read_all())
    if path.endswith(".arrow"):
        with pa.ipc.open_file(path) as reader:
            return told(reader.read_all())
    with text(path) as stream:
        if ".csv" in path:
            # As it can tell empty texts from nulls.
            options = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
            return told(pa.csv.read_csv(stream, convert_options=options))
        if ".ndjson" in path:
            return told(pa.json.read_json(stream))
        return told(pa.Table.from_pylist(json.load(stream)))


def text(path):
    """The text of a file, which may be compressed."""
    codecs = {".gz": "gzip", ".zst": "zstd"}
    codec = codecs.get(path[path.rindex("."):])
    return pa.input_stream(path, compression=codec)


def read_by_polars(path):
    with text(path) as stream:
        content = stream.read()
    if ".csv" in path:
        frame = polars.read_csv(content)
    elif ".ndjson" in path:
        frame = polars.read_ndjson(content)
    else:
        frame = polars.read_json(content)
    return frame.to_dict(as_series=False)


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    reader = read_by_polars if command == "polars" else read
    told_all = write(paths[0]) if command == "write" else [reader(path) for path in paths]
    print(json.dumps(told_all))
