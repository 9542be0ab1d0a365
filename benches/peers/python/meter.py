"""Time, processor time and peak memory of a stretch of this process, and the job it is given."""

import json
import resource
import sys
import time


def job_given():
    return json.loads(sys.argv[1])


def numbered(job, count):
    return [f"{job['key']}{number:06}" for number in range(count)]


def whole(job, length):
    if length != job["size"]:
        raise RuntimeError(f"{length} of {job['size']} bytes")
    return length


def report(outcome):
    print(json.dumps(outcome))


def measured(work):
    """Runs `work`, which answers how many bytes and operations it was, and perhaps their times."""
    try:
        # The kernel forgets the peak so far.
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # The peak is then that of the whole process.
    idle = resident("VmRSS")
    before = processor()
    start = time.perf_counter()
    count, operations, *times = work()
    seconds = time.perf_counter() - start
    outcome = {
        "seconds": seconds,
        "bytes": count,
        "operations": operations,
        "cpuSeconds": processor() - before,
        "idleBytes": idle,
        "peakBytes": resident("VmHWM"),
    }
    if times:
        ordered = sorted(times[0])
        outcome["p50"] = ordered[len(ordered) // 2]
        outcome["p99"] = ordered[len(ordered) * 99 // 100]
    return outcome


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field}")


class Made:
    """So many bytes, made while they are read: the same memory again and again."""

    def __init__(self, size):
        self.left = size

    def read(self, count=-1):
        count = self.left if count < 0 else min(count, self.left)
        self.left -= count
        return b"\7" * count


def run(job, get, object_, small=None, list_=None, put=None, put_stream=None):
    """Does the job. `get` reads a key, `object_` the large object, `small` many keys at once."""
    if job.get("warmUp"):
        get(job["warmUp"])
    case = job["case"]
    if case == "object":
        report(measured(lambda: (whole(job, object_()), 1)))
    elif case == "repeated":
        for _ in range(job["settle"]):
            object_()
        report(measured(lambda: (sum(object_() for _ in range(job["count"])), job["count"])))
    elif case == "small" and small:
        keys = numbered(job, job["count"])
        small(keys[: len(keys) // 10])

        def all_of_them():
            kept = small(keys)
            return sum(len(one) for one in kept), len(kept)

        report(measured(all_of_them))
    elif case == "latency":
        for _ in range(job["count"] // 10):
            get(job["key"])

        def one_at_a_time():
            times, read = [], 0
            for _ in range(job["count"]):
                start = time.perf_counter()
                read += len(get(job["key"]))
                times.append(time.perf_counter() - start)
            return read, job["count"], times

        report(measured(one_at_a_time))
    elif case == "list" and list_:
        report(measured(lambda: (0, list_())))
    elif case == "upload" and put:
        body = b"\7" * job["size"]

        def send():
            put(job["key"], body)
            return job["size"], 1

        report(measured(send))
    elif case == "uploadStream" and put_stream:

        def send_made():
            put_stream(job["key"], Made(job["size"]))
            return job["size"], 1

        report(measured(send_made))
    else:
        report({"missing": f"has no case {case}"})
