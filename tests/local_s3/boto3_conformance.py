"""boto3 against an S3 server: what other clients do with the embedded server, operation by operation.

The server is named by DIPPER_TEST_ENDPOINT, DIPPER_TEST_ACCESS_KEY, DIPPER_TEST_SECRET_KEY and
DIPPER_TEST_REGION. DIPPER_TEST_SEED repeats the random sequence of an earlier run; the seed is printed.
Run with `python boto3_conformance.py`; the last line is unittest's summary.
"""

import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import io
import os
import random
import socket
import sys
import threading
import time
import unittest
import unittest.mock
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ENDPOINT = os.environ["DIPPER_TEST_ENDPOINT"]
ACCESS_KEY = os.environ["DIPPER_TEST_ACCESS_KEY"]
SECRET_KEY = os.environ["DIPPER_TEST_SECRET_KEY"]
REGION = os.environ["DIPPER_TEST_REGION"]
SEED = int(os.environ.get("DIPPER_TEST_SEED", random.SystemRandom().randrange(2**32)))
MIB = 1024 * 1024

HOSTILE_KEYS = [
    "a", "a/b", "a/b/c", "a//b", "a/", "tr/", "tr//", "../x", "../../../../etc/passwd", "x/../y", "..", ".",
    "./x", "/abs", "//two", "/", "pl+us", "sp ace", " ", " lead", "trail ", "%41", "%", "%2F", "a%2Fb", "?", "q?x=1",
    "#", "h#y", "&", "a&b=c", "=", ";", ":", "c:\\windows", "\\", "back\\slash", "*", "|", "<x>", "\"quoted\"", "'", "~",
    "`", "$HOME", "{}", "[]", "(x)", "!", "@", "^", ",", "tab\there", "new\nline", "\x00nul", "a\x00", "\x01", "\x7f",
    "\x1b[31m", "é", "e\u0301", "ß", "😀", "👩\u200d🚀", "日本語/キー", "\u202eright", "\ufeff", "A", "Ab", "aB",
    "nul", "con", "lpt1.txt", ".hidden", "-dash", "--", "x" * 255, "x" * 256, "y" * 1024, "é" * 512,
    "/".join(["d"] * 512), "s/" * 100 + "end", "bucket.json", "objects", "tmp", "upload.json",
]


def client(secret=SECRET_KEY, access=ACCESS_KEY, **options):
    settings = {
        "retries": {"max_attempts": 1, "mode": "standard"},
        "s3": {"addressing_style": "path"},
        "signature_version": "s3v4",
    }
    settings.update(options)
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=Config(**settings),
    )


S3 = client()
HOST = urllib.parse.urlsplit(ENDPOINT)


def md5(data):
    return hashlib.md5(data).hexdigest()


def sha256_base64(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def crc32_base64(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def crc_reflected(data, polynomial, bits):
    """A CRC bit by bit, slow and independent of the server's."""
    mask = (1 << bits) - 1
    value = mask
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
    return base64.b64encode((value ^ mask).to_bytes(bits // 8, "big")).decode()


def crc32c_base64(data):
    return crc_reflected(data, 0x82F63B78, 32)


def crc64nvme_base64(data):
    return crc_reflected(data, 0x9A6C9329AC4BC9B5, 64)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def signed(method, path, headers=None, body=b"", query="", payload_hash=None, sent_path=None):
    """A request signed by botocore and sent as it is: for what boto3 does not send.

    `sent_path` is another spelling of `path`, which is what the signature is for.
    """
    url = ENDPOINT + path + ("?" + query if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    request.headers["x-amz-content-sha256"] = payload_hash or hashlib.sha256(body).hexdigest()

    class Auth(SigV4Auth):
        """S3 signs the path as it stands: encoded once, nothing folded."""

        def _normalize_url_path(self, path):
            return path

    Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection(HOST.hostname, HOST.port, timeout=30)
    try:
        target = (sent_path or path) + ("?" + query if query else "")
        connection.request(method, target, body=body, headers=dict(request.headers))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


class S3Case(unittest.TestCase):
    """Each class has a bucket of its own, removed behind it."""

    @classmethod
    def setUpClass(cls):
        cls.bucket = "t-" + uuid.uuid4().hex
        S3.create_bucket(Bucket=cls.bucket)

    @classmethod
    def tearDownClass(cls):
        for upload in S3.list_multipart_uploads(Bucket=cls.bucket).get("Uploads", []):
            S3.abort_multipart_upload(Bucket=cls.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in S3.get_paginator("list_object_versions").paginate(Bucket=cls.bucket):
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                S3.delete_object(Bucket=cls.bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        S3.delete_bucket(Bucket=cls.bucket)

    def fails(self, code, status, call, *arguments, **options):
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **options)
        response = caught.exception.response
        self.assertEqual((response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]), (code, status))
        self.assertTrue(response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-request-id"))
        return response

    def put(self, key, body=b"", **options):
        return S3.put_object(Bucket=self.bucket, Key=key, Body=body, **options)

    def get(self, key, **options):
        return S3.get_object(Bucket=self.bucket, Key=key, **options)

    def body(self, key, **options):
        return self.get(key, **options)["Body"].read()

    def head(self, key, **options):
        return S3.head_object(Bucket=self.bucket, Key=key, **options)

    def keys(self, **options):
        return [entry["Key"] for entry in S3.list_objects_v2(Bucket=self.bucket, **options).get("Contents", [])]


class Buckets(S3Case):
    def test_create_head_list_location_delete(self):
        name = "made-" + uuid.uuid4().hex[:8]
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
        self.assertEqual(S3.create_bucket(Bucket=name)["Location"], "/" + name)
        head = S3.head_bucket(Bucket=name)
        self.assertEqual(head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], REGION)
        listed = {bucket["Name"]: bucket["CreationDate"] for bucket in S3.list_buckets()["Buckets"]}
        self.assertGreaterEqual(listed[name], before)
        self.assertIsNone(S3.get_bucket_location(Bucket=name)["LocationConstraint"])
        self.fails("BucketAlreadyOwnedByYou", 409, S3.create_bucket, Bucket=name)
        S3.delete_bucket(Bucket=name)
        self.fails("404", 404, S3.head_bucket, Bucket=name)
        self.fails("NoSuchBucket", 404, S3.delete_bucket, Bucket=name)

    def test_location_is_kept(self):
        name = "place-" + uuid.uuid4().hex[:8]
        S3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.assertEqual(S3.get_bucket_location(Bucket=name)["LocationConstraint"], "eu-west-1")
        S3.delete_bucket(Bucket=name)

    def test_not_empty(self):
        self.put("inside")
        self.fails("BucketNotEmpty", 409, S3.delete_bucket, Bucket=self.bucket)
        self.assertEqual(self.body("inside"), b"")

    def test_unfinished_uploads_go_with_the_bucket(self):
        name = "uploads-" + uuid.uuid4().hex[:8]
        S3.create_bucket(Bucket=name)
        S3.create_multipart_upload(Bucket=name, Key="k")
        S3.delete_bucket(Bucket=name)
        S3.create_bucket(Bucket=name)
        self.assertNotIn("Uploads", S3.list_multipart_uploads(Bucket=name))
        S3.delete_bucket(Bucket=name)

    def test_pages_of_buckets(self):
        stem = "page-" + uuid.uuid4().hex[:8]
        names = [f"{stem}-{n}" for n in range(5)]
        for name in names:
            S3.create_bucket(Bucket=name)
        found, token = [], {}
        while True:
            page = S3.list_buckets(Prefix=stem, MaxBuckets=2, **token)
            self.assertLessEqual(len(page["Buckets"]), 2)
            found += [bucket["Name"] for bucket in page["Buckets"]]
            if "ContinuationToken" not in page:
                break
            token = {"ContinuationToken": page["ContinuationToken"]}
        self.assertEqual(found, names)
        for name in names:
            S3.delete_bucket(Bucket=name)

    def test_invalid_names(self):
        for name in ["ab", "A-Upper", "under_score", "-dash", "dash-", "a..b", "192.168.0.1", "x" * 64, "xn--a", "sp%20ace", ".."]:
            status, headers, body = signed("PUT", "/" + name)
            self.assertEqual(status, 400, (name, body))
            self.assertIn(b"<Code>InvalidBucketName</Code>", body, name)
            self.assertTrue(headers["x-amz-request-id"])

    def test_missing_bucket_everywhere(self):
        name = "missing-" + uuid.uuid4().hex[:8]
        for call, options in [
            (S3.get_object, {"Key": "k"}),
            (S3.put_object, {"Key": "k", "Body": b"x"}),
            (S3.delete_object, {"Key": "k"}),
            (S3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
            (S3.list_objects, {}),
            (S3.list_objects_v2, {}),
            (S3.create_multipart_upload, {"Key": "k"}),
            (S3.list_multipart_uploads, {}),
            (S3.get_bucket_location, {}),
        ]:
            self.fails("NoSuchBucket", 404, call, Bucket=name, **options)


class Objects(S3Case):
    def test_round_trip_of_many_sizes(self):
        for size in [0, 1, 2, 100, 4095, 4096, 4097, 65536, 524287, 524288, 524289, 1048576, 3 * MIB + 17]:
            data = noise(size, size)
            put = self.put("size", data)
            self.assertEqual(put["ETag"], f'"{md5(data)}"')
            got = self.get("size")
            self.assertEqual(got["ContentLength"], size)
            self.assertEqual(got["Body"].read(), data, size)
            head = self.head("size")
            self.assertEqual((head["ContentLength"], head["ETag"]), (size, put["ETag"]))

    def test_missing(self):
        error = self.fails("NoSuchKey", 404, self.get, "missing")
        self.assertIn("Message", error["Error"])
        self.assertEqual(error["Error"]["Resource"], f"/{self.bucket}/missing")
        _, headers, body = signed("GET", f"/{self.bucket}/missing")
        self.assertIn(f"<RequestId>{headers['x-amz-request-id']}</RequestId>", body.decode())
        self.fails("404", 404, self.head, "missing")
        self.fails("NoSuchVersion", 404, self.get, "missing", VersionId="v1")

    def test_headers_and_metadata(self):
        expires = datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        given = {
            "ContentType": "text/plain; charset=utf-8",
            "CacheControl": "max-age=60, public",
            "ContentDisposition": 'attachment; filename="a b.txt"',
            "ContentEncoding": "gzip",
            "ContentLanguage": "de-CH",
            "StorageClass": "STANDARD_IA",
            "WebsiteRedirectLocation": "/other",
            "Metadata": {"plain": "x", "empty": "", "dash-ed": "a, b; c=d", "number": "1"},
        }
        self.put("headers", b"x", Expires=expires, **given)
        for answer in (self.get("headers"), self.head("headers")):
            for name, value in given.items():
                self.assertEqual(answer[name], value, name)
            self.assertEqual(answer["ExpiresString"], "Mon, 03 Feb 2031 04:05:06 GMT")
            self.assertEqual(answer["AcceptRanges"], "bytes")
            age = datetime.datetime.now(datetime.timezone.utc) - answer["LastModified"]
            self.assertLess(abs(age.total_seconds()), 60)
        listed = S3.list_objects_v2(Bucket=self.bucket, Prefix="headers")["Contents"][0]
        self.assertEqual(listed["StorageClass"], "STANDARD_IA")
        self.assertEqual(listed["LastModified"], answer["LastModified"])
        # A second put replaces all of it.
        self.put("headers", b"y")
        answer = self.head("headers")
        self.assertEqual((answer["Metadata"], answer["ContentType"]), ({}, "binary/octet-stream"))
        for name in ["CacheControl", "ContentEncoding", "StorageClass", "ExpiresString"]:
            self.assertNotIn(name, answer)

    def test_metadata_beyond_ascii(self):
        encoded = "=?UTF-8?B?" + base64.b64encode("Zürich 😀".encode()).decode() + "?="
        self.put("meta", b"", Metadata={"city": encoded})
        from email.header import decode_header, make_header

        self.assertEqual(str(make_header(decode_header(self.head("meta")["Metadata"]["city"]))), "Zürich 😀")

    def test_response_overrides(self):
        self.put("override", b"x", ContentType="text/plain")
        overrides = {
            "ResponseContentType": "image/png",
            "ResponseCacheControl": "no-store",
            "ResponseContentDisposition": "inline",
            "ResponseContentEncoding": "br",
            "ResponseContentLanguage": "fr",
        }
        for answer in (self.get("override", **overrides), self.head("override", **overrides)):
            for name, value in overrides.items():
                self.assertEqual(answer[name.removeprefix("Response")], value)
        self.assertEqual(self.head("override")["ContentType"], "text/plain")

    def test_ranges(self):
        data = noise(1_500_000)
        self.put("range", data)
        size = len(data)
        for text, start, end in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-99", 0, 100),
            ("bytes=100-", 100, size),
            ("bytes=524287-524289", 524287, 524290),
            ("bytes=-1", size - 1, size),
            ("bytes=-1000", size - 1000, size),
            (f"bytes=-{size + 10}", 0, size),
            (f"bytes={size - 1}-{size + 100}", size - 1, size),
            (f"bytes=0-{size - 1}", 0, size),
        ]:
            answer = self.get("range", Range=text)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206, text)
            self.assertEqual(answer["ContentRange"], f"bytes {start}-{end - 1}/{size}", text)
            self.assertEqual(answer["ContentLength"], end - start)
            self.assertEqual(answer["Body"].read(), data[start:end], text)
            head = self.head("range", Range=text)
            self.assertEqual(head["ResponseMetadata"]["HTTPStatusCode"], 206, text)
            self.assertEqual((head["ContentLength"], head["ContentRange"]), (end - start, answer["ContentRange"]))
        for text in [f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"]:
            error = self.fails("InvalidRange", 416, self.get, "range", Range=text)
            self.assertEqual(error["ResponseMetadata"]["HTTPHeaders"]["content-range"], f"bytes */{size}")
        self.put("empty", b"")
        self.fails("InvalidRange", 416, self.get, "empty", Range="bytes=0-0")
        self.fails("InvalidRange", 416, self.get, "empty", Range="bytes=-5")

    def test_delete(self):
        self.put("gone", b"x")
        self.assertEqual(S3.delete_object(Bucket=self.bucket, Key="gone")["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.fails("NoSuchKey", 404, self.get, "gone")
        S3.delete_object(Bucket=self.bucket, Key="gone")
        self.put("gone", b"y")
        self.assertEqual(self.body("gone"), b"y")

    def test_delete_many(self):
        # XML, which this operation is written in, has no control characters.
        keys = [key for key in HOSTILE_KEYS if all(ord(c) >= 32 or c in "\t\n" for c in key) and len(key.encode()) <= 1020]
        for key in keys:
            self.put("many" + key, b"x")
        answer = S3.delete_objects(
            Bucket=self.bucket, Delete={"Objects": [{"Key": "many" + key} for key in keys] + [{"Key": "never"}]}
        )
        self.assertNotIn("Errors", answer)
        self.assertEqual(sorted(entry["Key"] for entry in answer["Deleted"]), sorted(["many" + k for k in keys] + ["never"]))
        self.assertEqual(self.keys(Prefix="many"), [])
        self.put("quiet")
        self.assertNotIn("Deleted", S3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "quiet"}], "Quiet": True}))
        self.fails("NoSuchKey", 404, self.get, "quiet")
        self.put("tagged", b"x")
        answer = S3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "tagged", "ETag": '"0"'}, {"Key": "quiet"}]})
        self.assertEqual([(e["Key"], e["Code"]) for e in answer["Errors"]], [("tagged", "PreconditionFailed")])
        self.assertEqual(self.body("tagged"), b"x")

    def test_unsupported_is_refused_not_ignored(self):
        self.fails("AccessControlListNotSupported", 400, self.put, "acl", b"x", ACL="public-read")
        self.fails("AccessControlListNotSupported", 400, self.put, "acl", b"x", GrantRead="id=someone")
        self.put("acl", b"x", ACL="bucket-owner-full-control")
        self.fails("InvalidRequest", 400, self.put, "lock", b"x", ObjectLockLegalHoldStatus="ON")

    def test_metadata_bound(self):
        self.put("bound", b"", Metadata={"k": "v" * 2047})
        self.fails("MetadataTooLarge", 400, self.put, "bound", b"", Metadata={"k": "v" * 2048})
        self.assertEqual(len(self.head("bound")["Metadata"]["k"]), 2047)

    def test_bad_storage_class(self):
        self.fails("InvalidStorageClass", 400, self.put, "class", b"x", StorageClass="not a class")

    def test_streaming_uploads(self):
        data = noise(9 * MIB)
        S3.upload_fileobj(io.BytesIO(data), self.bucket, "stream", Config=TransferConfig(multipart_threshold=64 * MIB))
        self.assertEqual(self.body("stream"), data)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
        S3.upload_fileobj(io.BytesIO(data), self.bucket, "stream-parts", Config=config)
        self.assertEqual(self.head("stream-parts")["ETag"][-3:], '-2"')
        target = io.BytesIO()
        S3.download_fileobj(self.bucket, "stream-parts", target, Config=config)
        self.assertEqual(target.getvalue(), data)

    def test_readers_see_one_version(self):
        bodies = [bytes([n]) * (2 * MIB + n) for n in range(8)]
        self.put("racing", bodies[0])
        stop = threading.Event()

        def write(n):
            for _ in range(6):
                self.put("racing", bodies[n])

        def read():
            seen = 0
            while not stop.is_set():
                answer = self.get("racing")
                data = answer["Body"].read()
                assert data in bodies, len(data)
                assert answer["ETag"] == f'"{md5(data)}"'
                seen += 1
            return seen

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            for writer in [pool.submit(write, n) for n in range(8)]:
                writer.result()
            stop.set()
            self.assertTrue(all(reader.result() > 0 for reader in readers))

    def test_half_an_upload_leaves_nothing(self):
        self.put("half", b"before")
        url = S3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": "half"})
        parts = urllib.parse.urlsplit(url)
        with socket.create_connection((HOST.hostname, HOST.port)) as connection:
            head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {HOST.netloc}\r\nContent-Length: 2000000\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 1_000_000)
        time.sleep(0.3)
        self.assertEqual(self.body("half"), b"before")

    def test_refused_uploads_leave_the_client_in_step(self):
        """A client that waits for `100 Continue` and is refused sends no body and goes on."""
        upload = S3.create_multipart_upload(Bucket=self.bucket, Key="refused")["UploadId"]
        for _ in range(300):
            for number in (0, 10001):
                self.fails(
                    "InvalidArgument", 400, S3.upload_part,
                    Bucket=self.bucket, Key="refused", UploadId=upload, PartNumber=number, Body=b"x",
                )
        S3.abort_multipart_upload(Bucket=self.bucket, Key="refused", UploadId=upload)

    def test_errors_leave_the_connection_usable(self):
        connection = http.client.HTTPConnection(HOST.hostname, HOST.port, timeout=10)
        for _ in range(3):
            connection.request("PUT", f"/{self.bucket}/anonymous", body=b"z" * 3_000_000)
            response = connection.getresponse()
            self.assertEqual((response.status, b"AccessDenied" in response.read()), (403, True))
        connection.close()


