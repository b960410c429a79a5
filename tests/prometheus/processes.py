"""Processes on loopback, for the tests with Prometheus."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")


def program():
    """The arkmeter that the command line names, or the debug build. Exits with 75, after the reason, where there is no Prometheus."""
    if not shutil.which("prometheus"):
        print("prometheus is not installed")
        sys.exit(75)
    return os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "target", "debug", "arkmeter"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(name, *command, stop=signal.SIGTERM):
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield log
            if process.poll() is not None:
                log.seek(0)
                raise AssertionError(f"{name} ended: {log.read()}")
        finally:
            process.send_signal(stop)
            process.wait()


def until(what, condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, f"not within 120 s: {what}"
        time.sleep(0.5)
    print("ok:", what)
