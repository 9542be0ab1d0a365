"""Runs cells in the real Deno kernel, presses Stop at given times, and tells what came.

Reads JSON from a file: {"kernel": name or null, "cwd": ..., "steps": [...]}. A step is a cell,
{"code", "stops": [seconds, ...], "stopAt": text, "stopDelay": seconds, "timeout": seconds,
"together": true to send it without waiting for the one before}, or {"restart": true}. Writes one JSON
list: for each step its outputs in order, what the kernel answered, how long it took, the seconds from
the last Stop to its end, and whether the kernel was alive afterwards. "stopAt" presses Stop once the
cell has printed that text: a Stop that follows what the cell does, not a clock. "stopDelay" is how
long after that. "quiet" is how long the channel is silent before the cell counts as over.

A cell that does not end in its time ends the session: those behind it could not run.

Without a kernel's name a kernelspec is written into a temporary directory; with one, Jupyter
looks it up as it does for a user (JUPYTER_DATA_DIR).
"""

import argparse
import json
import os
import queue
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

from execute_notebook import write_kernelspec

# The kernel's "idle" may overtake the last outputs of a cell.
QUIET_SECONDS = 0.3


class Session:
    def __init__(self, kernel: str, cwd: str) -> None:
        self.manager = KernelManager(kernel_name=kernel)
        self.manager.start_kernel(cwd=cwd, stderr=sys.stderr)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        # The kernel's own thread loses a wake now and then (Deno 2.9.6) and sends what a cell put
        # out only when something else wakes it: measured, in about one of twenty cells on a busy
        # machine. A heartbeat each second is such a thing.
        self.client.hb_channel.unpause()

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self.connect()

    def run(self, cells: list[dict]) -> list[dict]:
        """Runs cells that are sent together."""
        began = time.monotonic()
        results = {}
        for cell in cells:
            request = self.client.execute(cell["code"], silent=False)
            results[request] = {"outputs": [], "idle": False, "reply": None, "after": None}
        limit = max(cell.get("timeout", 60) for cell in cells)
        stops = sorted(stop for cell in cells for stop in cell.get("stops", []))
        wanted = [(cell["stopAt"], cell.get("stopDelay", 0)) for cell in cells if "stopAt" in cell]
        due = None
        quiet = max(cell.get("quiet", QUIET_SECONDS) for cell in cells)
        last_stop = None
        quiet_since = None
        alive = True
        while time.monotonic() - began < limit:
            now = time.monotonic() - began
            if stops and now >= stops[0]:
                stops.pop(0)
                self.manager.interrupt_kernel()
                last_stop = time.monotonic()
            if due is not None and now >= due:
                due = None
                self.manager.interrupt_kernel()
                last_stop = time.monotonic()
            if not self.manager.is_alive():
                alive = False
                break
            self.take_replies(results)
            try:
                patience = 0.05 if due is None else max(0.0, min(0.05, due - now))
                message = self.client.get_iopub_msg(timeout=patience)
            except queue.Empty:
                if quiet_since is not None and time.monotonic() - quiet_since > quiet:
                    break
                continue
            kind, content = message["msg_type"], message["content"]
            result = results.get(message["parent_header"].get("msg_id"))
            if result is None:
                continue
            if kind == "status":
                if content["execution_state"] == "idle":
                    result["idle"] = True
                    result["after"] = time.monotonic() - (last_stop or began)
                    if all(one["idle"] for one in results.values()) and not stops:
                        quiet_since = time.monotonic()
                        due = None
                continue
            if kind == "execute_input":
                continue
            if quiet_since is not None:
                quiet_since = time.monotonic()
            result["outputs"].append({"type": kind, **content})
            if kind == "stream" and wanted and wanted[0][0] in content["text"]:
                due = time.monotonic() - began + wanted.pop(0)[1]
        self.take_replies(results)
        took = time.monotonic() - began
        return [
            {
                "outputs": result["outputs"],
                "reply": result["reply"],
                "ended": result["idle"],
                "alive": alive,
                "seconds": took,
                "secondsAfterStop": result["after"] if last_stop else None,
            }
            for result in results.values()
        ]

    def take_replies(self, results: dict) -> None:
        """Takes what the kernel answered: unlike an output, it cannot come too late unseen."""
        while True:
            try:
                message = self.client.get_shell_msg(timeout=0)
            except queue.Empty:
                return
            result = results.get(message["parent_header"].get("msg_id"))
            if result is not None and message["msg_type"] == "execute_reply":
                content = message["content"]
                result["reply"] = {name: content.get(name) for name in ("status", "ename", "evalue")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("--deno", required=True, help="path of the deno executable")
    arguments = parser.parse_args()
    script = json.loads(arguments.script.read_text())
    told = []
    with tempfile.TemporaryDirectory(prefix="dipper-kernel-") as directory:
        os.environ["JUPYTER_RUNTIME_DIR"] = os.path.join(directory, "runtime")
        os.environ["JUPYTER_CONFIG_DIR"] = os.path.join(directory, "config")
        if script.get("kernel") is None:
            write_kernelspec(Path(directory), arguments.deno)
            os.environ["JUPYTER_PATH"] = directory
        session = Session(script.get("kernel") or "deno", script["cwd"])
        try:
            steps = script["steps"]
            while steps:
                if steps[0].get("restart"):
                    steps.pop(0)
                    session.restart()
                    told.append({"outputs": [], "ended": True, "alive": True, "seconds": 0})
                    continue
                together = [steps.pop(0)]
                while steps and steps[0].get("together"):
                    together.append(steps.pop(0))
                told.extend(session.run(together))
                if told[-1]["alive"] and not all(one["ended"] for one in told[-len(together):]):
                    break
                if not told[-1]["alive"] and not (steps and steps[0].get("restart")):
                    break
        finally:
            session.client.stop_channels()
            session.manager.shutdown_kernel(now=True)
    json.dump(told, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
