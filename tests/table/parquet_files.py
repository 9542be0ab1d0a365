"""Writes the files that many_files_test.ts reads as one, below the directory it is given."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.parquet as parquet

root = Path(sys.argv[1])


def write(name, /, **columns):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


# A table in folders, as pyarrow itself partitions it.
rows = pa.table({
    "year": pa.array([2023, 2023, 2024, 2024, 2024], pa.int32()),
    "place": ["a b", "c/d", "a b", None, "c/d"],
    "n": pa.array([1, 2, 3, 4, 5], pa.int64()),
})
dataset.write_dataset(
    rows,
    root / "hive",
    format="parquet",
    partitioning=dataset.partitioning(
        pa.schema([("year", pa.int32()), ("place", pa.string())]), flavor="hive"
    ),
)
(root / "hive" / "_SUCCESS").write_text("")

# The same columns in other orders and types.
write("mixed/1.parquet", id=pa.array([1, 2], pa.int32()), x=pa.array([0.5, 1.5], pa.float32()))
write(
    "mixed/2.parquet",
    x=pa.array([2.5], pa.float64()),
    id=pa.array([3_000_000_000], pa.int64()),
    name=pa.array(["three"]),
)
write("mixed/3.parquet", id=pa.array([4], pa.uint8()), name=pa.array([None], pa.string()))

# Types that no type holds.
write("unlike/1.parquet", id=pa.array([1], pa.int32()))
write("unlike/2.parquet", id=pa.array(["two"]))

# Text-like numbers and dates.
for day, code in [("2024-01-01", "007"), ("2024-01-02", "12")]:
    write(f"days/day={day}/code={code}/part.parquet", n=pa.array([1], pa.int32()))

for index in range(50):
    write(f"fifty/{index:02}.parquet", n=pa.array([index] * 3, pa.int32()))