class HostileKeys(S3Case):
    def test_every_key(self):
        for key in HOSTILE_KEYS:
            with self.subTest(key=key[:40]):
                self.put(key, key.encode(), Metadata={"n": str(len(key))})
        for key in HOSTILE_KEYS:
            with self.subTest(key=key[:40]):
                self.assertEqual(self.body(key), key.encode())
                self.assertEqual(self.head(key)["Metadata"]["n"], str(len(key)))
        listed = []
        for page in S3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": 7}):
            listed += [entry["Key"] for entry in page["Contents"]]
        self.assertEqual(listed, sorted(HOSTILE_KEYS, key=str.encode))
        for key in HOSTILE_KEYS:
            self.assertIn(key, self.keys(Prefix=key))
        for key in HOSTILE_KEYS:
            with self.subTest(key=key[:40]):
                S3.copy_object(Bucket=self.bucket, Key="copy", CopySource={"Bucket": self.bucket, "Key": key})
                self.assertEqual(self.body("copy"), key.encode())
        S3.delete_object(Bucket=self.bucket, Key="copy")
        for key in HOSTILE_KEYS:
            S3.delete_object(Bucket=self.bucket, Key=key)
            self.fails("NoSuchKey", 404, self.get, key)
        self.assertEqual(self.keys(), [])

    def test_too_long(self):
        self.fails("KeyTooLongError", 400, self.put, "k" * 1025, b"")
        self.fails("KeyTooLongError", 400, self.put, "é" * 513, b"")

    def test_paths_that_browsers_would_fold(self):
        for sent, path, key in [
            ("/x/../y", "/x/../y", "x/../y"), ("/%2e%2E/z", "/../z", "../z"), ("//a", "//a", "/a"), ("/a%2Fb", "/a/b", "a/b"),
            ("/%00", "/%00", "\0"), ("/%7e+!", "/~%2B%21", "~+!"),
        ]:
            status, _, body = signed("PUT", f"/{self.bucket}{path}", body=b"raw", sent_path=f"/{self.bucket}{sent}")
            self.assertEqual(status, 200, (sent, body))
            self.assertEqual(self.body(key), b"raw")

    def test_not_utf8(self):
        status, _, body = signed("PUT", f"/{self.bucket}/%FF%FE", body=b"x")
        self.assertEqual(status, 400, body)


