"""boto3: one `get_object` read whole, or its transfer manager, which reads parts in threads."""

import io
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from meter import job_given, run

job = job_given()
client = boto3.client(
    "s3",
    endpoint_url=job["endpoint"],
    region_name="us-east-1",
    aws_access_key_id=job["accessKeyId"],
    aws_secret_access_key=job["secretAccessKey"],
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=64),
)


def get(key):
    return client.get_object(Bucket=job["bucket"], Key=key)["Body"].read()


def one():
    if job.get("way") == "get_object":
        return len(get(job["key"]))
    memory = io.BytesIO()
    client.download_fileobj(job["bucket"], job["key"], memory, Config=TransferConfig())
    return memory.getbuffer().nbytes


def small(keys):
    with ThreadPoolExecutor(job["parallel"]) as pool:
        return list(pool.map(get, keys))


def keys():
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=job["bucket"])
    return sum(len(page.get("Contents", [])) for page in pages)


def put(key, body):
    client.upload_fileobj(io.BytesIO(body), job["bucket"], key)


def put_stream(key, file):
    client.upload_fileobj(file, job["bucket"], key)


run(job, get, one, small, keys, put, put_stream)
