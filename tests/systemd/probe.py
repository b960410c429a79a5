"""Tries what a program in the sandbox of the unit may do and may not do. Prints a line for each attempt: NAME, `done` or `refused`, reason.

Usage: probe.py. As the program of the unit it shows the sandbox. Run by root outside the sandbox, it shows that the attempts work there.
"""

import ctypes
import mmap
import os
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def write(path):
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)


def set_uid_bit():
    path = "/run/arkmeter/suid" if os.path.isdir("/run/arkmeter") else "/run/suid"
    with open(path, "w"):
        pass
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


ATTEMPTS = {
    "serial_device": lambda: os.close(os.open("/dev/serial/by-id/usb-simulated", os.O_RDWR | os.O_NOCTTY)),
    "state": lambda: write("/var/lib/arkmeter/probe"),
    "runtime_folder": lambda: write("/run/arkmeter/probe"),
    "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "unix_socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
    "boot_id": lambda: open("/proc/sys/kernel/random/boot_id").read(),
    # What any user can do outside the sandbox, because the files are open to all.
    "write_configuration": lambda: write("/etc/open/probe"),
    "write_elsewhere": lambda: write("/var/lib/open/probe"),
    "write_home": lambda: write("/home/open/probe"),
    "see_home": lambda: os.listdir("/home/open"),
    "see_shared_tmp": lambda: os.stat("/tmp/open"),
    "see_others": lambda: os.stat("/proc/1/stat"),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "write_and_execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "set_uid_bit": set_uid_bit,
    # What root can do outside the sandbox.
    "raw_packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "set_clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME)),
    "mount": lambda: call("mount", b"none", b"/var/lib/open", b"tmpfs", 0, None),
    "real_time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "host_name": lambda: socket.sethostname(socket.gethostname()),
    "other_device": lambda: os.close(os.open("/dev/other", os.O_RDONLY)),
    # This is last: in a new user namespace root has no rights.
    "new_namespace": lambda: call("unshare", 0x10000000),  # CLONE_NEWUSER
}

for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        print(name, "done", flush=True)
    except OSError as error:
        print(name, "refused", error, flush=True)