class Conditions(S3Case):
    def test_reads(self):
        etag = self.put("c", b"data")["ETag"]
        modified = self.head("c")["LastModified"]
        earlier, later = modified - datetime.timedelta(hours=1), modified + datetime.timedelta(hours=1)
        for call in (self.get, self.head):
            failed = "PreconditionFailed" if call == self.get else "412"
            for options in (
                {"IfMatch": etag}, {"IfMatch": "*"}, {"IfNoneMatch": '"other"'}, {"IfModifiedSince": earlier},
                {"IfUnmodifiedSince": modified}, {"IfUnmodifiedSince": later},
                {"IfMatch": etag, "IfUnmodifiedSince": earlier}, {"IfNoneMatch": '"other"', "IfModifiedSince": later},
            ):
                self.assertEqual(call("c", **options)["ResponseMetadata"]["HTTPStatusCode"], 200, options)
            for options in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": earlier}, {"IfMatch": '"o"', "IfNoneMatch": etag}):
                self.fails(failed, 412, call, "c", **options)
            for options in (
                {"IfNoneMatch": etag}, {"IfNoneMatch": "*"}, {"IfModifiedSince": modified},
                {"IfMatch": etag, "IfNoneMatch": etag},
            ):
                error = self.fails("304", 304, call, "c", **options)
                self.assertEqual(error["ResponseMetadata"]["HTTPHeaders"]["etag"], etag)
                self.assertIn("last-modified", error["ResponseMetadata"]["HTTPHeaders"])
        self.fails("NoSuchKey", 404, self.get, "nothing", IfMatch='"x"')

    def test_writes(self):
        first = self.put("w", b"1", IfNoneMatch="*")["ETag"]
        self.fails("PreconditionFailed", 412, self.put, "w", b"2", IfNoneMatch="*")
        self.assertEqual(self.body("w"), b"1")
        self.fails("PreconditionFailed", 412, self.put, "w", b"2", IfMatch='"other"')
        second = self.put("w", b"2", IfMatch=first)["ETag"]
        self.fails("PreconditionFailed", 412, self.put, "w", b"3", IfMatch=first)
        self.put("w", b"3", IfMatch=second)
        self.assertEqual(self.body("w"), b"3")
        self.fails("NoSuchKey", 404, self.put, "absent", b"x", IfMatch='"x"')
        self.fails("NotImplemented", 501, self.put, "w", b"x", IfNoneMatch='"x"')

    def test_deletes(self):
        etag = self.put("d", b"1")["ETag"]
        self.fails("PreconditionFailed", 412, S3.delete_object, Bucket=self.bucket, Key="d", IfMatch='"x"')
        S3.delete_object(Bucket=self.bucket, Key="d", IfMatch=etag)
        self.fails("NoSuchKey", 404, self.get, "d")

    def test_one_of_many_creators_wins(self):
        def create(n):
            try:
                self.put("once", str(n).encode(), IfNoneMatch="*")
                return n
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "PreconditionFailed")

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            winners = [n for n in pool.map(create, range(32)) if n is not None]
        self.assertEqual(len(winners), 1)
        self.assertEqual(self.body("once"), str(winners[0]).encode())

    def test_compare_and_swap_counts(self):
        self.put("counter", b"0")

        def add():
            while True:
                answer = self.get("counter")
                value = int(answer["Body"].read())
                try:
                    return self.put("counter", str(value + 1).encode(), IfMatch=answer["ETag"])
                except ClientError as error:
                    self.assertEqual(error.response["Error"]["Code"], "PreconditionFailed")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for task in [pool.submit(add) for _ in range(40)]:
                task.result()
        self.assertEqual(self.body("counter"), b"40")


class Listings(S3Case):
    KEYS = sorted(
        ["a", "a/", "a/1", "a/2", "a//3", "b", "b/x/y", "b/x/z", "b/y", "c d", "c+d", "c%20d", "é/1", "～", "😀", "zz/" + "n" * 300]
        + [f"many/{n:04}" for n in range(1203)],
        key=str.encode,
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: S3.put_object(Bucket=cls.bucket, Key=key, Body=key.encode()), cls.KEYS))

    @staticmethod
    def expected(prefix="", delimiter="", after=""):
        """The reference: entries in order, as ("key", name) and ("prefix", name)."""
        entries = []
        for key in Listings.KEYS:
            if not key.startswith(prefix) or key.encode() <= after.encode():
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                entries.append(("key", key))
                continue
            covering = key[: at + len(delimiter)]
            if covering != after and entries[-1:] != [("prefix", covering)]:
                entries.append(("prefix", covering))
        return entries

    @staticmethod
    def entries(page):
        found = [("key", entry["Key"]) for entry in page.get("Contents", [])]
        found += [("prefix", entry["Prefix"]) for entry in page.get("CommonPrefixes", [])]
        return sorted(found, key=lambda entry: entry[1].encode())

    def pages_v2(self, **options):
        found, token = [], {}
        while True:
            page = S3.list_objects_v2(Bucket=self.bucket, **options, **token)
            entries = self.entries(page)
            self.assertEqual(page["KeyCount"], len(entries))
            self.assertLessEqual(len(entries), options.get("MaxKeys", 1000))
            found += entries
            self.assertEqual(page["IsTruncated"], "NextContinuationToken" in page)
            if not page["IsTruncated"]:
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def pages_v1(self, **options):
        found, marker = [], {}
        while True:
            page = S3.list_objects(Bucket=self.bucket, **options, **marker)
            entries = self.entries(page)
            found += entries
            if not page["IsTruncated"]:
                return found
            self.assertEqual("NextMarker" in page, "Delimiter" in options)
            marker = {"Marker": page.get("NextMarker", entries[-1][1])}

    def test_against_the_reference(self):
        cases = [
            {}, {"Prefix": "a"}, {"Prefix": "a/"}, {"Prefix": "a/", "Delimiter": "/"}, {"Delimiter": "/"}, {"Delimiter": "a"},
            {"Delimiter": "/x/"}, {"Prefix": "b/", "Delimiter": "/"}, {"Prefix": "many/00", "Delimiter": "1"}, {"Prefix": "é"},
            {"Prefix": "none"}, {"Prefix": "c", "Delimiter": "d"}, {"Delimiter": "😀"},
        ]
        for case in cases:
            expected = self.expected(case.get("Prefix", ""), case.get("Delimiter", ""))
            self.assertEqual(self.pages_v2(**case), expected, case)
            self.assertEqual(self.pages_v1(**case), expected, case)
            if len(expected) < 100:
                for size in (1, 2, 3, 7):
                    self.assertEqual(self.pages_v2(MaxKeys=size, **case), expected, (case, size))
                    self.assertEqual(self.pages_v1(MaxKeys=size, **case), expected, (case, size))

    def test_start_after(self):
        for after in ["a", "a/", "a/1", "b/x/y", "many/0600", "😀", "zzzz"]:
            for delimiter in ("", "/"):
                options = {"Delimiter": delimiter} if delimiter else {}
                self.assertEqual(self.pages_v2(StartAfter=after, **options), self.expected("", delimiter, after), (after, delimiter))

    def test_max_keys(self):
        page = S3.list_objects_v2(Bucket=self.bucket, MaxKeys=0)
        self.assertEqual((page["KeyCount"], page["IsTruncated"]), (0, False))
        page = S3.list_objects_v2(Bucket=self.bucket, MaxKeys=5000)
        self.assertEqual((page["KeyCount"], page["MaxKeys"], page["IsTruncated"]), (1000, 1000, True))
        self.fails("InvalidArgument", 400, S3.list_objects_v2, Bucket=self.bucket, MaxKeys=-1)
        self.fails("InvalidArgument", 400, S3.list_objects_v2, Bucket=self.bucket, ContinuationToken="nonsense")

    def test_what_an_entry_says(self):
        entry = S3.list_objects_v2(Bucket=self.bucket, Prefix="b/x/y", FetchOwner=True)["Contents"][0]
        head = self.head("b/x/y")
        self.assertEqual(
            (entry["Size"], entry["ETag"], entry["LastModified"], entry["StorageClass"]),
            (5, head["ETag"], head["LastModified"], "STANDARD"),
        )
        self.assertTrue(entry["Owner"]["ID"])
        self.assertNotIn("Owner", S3.list_objects_v2(Bucket=self.bucket, Prefix="b/x/y")["Contents"][0])
        self.assertTrue(S3.list_objects(Bucket=self.bucket, Prefix="b/x/y")["Contents"][0]["Owner"]["ID"])

    def test_encoding_type(self):
        raw = signed("GET", "/" + self.bucket, query="encoding-type=url&list-type=2&prefix=c%20&start-after=a%2Bb")[2].decode()
        self.assertIn("<Key>c%20d</Key>", raw)
        self.assertIn("<Prefix>c%20</Prefix>", raw)
        self.assertIn("<StartAfter>a%2Bb</StartAfter>", raw)
        raw = signed("GET", "/" + self.bucket, query="list-type=2&prefix=c")[2].decode()
        for key in ("c d", "c+d", "c%20d"):
            self.assertIn(f"<Key>{key}</Key>", raw)
        status, _, body = signed("GET", "/" + self.bucket, query="encoding-type=hex&list-type=2")
        self.assertEqual((status, b"InvalidArgument" in body), (400, True))


class Checksums(S3Case):
    DATA = noise(70_001)
    VALUES = {
        "CRC32": crc32_base64(DATA),
        "CRC32C": crc32c_base64(DATA),
        "CRC64NVME": crc64nvme_base64(DATA),
        "SHA1": base64.b64encode(hashlib.sha1(DATA).digest()).decode(),
        "SHA256": sha256_base64(DATA),
    }

    def test_given_and_kept(self):
        for name, value in self.VALUES.items():
            put = self.put("sum", self.DATA, **{"Checksum" + name: value})
            self.assertEqual((put["Checksum" + name], put["ChecksumType"]), (value, "FULL_OBJECT"))
            for answer in (self.get("sum", ChecksumMode="ENABLED"), self.head("sum", ChecksumMode="ENABLED")):
                self.assertEqual((answer["Checksum" + name], answer["ChecksumType"]), (value, "FULL_OBJECT"))
                others = [other for other in self.VALUES if other != name and "Checksum" + other in answer]
                self.assertEqual(others, [])
            quiet = client(response_checksum_validation="when_required").head_object(Bucket=self.bucket, Key="sum")
            self.assertNotIn("Checksum" + name, quiet)
            ranged = self.get("sum", ChecksumMode="ENABLED", Range="bytes=0-9")
            self.assertNotIn("Checksum" + name, ranged)
            listed = S3.list_objects_v2(Bucket=self.bucket, Prefix="sum")["Contents"][0]
            self.assertEqual((listed["ChecksumAlgorithm"], listed["ChecksumType"]), ([name], "FULL_OBJECT"))

    def test_wrong(self):
        self.put("kept", b"before")
        for name, value in self.VALUES.items():
            self.fails("BadDigest", 400, self.put, "kept", self.DATA + b"x", **{"Checksum" + name: value})
            self.fails("InvalidRequest", 400, self.put, "kept", self.DATA, **{"Checksum" + name: "AAA"})
        digest = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        self.fails("BadDigest", 400, self.put, "kept", self.DATA, ContentMD5=digest)
        self.fails("InvalidDigest", 400, self.put, "kept", self.DATA, ContentMD5="nonsense")
        self.assertEqual(self.body("kept"), b"before")
        right = base64.b64encode(hashlib.md5(self.DATA).digest()).decode()
        self.put("kept", self.DATA, ContentMD5=right)
        self.assertEqual(self.body("kept"), self.DATA)

    def test_default(self):
        plain = client(request_checksum_calculation="when_required")
        plain.put_object(Bucket=self.bucket, Key="plain", Body=self.DATA)
        self.assertEqual(self.head("plain", ChecksumMode="ENABLED")["ChecksumCRC64NVME"], self.VALUES["CRC64NVME"])

    def test_payload_hash(self):
        status, _, body = signed("PUT", f"/{self.bucket}/hash", body=b"abc", payload_hash=hashlib.sha256(b"other").hexdigest())
        self.assertEqual((status, b"XAmzContentSHA256Mismatch" in body), (400, True), body)
        self.fails("NoSuchKey", 404, self.get, "hash")
        self.assertEqual(signed("PUT", f"/{self.bucket}/hash", body=b"abc", payload_hash="UNSIGNED-PAYLOAD")[0], 200)
        self.assertEqual(self.body("hash"), b"abc")

    def chunked(self, key, chunks, trailer, length=None):
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"
        return signed(
            "PUT",
            f"/{self.bucket}/{key}",
            headers={
                "content-encoding": "aws-chunked",
                "x-amz-trailer": "x-amz-checksum-crc32",
                "x-amz-decoded-content-length": str(sum(map(len, chunks)) if length is None else length),
            },
            body=body,
            payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        )

    def test_trailers(self):
        big = noise(3 * MIB)
        for chunks in ([], [b"abc"], [b"a" * 70_000, b"b", b"c" * 5], [big]):
            data = b"".join(chunks)
            status, headers, body = self.chunked("trailer", chunks, b"x-amz-checksum-crc32:" + crc32_base64(data).encode() + b"\r\n")
            self.assertEqual(status, 200, body)
            self.assertEqual(headers["x-amz-checksum-crc32"], crc32_base64(data))
            head = self.head("trailer", ChecksumMode="ENABLED")
            self.assertEqual((head["ContentLength"], head["ChecksumCRC32"]), (len(data), crc32_base64(data)))
            self.assertNotIn("ContentEncoding", head)
            self.assertEqual(self.body("trailer"), data)
        before = self.body("trailer")
        for trailer, length, code in [
            (b"x-amz-checksum-crc32:AAAAAA==\r\n", None, b"BadDigest"),
            (b"", None, b"InvalidRequest"),
            (b"x-amz-checksum-crc32:" + crc32_base64(b"abc").encode() + b"\r\n", 4, b"IncompleteBody"),
        ]:
            status, _, body = self.chunked("trailer", [b"abc"], trailer, length)
            self.assertEqual((status, code in body), (400, True), body)
        self.assertEqual(self.body("trailer"), before)


