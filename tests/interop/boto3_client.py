"""boto3 as the other client: reads commands from standard input, one JSON text a line, and answers
each with one line of JSON. Bytes travel as base64. The test on the other side compares.
"""

import base64
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def connect():
    return boto3.client(
        "s3",
        endpoint_url=os.environ["ENDPOINT"],
        aws_access_key_id=os.environ["ACCESS_KEY"],
        aws_secret_access_key=os.environ["SECRET_KEY"],
        region_name=os.environ["REGION"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def put(s3, bucket, key, body, **options):
    answer = s3.put_object(Bucket=bucket, Key=key, Body=base64.b64decode(body), **options)
    return {"etag": answer["ETag"]}


def multipart(s3, bucket, key, parts, **options):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    done = []
    for number, part in enumerate(parts, start=1):
        answer = s3.upload_part(
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            PartNumber=number,
            Body=base64.b64decode(part),
        )
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    answer = s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done}
    )
    return {"etag": answer["ETag"]}


def get(s3, bucket, key, **options):
    answer = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **options)
    return {
        "body": base64.b64encode(answer["Body"].read()).decode(),
        "etag": answer["ETag"],
        "metadata": answer["Metadata"],
        "contentType": answer.get("ContentType"),
        "contentEncoding": answer.get("ContentEncoding"),
        "cacheControl": answer.get("CacheControl"),
        "modified": answer["LastModified"].timestamp() * 1000,
    }


def head(s3, bucket, key):
    answer = s3.head_object(Bucket=bucket, Key=key)
    return {"size": answer["ContentLength"], "etag": answer["ETag"], "metadata": answer["Metadata"]}


def keys(s3, bucket, **options):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **options)
    found = [entry for page in pages for entry in page.get("Contents", [])]
    return {"keys": [entry["Key"] for entry in found], "sizes": [entry["Size"] for entry in found]}


def buckets(s3):
    return {"names": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]}


def create_bucket(s3, bucket):
    s3.create_bucket(Bucket=bucket)
    return {}


def delete_bucket(s3, bucket):
    s3.delete_bucket(Bucket=bucket)
    return {}


def delete(s3, bucket, key):
    s3.delete_object(Bucket=bucket, Key=key)
    return {}


COMMANDS = {
    command.__name__: command
    for command in (put, multipart, get, head, keys, buckets, create_bucket, delete_bucket, delete)
}


def main():
    s3 = connect()
    for line in sys.stdin:
        asked = json.loads(line)
        command = COMMANDS[asked.pop("command")]
        try:
            answer = command(s3, **asked)
        except ClientError as error:
            answer = {"error": error.response["Error"]["Code"]}
        print(json.dumps(answer), flush=True)


main()
