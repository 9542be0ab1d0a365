"""NumPy's side of tables in files: writes matrices in many forms, and reads what dipper wrote.

    numpy_files.py write FOLDER    writes *.npy, and prints what is in them as JSON
    numpy_files.py read FILE       prints what is in a file as JSON
    numpy_files.py search FILE K   prints the nearest rows to the first three, by every metric
"""

import json
import sys

import numpy as np

ROWS, COLUMNS = 5000, 97


def matrix() -> np.ndarray:
    """Numbers that half precision holds exactly."""
    numbers = np.arange(ROWS * COLUMNS, dtype=np.float64) % 2039 - 1000
    return numbers.reshape(ROWS, COLUMNS) / 8


def write(folder: str) -> None:
    exact = matrix()
    names = []
    for kind in ("f2", "f4", "f8"):
        for order in ("<", ">"):
            for layout in ("C", "F"):
                name = f"{kind}{'le' if order == '<' else 'be'}{layout}.npy"
                np.save(f"{folder}/{name}", np.asarray(exact, dtype=order + kind, order=layout))
                names.append(name)
    with open(f"{folder}/version2.npy", "wb") as file:
        np.lib.format.write_array(file, exact.astype("<f4"), version=(2, 0))
    with open(f"{folder}/version3.npy", "wb") as file:
        np.lib.format.write_array(file, exact.astype("<f4"), version=(3, 0))
    np.save(f"{folder}/empty.npy", np.zeros((0, COLUMNS), dtype="<f4"))
    shown = {"rows": ROWS, "columns": COLUMNS, "first": exact[0].tolist(), "last": exact[-1].tolist()}
    print(json.dumps({"names": [*names, "version2.npy", "version3.npy"], **shown}))


def read(path: str) -> None:
    array = np.load(path)
    mapped = np.load(path, mmap_mode="r")
    print(
        json.dumps(
            {
                "type": array.dtype.str,
                "shape": array.shape,
                "contiguous": bool(array.flags["C_CONTIGUOUS"]),
                "start": int(mapped.offset),
                "sum": float(array.astype(np.float64).sum()),
                "last": array[-1].tolist(),
            }
        )
    )


def search(path: str, k: int) -> None:
    table = np.load(path).astype(np.float64)
    found = {}
    for query in range(3):
        asked = table[query]
        scores = {
            "dot": -(table @ asked),
            "cosine": -(table @ asked) / np.linalg.norm(table, axis=1) / np.linalg.norm(asked),
            "euclidean": np.linalg.norm(table - asked, axis=1),
        }
        for metric, keys in scores.items():
            found.setdefault(metric, []).append(np.argsort(keys, kind="stable")[:k].tolist())
    print(json.dumps(found))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    {"write": write, "read": read, "search": lambda path, k: search(path, int(k))}[command](*rest)