class SignedChunks(S3Case):
    """`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, which boto3 does not send and other SDKs do."""

    def send(self, key, chunks, spoil=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        time_text, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        scope = f"{day}/{REGION}/s3/aws4_request"
        signing_key = ("AWS4" + SECRET_KEY).encode()
        for part in scope.split("/"):
            signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()

        def sign(text):
            return hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()

        path = f"/{self.bucket}/{key}"
        headers = {
            "content-encoding": "aws-chunked",
            "host": HOST.netloc,
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-date": time_text,
            "x-amz-decoded-content-length": str(sum(map(len, chunks))),
        }
        canonical = "".join(f"{name}:{value}\n" for name, value in headers.items())
        names = ";".join(headers)
        request = f"PUT\n{path}\n\n{canonical}\n{names}\n{headers['x-amz-content-sha256']}"
        signature = sign(f"AWS4-HMAC-SHA256\n{time_text}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}")
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders={names},Signature={signature}"
        )
        empty, body = hashlib.sha256(b"").hexdigest(), b""
        for number, chunk in enumerate([*chunks, b""]):
            digest = hashlib.sha256(chunk).hexdigest()
            signature = sign(f"AWS4-HMAC-SHA256-PAYLOAD\n{time_text}\n{scope}\n{signature}\n{empty}\n{digest}")
            sent = chunk if number != spoil else chunk[:-1] + b"!"
            body += f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + sent + b"\r\n"
        connection = http.client.HTTPConnection(HOST.hostname, HOST.port, timeout=30)
        try:
            connection.request("PUT", path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def test_signed_chunks(self):
        for chunks in ([], [b"abc"], [b"a" * 65536, b"b" * 65536, b"c"]):
            status, answer = self.send("signed", chunks)
            self.assertEqual(status, 200, answer)
            self.assertEqual(self.body("signed"), b"".join(chunks))
            self.assertNotIn("ContentEncoding", self.head("signed"))

    def test_spoiled_chunk(self):
        for spoil in (0, 1):
            status, answer = self.send("spoiled", [b"a" * 65536, b"b" * 10], spoil)
            self.assertEqual((status, b"SignatureDoesNotMatch" in answer), (403, True), answer)
        self.fails("NoSuchKey", 404, self.get, "spoiled")


class Multipart(S3Case):
    def start(self, key, **options):
        return S3.create_multipart_upload(Bucket=self.bucket, Key=key, **options)["UploadId"]

    def part(self, key, upload, number, data, **options):
        answer = S3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=data, **options)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, key, upload, parts, **options):
        return S3.complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **options
        )

    def test_whole_story(self):
        pieces = [noise(5 * MIB, 1), noise(6 * MIB + 3, 2), noise(11, 3)]
        upload = self.start("big", ContentType="x/y", Metadata={"m": "1"}, StorageClass="GLACIER_IR", CacheControl="no-cache")
        # Out of order, with gaps, one of them twice.
        claims = {}
        for number, piece in ((9, pieces[2]), (2, b"replaced"), (2, pieces[0]), (5, pieces[1])):
            claims[number] = self.part("big", upload, number, piece)
            self.assertEqual(claims[number]["ETag"], f'"{md5(piece)}"')
        self.fails("NoSuchKey", 404, self.get, "big")
        listed = S3.list_parts(Bucket=self.bucket, Key="big", UploadId=upload)
        self.assertEqual([(p["PartNumber"], p["Size"]) for p in listed["Parts"]], [(2, 5 * MIB), (5, 6 * MIB + 3), (9, 11)])
        self.assertEqual(listed["StorageClass"], "GLACIER_IR")
        done = self.complete("big", upload, [claims[n] for n in (2, 5, 9)])
        whole = b"".join(pieces)
        etag = '"' + md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)) + '-3"'
        self.assertEqual((done["ETag"], done["Key"], done["Bucket"]), (etag, "big", self.bucket))
        # A client that lost the answer asks again and gets it.
        self.assertEqual(self.complete("big", upload, [claims[n] for n in (2, 5, 9)])["ETag"], etag)
        answer = self.get("big")
        self.assertEqual(answer["Body"].read(), whole)
        self.assertEqual(
            (answer["ETag"], answer["ContentType"], answer["Metadata"], answer["StorageClass"], answer["CacheControl"]),
            (etag, "x/y", {"m": "1"}, "GLACIER_IR", "no-cache"),
        )
        for start, end in [(0, 10), (5 * MIB - 5, 5 * MIB + 5), (11 * MIB, len(whole)), (len(whole) - 12, len(whole) - 10)]:
            self.assertEqual(self.body("big", Range=f"bytes={start}-{end - 1}"), whole[start:end])
        start = 0
        for number, piece in enumerate(pieces, 1):
            for call in (self.get, self.head):
                answer = call("big", PartNumber=number)
                self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
                self.assertEqual((answer["PartsCount"], answer["ContentLength"]), (3, len(piece)))
                self.assertEqual(answer["ContentRange"], f"bytes {start}-{start + len(piece) - 1}/{len(whole)}")
            self.assertEqual(self.body("big", PartNumber=number), piece)
            start += len(piece)
        self.fails("InvalidPartNumber", 416, self.get, "big", PartNumber=4)
        self.fails("NoSuchUpload", 404, S3.list_parts, Bucket=self.bucket, Key="big", UploadId=upload)
        self.fails("InvalidRequest", 400, self.get, "big", PartNumber=1, Range="bytes=0-1")
        # Replacing it while it is read: the reader gets what it began.
        reader = self.get("big")["Body"]
        first = reader.read(100)
        self.put("big", b"small")
        self.assertEqual(first + reader.read(), whole)
        self.assertEqual(self.body("big"), b"small")
        self.fails("NoSuchUpload", 404, self.complete, "big", upload, [claims[n] for n in (2, 5, 9)])

    def test_part_number_of_a_single_put(self):
        self.put("single", b"abc")
        answer = self.get("single", PartNumber=1)
        self.assertEqual((answer["Body"].read(), answer["ContentRange"]), (b"abc", "bytes 0-2/3"))
        self.assertNotIn("PartsCount", answer)
        self.fails("InvalidPartNumber", 416, self.get, "single", PartNumber=2)

    def test_wrong_completions(self):
        upload = self.start("wrong")
        small = self.part("wrong", upload, 1, b"small")
        last = self.part("wrong", upload, 2, b"last")
        self.fails("EntityTooSmall", 400, self.complete, "wrong", upload, [small, last])
        self.fails("InvalidPartOrder", 400, self.complete, "wrong", upload, [last, small])
        self.fails("InvalidPartOrder", 400, self.complete, "wrong", upload, [last, last])
        self.fails("InvalidPart", 400, self.complete, "wrong", upload, [{"PartNumber": 3, "ETag": last["ETag"]}])
        self.fails("InvalidPart", 400, self.complete, "wrong", upload, [{"PartNumber": 1, "ETag": last["ETag"]}])
        self.fails("MalformedXML", 400, self.complete, "wrong", upload, [])
        self.fails("NoSuchUpload", 404, self.complete, "wrong", "0" * 32, [small])
        self.fails("NoSuchUpload", 404, self.complete, "other", upload, [small])
        self.fails("NoSuchUpload", 404, self.part, "wrong", "../" + upload, 1, b"x")
        for number in (0, 10001):
            self.fails("InvalidArgument", 400, self.part, "wrong", upload, number, b"x")
        # None of that harmed it.
        self.complete("wrong", upload, [last])
        self.assertEqual(self.body("wrong"), b"last")

    def test_conditions(self):
        upload = self.start("cond")
        part = self.part("cond", upload, 1, b"new")
        etag = self.put("cond", b"old")["ETag"]
        self.fails("PreconditionFailed", 412, self.complete, "cond", upload, [part], IfNoneMatch="*")
        self.fails("PreconditionFailed", 412, self.complete, "cond", upload, [part], IfMatch='"x"')
        self.assertEqual(self.body("cond"), b"old")
        self.complete("cond", upload, [part], IfMatch=etag)
        self.assertEqual(self.body("cond"), b"new")
        upload = self.start("fresh")
        self.complete("fresh", upload, [self.part("fresh", upload, 1, b"f")], IfNoneMatch="*")

    def test_abort(self):
        upload = self.start("abort")
        self.part("abort", upload, 1, b"x")
        S3.abort_multipart_upload(Bucket=self.bucket, Key="abort", UploadId=upload)
        self.fails("NoSuchUpload", 404, S3.abort_multipart_upload, Bucket=self.bucket, Key="abort", UploadId=upload)
        self.fails("NoSuchUpload", 404, self.part, "abort", upload, 1, b"x")
        self.fails("NoSuchKey", 404, self.get, "abort")

    def test_pages_of_parts(self):
        upload = self.start("parts")
        for number in range(1, 8):
            self.part("parts", upload, number, str(number).encode())
        found, marker = [], 0
        while True:
            page = S3.list_parts(Bucket=self.bucket, Key="parts", UploadId=upload, MaxParts=3, PartNumberMarker=marker)
            found += [part["PartNumber"] for part in page["Parts"]]
            if not page["IsTruncated"]:
                break
            marker = page["NextPartNumberMarker"]
        self.assertEqual(found, list(range(1, 8)))
        S3.abort_multipart_upload(Bucket=self.bucket, Key="parts", UploadId=upload)

    def test_pages_of_uploads(self):
        keys = ["u/a", "u/a", "u/b/1", "u/b/2", "u/c", "u/😀+ x"]
        started = sorted((key, self.start(key)) for key in keys)
        for size in (1, 2, 1000):
            found, marker = [], {}
            while True:
                page = S3.list_multipart_uploads(Bucket=self.bucket, Prefix="u/", MaxUploads=size, **marker)
                found += [(upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", [])]
                if not page["IsTruncated"]:
                    break
                marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
            self.assertEqual(sorted(found), started, size)
            self.assertEqual([key for key, _ in found], [key for key, _ in started])
        page = S3.list_multipart_uploads(Bucket=self.bucket, Prefix="u/", Delimiter="/")
        self.assertEqual([upload["Key"] for upload in page["Uploads"]], ["u/a", "u/a", "u/c", "u/😀+ x"])
        self.assertEqual([entry["Prefix"] for entry in page["CommonPrefixes"]], ["u/b/"])
        for key, upload in started:
            S3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    def test_checksums(self):
        pieces = [noise(5 * MIB, 7), noise(1000, 8)]
        whole = b"".join(pieces)

        def run(key, algorithm, coverage, **completion):
            options = {"ChecksumAlgorithm": algorithm}
            if coverage:
                options["ChecksumType"] = coverage
            upload = self.start(key, **options)
            parts = []
            for number, piece in enumerate(pieces, 1):
                answer = S3.upload_part(
                    Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm=algorithm
                )
                field = "Checksum" + algorithm
                parts.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
            listed = S3.list_parts(Bucket=self.bucket, Key=key, UploadId=upload)
            self.assertEqual(listed["ChecksumAlgorithm"], algorithm)
            self.assertEqual([part["Checksum" + algorithm] for part in listed["Parts"]], [part["Checksum" + algorithm] for part in parts])
            return upload, parts

        upload, parts = run("full", "CRC32", "FULL_OBJECT")
        self.fails("BadDigest", 400, self.complete, "full", upload, parts, ChecksumCRC32="AAAAAA==")
        lying = [dict(parts[0], ChecksumCRC32="AAAAAA=="), parts[1]]
        self.fails("InvalidPart", 400, self.complete, "full", upload, lying)
        self.fails("InvalidRequest", 400, self.complete, "full", upload, parts, MpuObjectSize=5)
        done = self.complete("full", upload, parts, ChecksumCRC32=crc32_base64(whole), MpuObjectSize=len(whole))
        self.assertEqual((done["ChecksumCRC32"], done["ChecksumType"]), (crc32_base64(whole), "FULL_OBJECT"))
        self.assertEqual(self.body("full"), whole)

        upload, parts = run("composite", "SHA256", None)
        sums = b"".join(hashlib.sha256(piece).digest() for piece in pieces)
        self.fails("BadDigest", 400, self.complete, "composite", upload, parts, ChecksumSHA256=sha256_base64(b"other"))
        done = self.complete("composite", upload, parts, ChecksumSHA256=sha256_base64(sums) + "-2")
        self.assertEqual((done["ChecksumSHA256"], done["ChecksumType"]), (sha256_base64(sums) + "-2", "COMPOSITE"))
        self.assertEqual(self.body("composite"), whole)
        answer = self.get("composite", PartNumber=2, ChecksumMode="ENABLED")
        self.assertEqual((answer["Body"].read(), answer["ChecksumSHA256"]), (pieces[1], sha256_base64(pieces[1])))

        plain = client(request_checksum_calculation="when_required")
        plain.put_object(Bucket=self.bucket, Key="once", Body=whole)
        whole_sum = self.head("once", ChecksumMode="ENABLED")["ChecksumCRC64NVME"]
        upload = plain.create_multipart_upload(Bucket=self.bucket, Key="default")["UploadId"]
        claims = []
        for number, piece in enumerate(pieces, 1):
            answer = plain.upload_part(Bucket=self.bucket, Key="default", UploadId=upload, PartNumber=number, Body=piece)
            claims.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.fails("InvalidRequest", 400, self.complete, "default", upload, claims, ChecksumType="COMPOSITE")
        self.fails("InvalidRequest", 400, self.complete, "default", upload, claims, ChecksumCRC32="AAAAAA==")
        self.fails("BadDigest", 400, self.complete, "default", upload, claims, ChecksumCRC64NVME="AAAAAAAAAAA=")
        done = self.complete("default", upload, claims, ChecksumType="FULL_OBJECT", ChecksumCRC64NVME=whole_sum)
        self.assertEqual((done["ChecksumCRC64NVME"], done["ChecksumType"]), (whole_sum, "FULL_OBJECT"))
        copied = S3.copy_object(
            Bucket=self.bucket, Key="default-copy", CopySource={"Bucket": self.bucket, "Key": "default"}
        )["CopyObjectResult"]
        head = self.head("default", ChecksumMode="ENABLED")
        # Combined from the parts, and computed in one pass over the copy.
        self.assertEqual((head["ChecksumCRC64NVME"], head["ChecksumType"]), (copied["ChecksumCRC64NVME"], "FULL_OBJECT"))

        for algorithm, coverage in [("CRC32", "COMPOSITE"), ("CRC32C", "COMPOSITE"), ("CRC32C", "FULL_OBJECT"), ("SHA1", "COMPOSITE"), ("CRC64NVME", None)]:
            if CRT or algorithm in ("CRC32", "SHA1"):
                upload, parts = run("each", algorithm, coverage)
                done = self.complete("each", upload, parts)
                kind = coverage or "FULL_OBJECT"
                head = self.head("each", ChecksumMode="ENABLED")
                self.assertEqual((head["Checksum" + algorithm], head["ChecksumType"]), (done["Checksum" + algorithm], kind))
                self.assertEqual(head["Checksum" + algorithm].endswith("-2"), kind == "COMPOSITE")
                self.assertEqual(self.body("each"), whole)
                # S3 writes this tag without quotes, this server with them; clients take off what there is.
                told = S3.get_object_attributes(
                    Bucket=self.bucket, Key="each", MaxParts=1,
                    ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"],
                )
                self.assertEqual((told["ObjectSize"], told["StorageClass"], told["ETag"].strip('"')), (len(whole), "STANDARD", head["ETag"].strip('"')))
                self.assertEqual((told["Checksum"]["Checksum" + algorithm], told["Checksum"]["ChecksumType"]), (head["Checksum" + algorithm], kind))
                page = told["ObjectParts"]
                self.assertEqual((page["TotalPartsCount"], page["IsTruncated"], page["NextPartNumberMarker"]), (2, True, 1))
                self.assertEqual(page["Parts"][0]["Checksum" + algorithm], parts[0]["Checksum" + algorithm])
        self.fails("InvalidRequest", 400, self.start, "no", ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT")
        self.fails("InvalidRequest", 400, self.start, "no", ChecksumAlgorithm="CRC64NVME", ChecksumType="COMPOSITE")
        upload = self.start("mixed", ChecksumAlgorithm="SHA256")
        self.fails("InvalidRequest", 400, self.part, "mixed", upload, 1, b"x", ChecksumAlgorithm="CRC32C" if CRT else "CRC32")
        S3.abort_multipart_upload(Bucket=self.bucket, Key="mixed", UploadId=upload)

    def test_copied_parts(self):
        data = noise(12 * MIB, 4)
        self.put("source", data)
        upload = self.start("copied")
        parts = []
        for number, (start, end) in enumerate([(0, 5 * MIB), (5 * MIB, 10 * MIB + 1), (7, 9)], 1):
            answer = S3.upload_part_copy(
                Bucket=self.bucket, Key="copied", UploadId=upload, PartNumber=number,
                CopySource={"Bucket": self.bucket, "Key": "source"}, CopySourceRange=f"bytes={start}-{end - 1}",
            )["CopyPartResult"]
            self.assertEqual(answer["ETag"], f'"{md5(data[start:end])}"')
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        for text in (f"bytes={13 * MIB}-{14 * MIB}", f"bytes=0-{12 * MIB}", "bytes=5-", "0-5"):
            self.fails(
                "InvalidArgument", 400, S3.upload_part_copy, Bucket=self.bucket, Key="copied", UploadId=upload,
                PartNumber=4, CopySource={"Bucket": self.bucket, "Key": "source"}, CopySourceRange=text,
            )
        self.complete("copied", upload, parts)
        self.assertEqual(self.body("copied"), data[: 10 * MIB + 1] + data[7:9])


class Copies(S3Case):
    def test_copy(self):
        self.put("from", b"data", ContentType="text/x", Metadata={"a": "b"}, StorageClass="STANDARD_IA")
        source = {"Bucket": self.bucket, "Key": "from"}
        result = S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source)["CopyObjectResult"]
        self.assertEqual(result["ETag"], f'"{md5(b"data")}"')
        head = self.head("to")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/x", {"a": "b"}))
        self.assertNotIn("StorageClass", head)
        S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "d"})
        self.assertEqual(self.head("to")["Metadata"], {"c": "d"})
        self.fails("InvalidRequest", 400, S3.copy_object, Bucket=self.bucket, Key="from", CopySource=source)
        S3.copy_object(Bucket=self.bucket, Key="from", CopySource=source, MetadataDirective="REPLACE", ContentType="text/y")
        self.assertEqual((self.body("from"), self.head("from")["ContentType"]), (b"data", "text/y"))
        self.fails("NoSuchKey", 404, S3.copy_object, Bucket=self.bucket, Key="x", CopySource={"Bucket": self.bucket, "Key": "no"})
        self.fails("NoSuchBucket", 404, S3.copy_object, Bucket=self.bucket, Key="x", CopySource={"Bucket": "no-such-bucket", "Key": "no"})

    def test_conditions_on_the_target(self):
        """boto3 has no parameter for them everywhere; S3 and newer clients do."""
        self.put("source", b"new")
        etag = self.put("target", b"old")["ETag"]
        headers = {"x-amz-copy-source": f"/{self.bucket}/source"}
        path = f"/{self.bucket}/target"
        for more in ({"if-none-match": "*"}, {"if-match": '"other"'}):
            status, _, body = signed("PUT", path, headers | more)
            self.assertEqual((status, b"PreconditionFailed" in body), (412, True), body)
        self.assertEqual(self.body("target"), b"old")
        self.assertEqual(signed("PUT", path, headers | {"if-match": etag})[0], 200)
        self.assertEqual(self.body("target"), b"new")
        self.assertEqual(signed("PUT", path + "-2", headers | {"if-none-match": "*"})[0], 200)

    def test_conditions(self):
        etag = self.put("cs", b"x")["ETag"]
        source = {"Bucket": self.bucket, "Key": "cs"}
        S3.copy_object(Bucket=self.bucket, Key="ct", CopySource=source, CopySourceIfMatch=etag)
        for options in ({"CopySourceIfMatch": '"no"'}, {"CopySourceIfNoneMatch": etag}):
            self.fails("PreconditionFailed", 412, S3.copy_object, Bucket=self.bucket, Key="ct", CopySource=source, **options)

    def test_between_buckets(self):
        other = "other-" + uuid.uuid4().hex[:8]
        S3.create_bucket(Bucket=other)
        self.put("sp ace/pl+us", b"42")
        S3.copy_object(Bucket=other, Key="k", CopySource={"Bucket": self.bucket, "Key": "sp ace/pl+us"})
        self.assertEqual(S3.get_object(Bucket=other, Key="k")["Body"].read(), b"42")
        S3.delete_object(Bucket=other, Key="k")
        S3.delete_bucket(Bucket=other)


