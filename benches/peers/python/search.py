"""The job of whoever searches: a table of random vectors, asked again and again."""

import time

import numpy as np

from meter import measured, report

DIMENSION = 768


def search(job, prepare):
    """`prepare` takes the table and gives a function of queries and how many are wanted."""
    random = np.random.default_rng(1)
    rows = job["size"] // DIMENSION // 4
    table = random.random((rows, DIMENSION), dtype=np.float32) - np.float32(0.5)
    queries = random.random((job["parallel"], DIMENSION), dtype=np.float32) - np.float32(0.5)
    find = prepare(table)
    wanted = 0 if job.get("way") == "scores" else 10
    find(queries, wanted)

    def again_and_again():
        times = []
        for _ in range(job["count"]):
            start = time.perf_counter()
            find(queries, wanted)
            times.append(time.perf_counter() - start)
        operations = job["count"] * job["parallel"]
        return job["size"] * operations, operations, times

    report(measured(again_and_again))
