"""s3dlio, which reads large objects in ranges by itself."""

import os

from meter import job_given, run

job = job_given()
os.environ["AWS_ENDPOINT_URL"] = job["endpoint"]
os.environ["AWS_ENDPOINT_URL_S3"] = job["endpoint"]
os.environ["AWS_REGION"] = "us-east-1"
os.environ["AWS_ACCESS_KEY_ID"] = job["accessKeyId"]
os.environ["AWS_SECRET_ACCESS_KEY"] = job["secretAccessKey"]
if job.get("ca"):
    os.environ["AWS_CA_BUNDLE_PATH"] = job["ca"]

import s3dlio  # noqa: E402 -- it reads the environment


def uri(key):
    return f"s3://{job['bucket']}/{key}"


def get(key):
    return s3dlio.get(uri(key))


def one():
    return len(get(job["key"]))


def small(keys):
    return [data for _, data in s3dlio.get_many([uri(key) for key in keys], job["parallel"])]


def keys():
    return len(s3dlio.list(f"s3://{job['bucket']}/", recursive=True))


def put(key, body):
    s3dlio.put_bytes(uri(key), body)


run(job, get, one, small, keys, put)