class Tags(S3Case):
    def tags(self, key, **options):
        answer = S3.get_object_tagging(Bucket=self.bucket, Key=key, **options)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def set(self, key, tags, **options):
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        return S3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tag_set}, **options)

    def test_with_an_object(self):
        tags = {"plain": "x", "sp ace": "a+b=c/é@:._-", "empty": ""}
        self.put("k", b"body", Tagging=urllib.parse.urlencode(tags))
        self.assertEqual(self.tags("k"), tags)
        self.assertEqual(self.get("k")["TagCount"], 3)
        self.assertEqual(self.head("k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"], "3")
        self.put("k", b"body")
        self.assertEqual(self.tags("k"), {})
        self.assertNotIn("TagCount", self.get("k"))
        upload = S3.create_multipart_upload(Bucket=self.bucket, Key="parts", Tagging="a=1&b=2")["UploadId"]
        part = S3.upload_part(Bucket=self.bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
        S3.complete_multipart_upload(
            Bucket=self.bucket, Key="parts", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        self.assertEqual(self.tags("parts"), {"a": "1", "b": "2"})

    def test_changed_later(self):
        self.put("later", b"body", Metadata={"m": "1"})
        before = self.head("later")
        for tags in ({"a": "1"}, {str(n): "v" * 256 for n in range(10)}, {"é" * 128: "日本"}):
            self.set("later", tags)
            self.assertEqual(self.tags("later"), tags)
        after = self.get("later")
        self.assertEqual((after["Body"].read(), after["ETag"], after["LastModified"]), (b"body", before["ETag"], before["LastModified"]))
        S3.delete_object_tagging(Bucket=self.bucket, Key="later")
        self.assertEqual(self.tags("later"), {})
        self.set("later", {"x": "y"})
        # The tags belong to the object that had them, not to its successor.
        self.put("later", b"next")
        self.assertEqual(self.tags("later"), {})
        self.set("later", {"x": "y"})
        S3.delete_object(Bucket=self.bucket, Key="later")
        self.put("later", b"reborn")
        self.assertEqual(self.tags("later"), {})

    def test_copies(self):
        self.put("from", b"x", Tagging="a=1")
        self.set("from", {"a": "2"})
        source = {"Bucket": self.bucket, "Key": "from"}
        S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source)
        self.assertEqual(self.tags("to"), {"a": "2"})
        S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source, Tagging="b=3", TaggingDirective="REPLACE")
        self.assertEqual(self.tags("to"), {"b": "3"})
        S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source, TaggingDirective="REPLACE")
        self.assertEqual(self.tags("to"), {})

    def test_wrong(self):
        self.put("wrong", b"x", Tagging="kept=1")
        self.fails("NoSuchKey", 404, self.set, "missing", {"a": "1"})
        self.fails("NoSuchKey", 404, self.tags, "missing")
        self.fails("NoSuchKey", 404, S3.delete_object_tagging, Bucket=self.bucket, Key="missing")
        self.fails("NoSuchVersion", 404, self.tags, "wrong", VersionId="0" * 32)
        self.fails("BadRequest", 400, self.set, "wrong", {str(n): "v" for n in range(11)})
        for tags in ({"k" * 129: ""}, {"k": "v" * 257}, {"aws:x": "1"}, {"a<b": "1"}, {"a": "b&c"}, {"": "x"}):
            if "" not in tags:  # boto3 itself refuses an empty name
                self.fails("InvalidTag", 400, self.set, "wrong", tags)
            self.fails("InvalidTag", 400, self.put, "wrong", b"y", Tagging=urllib.parse.urlencode(tags))
        self.fails("InvalidTag", 400, self.put, "wrong", b"y", Tagging="a=1&a=2")
        twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
        self.fails("InvalidTag", 400, S3.put_object_tagging, Bucket=self.bucket, Key="wrong", Tagging=twice)
        self.assertEqual((self.body("wrong"), self.tags("wrong")), (b"x", {"kept": "1"}))


