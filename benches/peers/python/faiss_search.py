"""faiss: an index that looks at every vector."""

import faiss

from meter import job_given
from search import DIMENSION, search

job = job_given()


def prepare(table):
    euclidean = job.get("way") == "euclidean"
    index = faiss.IndexFlatL2(DIMENSION) if euclidean else faiss.IndexFlatIP(DIMENSION)
    index.add(table)

    def find(queries, wanted):
        return index.search(queries, wanted)

    return find


search(job, prepare)
