"""NumPy's matrix product, and the best of it."""

import numpy as np

from meter import job_given
from search import search

job = job_given()


def prepare(table):
    def find(queries, wanted):
        scores = table @ queries[0] if len(queries) == 1 else queries @ table.T
        if wanted == 0:
            return scores
        scores = scores.reshape(len(queries), -1)
        best = np.argpartition(-scores, wanted, axis=1)[:, :wanted]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1)

    return find


search(job, prepare)