class Versions(S3Case):
    def setUp(self):
        S3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def versions(self, key, **options):
        page = S3.list_object_versions(Bucket=self.bucket, Prefix=key, **options)
        entries = [(e["LastModified"], e["VersionId"], e["IsLatest"], "size") for e in page.get("Versions", []) if e["Key"] == key]
        entries += [(e["LastModified"], e["VersionId"], e["IsLatest"], "marker") for e in page.get("DeleteMarkers", []) if e["Key"] == key]
        return {version: (kind, latest) for _, version, latest, kind in entries}

    def test_states(self):
        name = "states-" + uuid.uuid4().hex[:8]
        S3.create_bucket(Bucket=name)
        self.assertNotIn("Status", S3.get_bucket_versioning(Bucket=name))
        self.assertNotIn("VersionId", S3.put_object(Bucket=name, Key="k", Body=b"0"))
        self.assertNotIn("VersionId", S3.get_object(Bucket=name, Key="k"))
        self.assertEqual(S3.get_object(Bucket=name, Key="k", VersionId="null")["Body"].read(), b"0")
        for status in ("Enabled", "Suspended"):
            S3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
            self.assertEqual(S3.get_bucket_versioning(Bucket=name)["Status"], status)
            self.assertEqual(S3.get_object(Bucket=name, Key="k")["VersionId"], "null")
        self.fails(
            "IllegalVersioningConfigurationException", 400, S3.put_bucket_versioning,
            Bucket=name, VersioningConfiguration={"Status": "Off"},
        )
        self.fails("NoSuchBucket", 404, S3.get_bucket_versioning, Bucket="no-such-bucket")
        S3.delete_object(Bucket=name, Key="k", VersionId="null")
        S3.delete_bucket(Bucket=name)

    def test_every_write_is_kept(self):
        ids = [self.put("k", b"%d" % n, Tagging=f"n={n}", Metadata={"n": str(n)})["VersionId"] for n in range(3)]
        self.assertEqual(len(set(ids)), 3)
        for n, version in enumerate(ids):
            for call in (self.get, self.head):
                answer = call("k", VersionId=version)
                self.assertEqual((answer["VersionId"], answer["Metadata"]["n"]), (version, str(n)))
            self.assertEqual(self.body("k", VersionId=version, Range="bytes=0-0"), b"%d" % n)
            tags = S3.get_object_tagging(Bucket=self.bucket, Key="k", VersionId=version)
            self.assertEqual((tags["VersionId"], tags["TagSet"]), (version, [{"Key": "n", "Value": str(n)}]))
        self.assertEqual(self.get("k")["VersionId"], ids[2])
        self.assertEqual(self.versions("k"), {ids[0]: ("size", False), ids[1]: ("size", False), ids[2]: ("size", True)})
        S3.put_object_tagging(
            Bucket=self.bucket, Key="k", VersionId=ids[0], Tagging={"TagSet": [{"Key": "new", "Value": "1"}]}
        )
        tags = [S3.get_object_tagging(Bucket=self.bucket, Key="k", VersionId=version)["TagSet"][0]["Key"] for version in ids]
        self.assertEqual(tags, ["new", "n", "n"])
        self.fails("NoSuchVersion", 404, self.get, "k", VersionId="0" * 32)
        self.fails("404", 404, self.head, "k", VersionId="../../bucket.json")
        self.assertEqual(self.keys(Prefix="k"), ["k"])

    def test_delete_markers(self):
        first = self.put("d", b"1")["VersionId"]
        deleted = S3.delete_object(Bucket=self.bucket, Key="d")
        self.assertIs(deleted["DeleteMarker"], True)
        marker = deleted["VersionId"]
        error = self.fails("NoSuchKey", 404, self.get, "d")["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual((error["x-amz-delete-marker"], error["x-amz-version-id"]), ("true", marker))
        error = self.fails("404", 404, self.head, "d")["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(error["x-amz-delete-marker"], "true")
        error = self.fails("MethodNotAllowed", 405, self.get, "d", VersionId=marker)["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual((error["x-amz-delete-marker"], error["allow"]), ("true", "DELETE"))
        self.assertIn("last-modified", error)
        self.fails("405", 405, self.head, "d", VersionId=marker)
        self.assertEqual(self.keys(Prefix="d"), [])
        self.assertEqual(self.body("d", VersionId=first), b"1")
        self.assertEqual(self.versions("d"), {first: ("size", False), marker: ("marker", True)})
        # An object that is covered is not there, for a condition too.
        self.fails("NoSuchKey", 404, self.put, "d", b"x", IfMatch='"x"')
        second = self.put("d", b"2", IfNoneMatch="*")["VersionId"]
        again = S3.delete_object(Bucket=self.bucket, Key="d")["VersionId"]
        # Removing the marker brings the object back.
        gone = S3.delete_object(Bucket=self.bucket, Key="d", VersionId=again)
        self.assertEqual((gone["DeleteMarker"], gone["VersionId"]), (True, again))
        self.assertEqual(self.get("d")["VersionId"], second)
        gone = S3.delete_object(Bucket=self.bucket, Key="d", VersionId=second)
        self.assertEqual((gone.get("DeleteMarker"), gone["VersionId"]), (None, second))
        self.fails("NoSuchKey", 404, self.get, "d")
        self.fails("NoSuchVersion", 404, self.get, "d", VersionId=second)
        # What is not there can be deleted again; a key that never was gets a marker.
        S3.delete_object(Bucket=self.bucket, Key="d", VersionId=second)
        self.assertIs(S3.delete_object(Bucket=self.bucket, Key="never")["DeleteMarker"], True)

    def test_delete_many(self):
        ids = {key: self.put(key, b"x")["VersionId"] for key in ("m1", "m2", "m3")}
        answer = S3.delete_objects(
            Bucket=self.bucket,
            Delete={"Objects": [{"Key": "m1"}, {"Key": "m2", "VersionId": ids["m2"]}, {"Key": "m3", "VersionId": ids["m3"], "ETag": '"0"'}]},
        )
        deleted = {entry["Key"]: entry for entry in answer["Deleted"]}
        self.assertIs(deleted["m1"]["DeleteMarker"], True)
        self.assertEqual((deleted["m2"]["VersionId"], "DeleteMarker" in deleted["m2"]), (ids["m2"], False))
        self.assertEqual(
            [(e["Key"], e["VersionId"], e["Code"]) for e in answer["Errors"]], [("m3", ids["m3"], "PreconditionFailed")]
        )
        marker = deleted["m1"]["DeleteMarkerVersionId"]
        answer = S3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "m1", "VersionId": marker}]})
        self.assertEqual(
            answer["Deleted"], [{"Key": "m1", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}]
        )
        self.assertEqual(self.body("m1"), b"x")

    def test_suspended(self):
        kept = self.put("s", b"kept")["VersionId"]
        S3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Suspended"})
        self.assertEqual(self.put("s", b"null 1")["VersionId"], "null")
        self.assertEqual(self.put("s", b"null 2")["VersionId"], "null")
        self.assertEqual(self.versions("s"), {kept: ("size", False), "null": ("size", True)})
        self.assertEqual((self.body("s"), self.body("s", VersionId=kept)), (b"null 2", b"kept"))
        deleted = S3.delete_object(Bucket=self.bucket, Key="s")
        self.assertEqual((deleted["DeleteMarker"], deleted["VersionId"]), (True, "null"))
        self.assertEqual(self.versions("s"), {kept: ("size", False), "null": ("marker", True)})
        S3.delete_object(Bucket=self.bucket, Key="s", VersionId="null")
        self.assertEqual(self.body("s"), b"kept")

    def test_multipart_and_copies(self):
        old = self.put("c", b"old", Metadata={"m": "old"})["VersionId"]
        upload = S3.create_multipart_upload(Bucket=self.bucket, Key="c")["UploadId"]
        part = S3.upload_part(Bucket=self.bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"parts")
        done = S3.complete_multipart_upload(
            Bucket=self.bucket, Key="c", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        self.assertEqual((self.body("c"), self.get("c")["VersionId"]), (b"parts", done["VersionId"]))
        # Restoring is copying a version onto its own key.
        source = {"Bucket": self.bucket, "Key": "c", "VersionId": old}
        copied = S3.copy_object(Bucket=self.bucket, Key="c", CopySource=source)
        self.assertEqual(copied["CopySourceVersionId"], old)
        answer = self.get("c")
        self.assertEqual((answer["Body"].read(), answer["Metadata"], answer["VersionId"]), (b"old", {"m": "old"}, copied["VersionId"]))
        self.assertEqual(self.body("c", VersionId=done["VersionId"]), b"parts")
        upload = S3.create_multipart_upload(Bucket=self.bucket, Key="p")["UploadId"]
        part = S3.upload_part_copy(
            Bucket=self.bucket, Key="p", UploadId=upload, PartNumber=1,
            CopySource={"Bucket": self.bucket, "Key": "c", "VersionId": done["VersionId"]},
        )
        self.assertEqual(part["CopySourceVersionId"], done["VersionId"])
        S3.complete_multipart_upload(
            Bucket=self.bucket, Key="p", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]},
        )
        self.assertEqual(self.body("p"), b"parts")
        marker = S3.delete_object(Bucket=self.bucket, Key="c")["VersionId"]
        for version, code, status in [(marker, "InvalidRequest", 400), ("0" * 32, "NoSuchVersion", 404)]:
            self.fails(
                code, status, S3.copy_object, Bucket=self.bucket, Key="x",
                CopySource={"Bucket": self.bucket, "Key": "c", "VersionId": version},
            )
        self.fails("NoSuchKey", 404, S3.copy_object, Bucket=self.bucket, Key="x", CopySource={"Bucket": self.bucket, "Key": "c"})

    def test_pages(self):
        keys = ["v/a", "v/b/1", "v/b/2", "v/c d", "v/é"]
        expected = []
        for key in keys:
            ids = [self.put(key, b"x")["VersionId"] for _ in range(3)]
            ids.append(S3.delete_object(Bucket=self.bucket, Key=key)["VersionId"])
            expected += [(key, version) for version in reversed(ids)]
        for size in (1, 2, 3, 1000):
            found = []
            for page in S3.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix="v/", PaginationConfig={"PageSize": size}
            ):
                entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
                self.assertLessEqual(len(entries), size)
                found += [(entry["Key"], entry["VersionId"]) for entry in entries]
            self.assertEqual(sorted(found), sorted(expected), size)
            if size == 1:
                self.assertEqual(found, expected)
        page = S3.list_object_versions(Bucket=self.bucket, Prefix="v/", Delimiter="/")
        self.assertEqual([entry["Prefix"] for entry in page["CommonPrefixes"]], ["v/b/"])
        self.assertEqual([entry["Key"] for entry in page["DeleteMarkers"]], ["v/a", "v/c d", "v/é"])
        self.fails("InvalidArgument", 400, S3.list_object_versions, Bucket=self.bucket, VersionIdMarker="x")
        self.fails("BucketNotEmpty", 409, S3.delete_bucket, Bucket=self.bucket)


