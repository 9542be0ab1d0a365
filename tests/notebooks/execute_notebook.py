"""Executes one notebook in the real Deno kernel and writes it, with its outputs, to a file.

The kernelspec lives in a temporary directory, so neither the user's kernels nor an installed one
are touched. Exit code 1 and the traceback on stderr mean that a cell failed.

The kernel's "idle" message often overtakes a cell's last outputs (Deno 2.9.6), and nbclient stops
listening at "idle". So after each cell this script listens on until the channel is quiet and hands
late messages to nbclient. With --stop-at-idle it does not, and loses what JupyterLab would lose.
"""

import argparse
import json
import os
import queue
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

QUIET_SECONDS = 0.25


def write_kernelspec(directory: Path, deno: str) -> None:
    """Puts a kernelspec named "deno", as the notebooks ask for, where Jupyter will look."""
    spec = directory / "kernels" / "deno"
    spec.mkdir(parents=True)
    spec.joinpath("kernel.json").write_text(
        json.dumps(
            {
                "argv": [deno, "jupyter", "--kernel", "--conn", "{connection_file}"],
                "display_name": "Deno",
                "language": "typescript",
            }
        )
    )


def execute(
    notebook: nbformat.NotebookNode, cwd: Path, timeout: int, stop_at_idle: bool
) -> None:
    """Runs every cell in order, in place; raises at the first cell that fails."""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=timeout,
        kernel_name="deno",
        resources={"metadata": {"path": str(cwd)}},
    )

    async def take_late_messages(cell, cell_index, execute_reply):
        request = execute_reply["parent_header"]["msg_id"]
        while True:
            try:
                message = await client.kc.iopub_channel.get_msg(timeout=QUIET_SECONDS)
            except queue.Empty:
                return
            if message["parent_header"].get("msg_id") == request and message["msg_type"] != "status":
                client.process_message(message, cell, cell_index)

    def keep_beating(notebook):
        # Deno's kernel (2.9.6) loses a wake now and then, and sends what a cell put out only when
        # something else wakes it. A heartbeat each second is such a thing.
        client.kc.hb_channel.unpause()

    client.on_notebook_start = keep_beating
    if not stop_at_idle:
        client.on_cell_executed = take_late_messages
    client.execute()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--deno", required=True, help="path of the deno executable")
    parser.add_argument("--cwd", type=Path, help="where the kernel starts; default: beside the notebook")
    parser.add_argument("--stop-at-idle", action="store_true", help="take no late message")
    parser.add_argument("--timeout", type=int, default=120, help="seconds a cell may take")
    arguments = parser.parse_args()

    notebook = nbformat.read(arguments.notebook, as_version=4)
    nbformat.validate(notebook)
    with tempfile.TemporaryDirectory(prefix="dipper-kernel-") as directory:
        write_kernelspec(Path(directory), arguments.deno)
        os.environ["JUPYTER_PATH"] = directory
        os.environ["JUPYTER_RUNTIME_DIR"] = os.path.join(directory, "runtime")
        os.environ["JUPYTER_CONFIG_DIR"] = os.path.join(directory, "config")
        try:
            cwd = arguments.cwd or arguments.notebook.parent
            execute(notebook, cwd, arguments.timeout, arguments.stop_at_idle)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{arguments.notebook}: {error}", file=sys.stderr)
            return 1
        finally:
            nbformat.write(notebook, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
