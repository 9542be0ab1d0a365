"""NumPy, measured as its peers are: an array of numbers multiplied in place, again and again."""

import time

import numpy
from meter import job_given, measured, report

job = job_given()
kind = numpy.float64 if job["way"] == "f64" else numpy.float32
x = numpy.ones(job["size"] // numpy.dtype(kind).itemsize, dtype=kind)
for _ in range(job["settle"]):
    x *= 1.5
    x[:] = 1


def scaled():
    global x
    times = []
    for index in range(job["count"]):
        # So that the numbers neither grow beyond all bounds nor vanish.
        factor = 1.5 if index % 2 == 0 else 1 / 1.5
        start = time.perf_counter()
        x *= factor
        times.append(time.perf_counter() - start)
    return job["size"] * job["count"], job["count"], times


report(measured(scaled))