class Encryption(S3Case):
    KEY, OTHER = bytes(range(32)), bytes(range(1, 33))

    @staticmethod
    def given(key, prefix=""):
        """boto3 adds the key's MD5 and encodes the key."""
        return {prefix + "SSECustomerAlgorithm": "AES256", prefix + "SSECustomerKey": key}

    def test_customer_keys(self):
        data = noise(100_000, 3)
        put = self.put("c", data, ChecksumCRC32=crc32_base64(data), **self.given(self.KEY))
        key_md5 = base64.b64encode(hashlib.md5(self.KEY).digest()).decode()
        self.assertEqual((put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]), ("AES256", key_md5))
        # As in S3 the entity tag says nothing of the bytes.
        self.assertNotEqual(put["ETag"], f'"{md5(data)}"')
        for call in (self.get, self.head):
            answer = call("c", ChecksumMode="ENABLED", **self.given(self.KEY))
            self.assertEqual((answer["SSECustomerKeyMD5"], answer["ETag"]), (key_md5, put["ETag"]))
            self.assertEqual(answer["ChecksumCRC32"], crc32_base64(data))
            refused = ("InvalidRequest", "AccessDenied") if call == self.get else ("400", "403")
            self.fails(refused[0], 400, call, "c")
            self.fails(refused[0], 400, call, "c", Range="bytes=0-9")
            self.fails(refused[1], 403, call, "c", **self.given(self.OTHER))
        self.assertEqual(self.body("c", **self.given(self.KEY)), data)
        self.assertEqual(self.body("c", Range="bytes=5-9", **self.given(self.KEY)), data[5:10])
        self.fails("InvalidRequest", 400, S3.get_object_attributes, Bucket=self.bucket, Key="c", ObjectAttributes=["ETag"])
        self.put("plain", b"x")
        self.fails("InvalidRequest", 400, self.get, "plain", **self.given(self.KEY))
        digest = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        self.fails("BadDigest", 400, self.put, "c", data, ContentMD5=digest, **self.given(self.KEY))

    def test_wrong_headers(self):
        text = lambda data: base64.b64encode(data).decode()  # noqa: E731
        name = "x-amz-server-side-encryption-customer-"
        right = {name + "algorithm": "AES256", name + "key": text(self.KEY), name + "key-md5": text(hashlib.md5(self.KEY).digest())}
        path = f"/{self.bucket}/wrong"
        self.assertEqual(signed("PUT", path, dict(right), b"x")[0], 200)
        for change, code in [
            ({name + "algorithm": "AES128"}, b"InvalidEncryptionAlgorithmError"), ({name + "algorithm": None}, b"InvalidArgument"),
            ({name + "key": None}, b"InvalidArgument"), ({name + "key-md5": None}, b"InvalidArgument"),
            ({name + "key": text(b"short"), name + "key-md5": text(hashlib.md5(b"short").digest())}, b"InvalidArgument"),
            ({name + "key-md5": text(hashlib.md5(b"x").digest())}, b"InvalidArgument"),
            ({"x-amz-server-side-encryption": "AES256"}, b"InvalidArgument"),
        ]:
            headers = {header: value for header, value in (right | change).items() if value is not None}
            status, _, body = signed("PUT", path, headers, b"y")
            self.assertEqual((status, code in body), (400, True), (change, body))
            self.assertNotIn(text(self.KEY).encode(), body)
        self.assertEqual(self.body("wrong", **self.given(self.KEY)), b"x")

    def test_parts(self):
        pieces = [noise(5 * MIB, 5), b"end"]
        key, other = self.given(self.KEY), self.given(self.OTHER)
        where = {"Bucket": self.bucket, "Key": "parts"}
        upload = S3.create_multipart_upload(**where, **key)["UploadId"]
        for options in ({}, other):
            self.fails("InvalidRequest", 400, S3.upload_part, **where, UploadId=upload, PartNumber=1, Body=b"x", **options)
        parts = []
        for number, piece in enumerate(pieces, 1):
            answer = S3.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece, **key)
            self.assertIn("SSECustomerKeyMD5", answer)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        S3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        self.fails("InvalidRequest", 400, self.get, "parts")
        self.assertEqual(self.body("parts", **key), b"".join(pieces))
        self.assertEqual(self.body("parts", PartNumber=2, **key), pieces[1])
        plain = S3.create_multipart_upload(Bucket=self.bucket, Key="plain-parts")["UploadId"]
        self.fails("InvalidRequest", 400, S3.upload_part, Bucket=self.bucket, Key="plain-parts", UploadId=plain, PartNumber=1, Body=b"x", **key)

    def test_copies(self):
        self.put("from", b"secret", **self.given(self.KEY))
        source = {"Bucket": self.bucket, "Key": "from"}
        copy = lambda **options: S3.copy_object(Bucket=self.bucket, Key="to", CopySource=source, **options)  # noqa: E731
        self.fails("InvalidRequest", 400, copy)
        self.fails("AccessDenied", 403, copy, **self.given(self.OTHER, "CopySource"))
        copy(**self.given(self.KEY, "CopySource"))
        self.assertEqual(self.body("to"), b"secret")
        copy(**self.given(self.KEY, "CopySource"), **self.given(self.OTHER))
        self.fails("AccessDenied", 403, self.get, "to", **self.given(self.KEY))
        self.assertEqual(self.body("to", **self.given(self.OTHER)), b"secret")
        where = {"Bucket": self.bucket, "Key": "part-copy"}
        upload = S3.create_multipart_upload(**where, **self.given(self.OTHER))["UploadId"]
        self.fails(
            "InvalidRequest", 400, S3.upload_part_copy, **where, UploadId=upload, PartNumber=1, CopySource=source, **self.given(self.OTHER)
        )
        answer = S3.upload_part_copy(
            **where, UploadId=upload, PartNumber=1, CopySource=source, **self.given(self.OTHER), **self.given(self.KEY, "CopySource")
        )
        parts = [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]
        S3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        self.assertEqual(self.body("part-copy", **self.given(self.OTHER)), b"secret")

    def test_managed_keys_are_told_back(self):
        put = self.put("s3", b"x", ServerSideEncryption="AES256")
        self.assertEqual((put["ServerSideEncryption"], put["ETag"]), ("AES256", f'"{md5(b"x")}"'))
        context = base64.b64encode(b'{"team":"data"}').decode()
        kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/k", "BucketKeyEnabled": True}
        put = self.put("kms", b"x", SSEKMSEncryptionContext=context, **kms)
        self.assertEqual(put["SSEKMSEncryptionContext"], context)
        upload = S3.create_multipart_upload(Bucket=self.bucket, Key="kms-parts", **kms)
        part = S3.upload_part(Bucket=self.bucket, Key="kms-parts", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
        done = S3.complete_multipart_upload(
            Bucket=self.bucket, Key="kms-parts", UploadId=upload["UploadId"],
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        copied = S3.copy_object(Bucket=self.bucket, Key="kms-copy", CopySource={"Bucket": self.bucket, "Key": "s3"}, **kms)
        answers = [put, upload, part, done, copied] + [self.head(key) for key in ("kms", "kms-parts", "kms-copy")] + [self.get("kms")]
        for number, answer in enumerate(answers):
            for name, value in kms.items():
                self.assertEqual(answer[name], value, (number, name))
        # Encrypting an object anew is a change that a copy onto itself may make.
        source = {"Bucket": self.bucket, "Key": "s3"}
        S3.copy_object(Bucket=self.bucket, Key="s3", CopySource=source, **kms)
        self.assertEqual(self.head("s3")["ServerSideEncryption"], "aws:kms")
        self.fails("InvalidEncryptionAlgorithmError", 400, self.put, "no", b"x", ServerSideEncryption="rot13")
        self.fails("InvalidArgument", 400, self.put, "no", b"x", SSEKMSKeyId="k")
        self.fails(
            "InvalidArgument", 400, self.put, "no", b"x", ServerSideEncryption="aws:kms", SSEKMSEncryptionContext="no json"
        )


class Signatures(S3Case):
    def test_wrong_secret(self):
        for call, options in [
            ("get_object", {"Key": "k"}), ("put_object", {"Key": "k", "Body": b"x" * 100_000}), ("list_objects_v2", {}),
        ]:
            wrong = client(secret="x" * 40)
            error = self.fails("SignatureDoesNotMatch", 403, getattr(wrong, call), Bucket=self.bucket, **options)
            self.assertTrue(error["Error"]["Message"])
            self.assertNotIn(SECRET_KEY, str(error))
        self.fails("NoSuchKey", 404, self.get, "k")

    def test_unknown_key(self):
        self.fails("InvalidAccessKeyId", 403, client(access="AKIAUNKNOWNUNKNOWN00").list_buckets)

    def test_anonymous(self):
        for method in ("GET", "PUT", "DELETE"):
            request = urllib.request.Request(f"{ENDPOINT}/{self.bucket}/k", method=method, data=b"x" if method == "PUT" else None)
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request)
            self.assertEqual((caught.exception.code, b"AccessDenied" in caught.exception.read()), (403, True))
            self.assertTrue(caught.exception.headers["x-amz-request-id"])

    def test_tampered(self):
        url = S3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "allowed"})
        self.put("allowed", b"yes")
        self.put("forbidden", b"no")
        self.assertEqual(urllib.request.urlopen(url).read(), b"yes")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.replace("allowed", "forbidden"))
        self.assertEqual((caught.exception.code, b"SignatureDoesNotMatch" in caught.exception.read()), (403, True))

    def test_presigned(self):
        for key in ("plain", "a//b +%é😀", "../up"):
            url = S3.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": key})
            urllib.request.urlopen(urllib.request.Request(url, method="PUT", data=key.encode()))
            url = S3.generate_presigned_url(
                "get_object", {"Bucket": self.bucket, "Key": key, "ResponseContentType": "text/presigned"}, ExpiresIn=60
            )
            with urllib.request.urlopen(url) as response:
                self.assertEqual((response.read(), response.headers["content-type"]), (key.encode(), "text/presigned"))
            url = S3.generate_presigned_url("delete_object", {"Bucket": self.bucket, "Key": key})
            urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))
            self.assertNotIn(key, self.keys())

    def test_expired(self):
        url = S3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "k"}, ExpiresIn=1)
        time.sleep(2.1)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url)
        self.assertEqual((caught.exception.code, b"expired" in caught.exception.read()), (403, True))

    def test_expiry_and_tampering(self):
        self.put("expiry", b"x")
        url = S3.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "expiry"}, ExpiresIn=604800)
        self.assertEqual(urllib.request.urlopen(url).read(), b"x")
        for change, code, name in [
            (("X-Amz-Expires=604800", "X-Amz-Expires=604801"), 400, b"AuthorizationQueryParametersError"),
            (("X-Amz-Expires=604800", "X-Amz-Expires=604799"), 403, b"SignatureDoesNotMatch"),
            (("X-Amz-Expires=604800", "X-Amz-Expires=soon"), 400, b"AuthorizationQueryParametersError"),
            ((ACCESS_KEY, "AKIAUNKNOWNUNKNOWN00"), 403, b"InvalidAccessKeyId"),
        ]:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url.replace(*change))
            self.assertEqual((caught.exception.code, name in caught.exception.read()), (code, True), change)
        # A method that was not signed.
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))
        self.assertEqual((caught.exception.code, self.body("expiry")), (403, b"x"))
        # A body of a presigned PUT may be checked by a signed header.
        url = S3.generate_presigned_url(
            "put_object", {"Bucket": self.bucket, "Key": "summed", "ChecksumSHA256": sha256_base64(b"right")}
        )
        for body, status in ((b"wrong", 400), (b"right", 200)):
            request = urllib.request.Request(url, method="PUT", data=body, headers={"x-amz-checksum-sha256": sha256_base64(b"right")})
            try:
                self.assertEqual(urllib.request.urlopen(request).status, status)
            except urllib.error.HTTPError as error:
                self.assertEqual(error.code, status)
        self.assertEqual(self.body("summed"), b"right")

    def test_skewed_clock(self):
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
        request = AWSRequest(method="GET", url=f"{ENDPOINT}/{self.bucket}?list-type=2", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        auth = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
        with unittest.mock.patch("botocore.auth.get_current_datetime", lambda *_: past):
            auth.add_auth(request)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers)))
        self.assertEqual((caught.exception.code, b"RequestTimeTooSkewed" in caught.exception.read()), (403, True))

    def test_virtual_host_style(self):
        self.put("vhost", b"by name")
        host = f"{self.bucket}.localhost:{HOST.port}"
        request = AWSRequest(method="GET", url=f"http://{host}/vhost", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION).add_auth(request)
        connection = http.client.HTTPConnection(HOST.hostname, HOST.port)
        connection.request("GET", "/vhost", headers=dict(request.headers, Host=host))
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (200, b"by name"))
        connection.close()


