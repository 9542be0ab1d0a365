"""Runs JupyterLab until its standard input closes.

So it ends with the program that started it, however that one ended, and takes its kernels with it: on
SIGTERM JupyterLab shuts them down. The first argument is the folder of what it writes, which is removed at
the end; the others are JupyterLab's.
"""

import os
import shutil
import signal
import sys
import threading

from jupyterlab.labapp import main


def end_with_standard_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    folder = sys.argv.pop(1)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    try:
        code = main()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)
