"""An Ansible connection to a booted container on this machine: by the process id of a process in it, `ansible_container_process`."""

import os
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: container
short_description: Enters a container on this machine
description: Enters all namespaces of a process, with nsenter. For tests.
options:
  process:
    description: The number of a process in the container.
    type: int
    vars: [{name: ansible_container_process}]
"""


class Connection(ConnectionBase):
    """Commands and files go through nsenter."""

    transport = "container"

    def _connect(self):
        self._connected = True
        return self

    def _inside(self, command, data=None):
        process = str(self.get_option("process"))
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["nsenter", "-t", process, "-a", "sh", "-c", command], input=data, capture_output=True, env=environment)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd, in_data=None, sudoable=True):
        return self._inside(cmd, in_data or b"")

    def put_file(self, in_path, out_path):
        with open(in_path, "rb") as file:
            code, _, error = self._inside(f"cat >'{out_path}'", file.read())
        if code:
            raise OSError(f"{out_path}: {error!r}")

    def fetch_file(self, in_path, out_path):
        code, content, error = self._inside(f"cat '{in_path}'")
        if code:
            raise OSError(f"{in_path}: {error!r}")
        with open(os.path.abspath(out_path), "wb") as file:
            file.write(content)

    def close(self):
        self._connected = False