class RandomSequences(S3Case):
    """The server against a dictionary, through random operations."""

    STEPS = 1500

    def test_against_a_dictionary(self):
        print(f"seed {SEED} (DIPPER_TEST_SEED={SEED} repeats this run)", file=sys.stderr)
        chance = random.Random(SEED)
        names = ["a", "a/b", "a//b", "b/", "b/x", "../x", "pl+us", "é", "😀/1", "z" * 300, "a/b/c", "Z"]
        model, uploads = {}, {}

        def etag(data, parts=None):
            if parts is None:
                return f'"{md5(data)}"'
            return '"' + md5(b"".join(hashlib.md5(part).digest() for part in parts)) + f'-{len(parts)}"'

        def body():
            return chance.randbytes(chance.choice([0, 1, 10, 1000, 70_000, 600_000]))

        def put(key):
            data = body()
            model[key] = (data, etag(data))
            self.assertEqual(self.put(key, data)["ETag"], model[key][1])

        def put_if(key):
            data = body()
            if chance.random() < 0.5:
                options, holds = {"IfNoneMatch": "*"}, key not in model
                failure = ("PreconditionFailed", 412)
            else:
                tag = chance.choice([model[key][1] if key in model else '"x"', '"other"'])
                options, holds = {"IfMatch": tag}, key in model and model[key][1] == tag
                failure = ("PreconditionFailed", 412) if key in model else ("NoSuchKey", 404)
            if holds:
                self.put(key, data, **options)
                model[key] = (data, etag(data))
            else:
                self.fails(*failure, self.put, key, data, **options)

        def get(key):
            if key not in model:
                self.fails("NoSuchKey", 404, self.get, key)
                return
            data, tag = model[key]
            answer = self.get(key)
            self.assertEqual((answer["Body"].read(), answer["ETag"]), (data, tag))

        def get_range(key):
            if key not in model:
                return
            data = model[key][0]
            start = chance.randrange(len(data) + 3)
            end = start + chance.randrange(1, 100_000)
            if start >= len(data):
                self.fails("InvalidRange", 416, self.get, key, Range=f"bytes={start}-{end - 1}")
            else:
                self.assertEqual(self.body(key, Range=f"bytes={start}-{end - 1}"), data[start:end])

        def delete(key):
            S3.delete_object(Bucket=self.bucket, Key=key)
            model.pop(key, None)

        def copy(key):
            source = chance.choice(names)
            options = {"Bucket": self.bucket, "Key": key, "CopySource": {"Bucket": self.bucket, "Key": source}}
            if source not in model:
                self.fails("NoSuchKey", 404, S3.copy_object, MetadataDirective="REPLACE", **options)
                return
            S3.copy_object(MetadataDirective="REPLACE", **options)
            model[key] = (model[source][0], etag(model[source][0]))

        def listing(_):
            prefix = chance.choice(["", "a", "a/", "b", "../", "z"])
            options = {"Prefix": prefix, "MaxKeys": chance.choice([1, 3, 1000])}
            found = []
            for page in S3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **options):
                found += [(entry["Key"], entry["Size"], entry["ETag"]) for entry in page.get("Contents", [])]
            expected = [(k, len(d), t) for k, (d, t) in model.items() if k.startswith(prefix)]
            self.assertEqual(found, sorted(expected, key=lambda entry: entry[0].encode()))

        def upload_start(key):
            if len(uploads) < 4:
                upload = S3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
                uploads[upload] = (key, {})

        def upload_part(_):
            if not uploads:
                return
            upload = chance.choice(sorted(uploads))
            key, parts = uploads[upload]
            number = chance.randrange(1, 4)
            data = noise(5 * MIB, chance.randrange(100)) if chance.random() < 0.3 else body()
            S3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=data)
            parts[number] = data

        def upload_end(_):
            if not uploads:
                return
            upload = chance.choice(sorted(uploads))
            key, parts = uploads[upload]
            if chance.random() < 0.3:
                S3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
                del uploads[upload]
                return
            if not parts:
                return
            claim = [{"PartNumber": n, "ETag": etag(parts[n])} for n in sorted(parts)]
            pieces = [parts[n] for n in sorted(parts)]
            call = {"Bucket": self.bucket, "Key": key, "UploadId": upload, "MultipartUpload": {"Parts": claim}}
            if any(len(piece) < 5 * MIB for piece in pieces[:-1]):
                self.fails("EntityTooSmall", 400, S3.complete_multipart_upload, **call)
                return
            S3.complete_multipart_upload(**call)
            model[key] = (b"".join(pieces), etag(None, pieces))
            del uploads[upload]

        moves = [put, put, put, put_if, get, get, get_range, get_range, delete, copy, listing, upload_start, upload_part, upload_end]
        for step in range(self.STEPS):
            move, key = chance.choice(moves), chance.choice(names)
            try:
                move(key)
            except Exception as error:
                raise AssertionError(f"seed {SEED}, step {step}: {move.__name__}({key!r}): {error}") from error
        for key in names:
            get(key)


try:
    import awscrt  # noqa: F401  (boto3 computes CRC32C and CRC64NVME only with it)

    CRT = True
except ImportError:
    CRT = False


if __name__ == "__main__":
    unittest.main(verbosity=1)
