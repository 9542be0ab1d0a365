"""obstore: Rust's object_store in Python."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import obstore
from obstore.store import S3Store

from meter import job_given, run

job = job_given()
store = S3Store(
    job["bucket"],
    endpoint=job["endpoint"],
    region="us-east-1",
    access_key_id=job["accessKeyId"],
    secret_access_key=job["secretAccessKey"],
    virtual_hosted_style_request=False,
    client_options={"allow_http": True},
)


def get(key):
    return obstore.get(store, key).bytes()


def one():
    if job["parallel"] <= 1:
        return len(get(job["key"]))
    size, count = job["size"], job["parallel"]
    each = -(-size // count)
    with ThreadPoolExecutor(count) as pool:
        parts = pool.map(
            lambda start: obstore.get_range(
                store, job["key"], start=start, end=min(start + each, size)
            ),
            range(0, size, each),
        )
        memory = bytearray(size)
        at = 0
        for part in parts:
            memory[at : at + len(part)] = part
            at += len(part)
    return at


def small(keys):
    async def one_of_them(places, key):
        async with places:
            return await (await obstore.get_async(store, key)).bytes_async()

    async def all_of_them():
        places = asyncio.Semaphore(job["parallel"])
        return await asyncio.gather(*(one_of_them(places, key) for key in keys))

    return asyncio.run(all_of_them())


def keys():
    return sum(len(page) for page in obstore.list(store))


def put(key, body):
    obstore.put(store, key, body)


run(job, get, one, small, keys, put)
