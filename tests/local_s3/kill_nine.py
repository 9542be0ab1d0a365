"""The embedded server killed with SIGKILL in the middle of hundreds of writes, started again and read to the end.

What was answered must be there. What was not may be there or not, but whole: the old object or the new
one, never a mixture, never half of one. Every round uses the same directory again.

DIPPER_TEST_LOCAL_S3_PROGRAM is the program that serves a directory. DIPPER_TEST_SEED repeats the writes of
an earlier run, though not their timing. Run with `python kill_nine.py`.
"""

import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PROGRAM = os.environ["DIPPER_TEST_LOCAL_S3_PROGRAM"]
SEED = int(os.environ.get("DIPPER_TEST_SEED", random.SystemRandom().randrange(2**32)))
MIB = 1024 * 1024
KEYS = [f"{folder}/{n}" for folder in ("a", "../b", "c//d") for n in range(40)]
SIZES = [0, 1, 1000, 70_000, 600_000, 2 * MIB]
WRITERS = 8


class Server:
    """The program over a directory, and a client of it."""

    def __init__(self, directory):
        self.process = subprocess.Popen([PROGRAM, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        about = json.loads(self.process.stdout.readline() or b"null")
        assert about, "the server does not start over the directory"
        self.s3 = boto3.client(
            "s3", endpoint_url=about["endpoint"], region_name=about["region"],
            aws_access_key_id=about["accessKeyId"], aws_secret_access_key=about["secretAccessKey"],
            config=Config(
                signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=WRITERS,
                retries={"max_attempts": 1, "mode": "standard"}, connect_timeout=5, read_timeout=20,
            ),
        )

    def kill(self):
        self.process.kill()
        self.close()

    def stop(self):
        self.process.stdin.close()
        self.close()

    def close(self):
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


def body_of(key, stamp, size):
    """The bytes that a write puts: any two writes differ, from the first byte to the last."""
    return random.Random(f"{key} {stamp}").randbytes(size)


class Model:
    """What each key may hold: what was last answered, or what was on its way when the server died."""

    def __init__(self):
        self.kept = {}  # key → what it holds: None, or {"digest", "tag", ...}
        self.trying = {}  # key → what a write that has no answer would make of it
        self.taken = set()
        self.lock = threading.Lock()

    def take(self, chance):
        """A key that no other writer is at."""
        with self.lock:
            free = [key for key in KEYS if key not in self.taken]
            key = chance.choice(free)
            self.taken.add(key)
            return key

    def give_back(self, key):
        with self.lock:
            self.taken.discard(key)


class KillNine(unittest.TestCase):
    ROUNDS = 6
    VERSIONED = False

    def setUp(self):
        print(f"seed {SEED} (DIPPER_TEST_SEED={SEED} repeats this run)", file=sys.stderr)
        self.directory = tempfile.mkdtemp(prefix="dipper-kill-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.model = Model()
        self.versions = {}  # version id → (key, digest) of every write that was answered
        self.answered = 0

    def write(self, s3, key, chance, stamp):
        """One change of one key. What it will make of the key is noted before it is sent."""
        model, kept = self.model, self.model.kept.get(key)
        where = {"Bucket": "kill", "Key": key}
        move = chance.choice(["put", "put", "put", "parts", "copy", "tag", "delete"])
        if move in ("tag", "copy") and kept is None:
            move = "put"
        if move == "put":
            data, tag = body_of(key, stamp, chance.choice(SIZES)), chance.choice(["", "x", "y"])
            model.trying[key] = {"digest": hashlib.sha256(data).hexdigest(), "tag": tag, "meta": stamp}
            answer = s3.put_object(**where, Body=data, Metadata={"stamp": stamp}, Tagging=f"t={tag}" if tag else "")
        elif move == "parts":
            pieces = [body_of(key, stamp + "/1", 5 * MIB), body_of(key, stamp + "/2", 1000)]
            upload = s3.create_multipart_upload(**where, Metadata={"stamp": stamp})["UploadId"]
            parts = []
            for number, piece in enumerate(pieces, 1):
                etag = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)["ETag"]
                parts.append({"PartNumber": number, "ETag": etag})
            model.trying[key] = {"digest": hashlib.sha256(b"".join(pieces)).hexdigest(), "tag": "", "meta": stamp}
            answer = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        elif move == "copy":
            model.trying[key] = dict(kept, meta=stamp)
            answer = s3.copy_object(
                **where, CopySource={"Bucket": "kill", "Key": key}, MetadataDirective="REPLACE", Metadata={"stamp": stamp}
            )
        elif move == "tag":
            tag = chance.choice(["p", "q"])
            model.trying[key] = dict(kept, tag=tag)
            s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "t", "Value": tag}]})
            answer = {}
        else:
            model.trying[key] = None
            s3.delete_object(**where)
            answer = {}
        made = model.trying.pop(key)
        model.kept[key] = made
        if "VersionId" in answer:
            self.versions[answer["VersionId"]] = (key, made["digest"])
        self.answered += 1

    def writer(self, s3, number, stop):
        chance = random.Random(f"{SEED} {number} {self.answered}")
        turn = 0
        while not stop.is_set():
            turn += 1
            key = self.model.take(chance)
            try:
                self.write(s3, key, chance, f"{number}.{turn}.{time.monotonic_ns()}")
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and not stop.is_set():
                    raise
                return  # killed: the key stays as unsure as it is
            self.model.give_back(key)

    def held(self, s3, key, **version):
        """What the server holds under a key, compared with itself on the way."""
        try:
            answer = s3.get_object(Bucket="kill", Key=key, ChecksumMode="ENABLED", **version)
        except ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], "NoSuchKey", key)
            return None
        data = answer["Body"].read()  # boto3 compares it with the checksum that was kept
        self.assertEqual(len(data), answer["ContentLength"])
        if "-" not in answer["ETag"]:
            self.assertEqual(answer["ETag"], f'"{hashlib.md5(data).hexdigest()}"', key)
        tags = s3.get_object_tagging(Bucket="kill", Key=key, **version)["TagSet"]
        return {
            "digest": hashlib.sha256(data).hexdigest(),
            "tag": tags[0]["Value"] if tags else "",
            "meta": answer["Metadata"]["stamp"],
        }

    def check(self, s3):
        model = self.model
        listed = set()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="kill"):
            listed.update(entry["Key"] for entry in page.get("Contents", []))
        for key in KEYS:
            held = self.held(s3, key)
            allowed = [model.kept.get(key)] + ([model.trying[key]] if key in model.trying else [])
            self.assertIn(held, allowed, key)
            self.assertEqual(key in listed, held is not None, key)
            model.kept[key] = held
        for version, (key, digest) in self.versions.items():
            self.assertEqual(self.held(s3, key, VersionId=version)["digest"], digest, (key, version))
        self.assertEqual(listed - set(KEYS), set())
        # An upload that was cut off goes on: its parts are whole, and it can be completed.
        uploads = s3.list_multipart_uploads(Bucket="kill").get("Uploads", [])
        for upload in uploads:
            where = {"Bucket": "kill", "Key": upload["Key"], "UploadId": upload["UploadId"]}
            s3.list_parts(**where)
            s3.abort_multipart_upload(**where)
        model.trying.clear()
        model.taken.clear()
        return len(uploads)

    def leftovers(self):
        """Files that no object, upload or tag of the server needs."""
        self.assertEqual(os.listdir(os.path.join(self.directory, "tmp")), [])
        self.assertEqual(os.listdir(os.path.join(self.directory, "buckets", "kill", "uploads")), [])

    def test_in_the_middle_of_writes(self):
        server = Server(self.directory)
        server.s3.create_bucket(Bucket="kill")
        if self.VERSIONED:
            server.s3.put_bucket_versioning(Bucket="kill", VersioningConfiguration={"Status": "Enabled"})
        moments = random.Random(SEED)
        unsure = 0
        for _ in range(self.ROUNDS):
            stop = threading.Event()
            before = self.answered
            with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
                writers = [pool.submit(self.writer, server.s3, number, stop) for number in range(WRITERS)]
                deadline = time.monotonic() + 60
                while self.answered < before + 100 and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(moments.random() * 0.2)
                stop.set()
                server.kill()
                for writer in writers:
                    writer.result()
            self.assertGreaterEqual(self.answered, before + 100, "too slow to be a test")
            unsure += len(self.model.trying)
            server = Server(self.directory)
            self.check(server.s3)
        self.assertGreater(unsure, 0, "no write was cut off")
        server.stop()
        server = Server(self.directory)
        self.check(server.s3)
        server.stop()
        self.leftovers()


class KillNineWithVersions(KillNine):
    ROUNDS = 3
    VERSIONED = True


if __name__ == "__main__":
    unittest.main(verbosity=1)
