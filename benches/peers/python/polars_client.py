"""polars: two columns of a file on S3, summed; or a table in memory, written to a local file."""

import os

import polars

from meter import job_given, measured, report

job = job_given()
uri = f"s3://{job['bucket']}/{job['key']}"
options = {
    "aws_endpoint_url": job["endpoint"],
    "aws_region": "us-east-1",
    "aws_access_key_id": job["accessKeyId"],
    "aws_secret_access_key": job["secretAccessKey"],
    "aws_allow_http": "true",
}

if job["case"] == "writeTable":
    table = polars.read_parquet(f"{job['directory']}/{job['key']}")
    written = f"{job['directory']}/polars.{job['way']}"

    def write():
        if job["way"] == "parquet":
            # What dipper does when it is told nothing.
            table.write_parquet(written, compression="snappy")
        else:
            way = {"csv": table.write_csv, "ndjson": table.write_ndjson, "arrow": table.write_ipc}
            way[job["way"]](written)
        return os.path.getsize(written), table.height

    report(measured(write))
    os.remove(written)
    raise SystemExit

scan = {
    "parquet": polars.scan_parquet,
    "csv": polars.scan_csv,
    "ndjson": polars.scan_ndjson,
}[job["way"]]


def work():
    # The columns themselves are wanted, as for everybody here; their sums show that they are there.
    table = scan(uri, storage_options=options).select(job["columns"]).collect()
    sums = [table[name].cast(polars.Float64).sum() for name in job["columns"]]
    if table.height != job["count"] or not all(sums):
        raise RuntimeError(f"{table.height} rows, sums {sums}")
    return job["size"], table.height


report(measured(work))
