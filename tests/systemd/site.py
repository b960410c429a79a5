"""The simulated site around the daemon in the container: two SDM630 on a serial line, and a simulated Arkreen. Standard library only.

Usage: site.py DEVICE CALLS. The line is a pseudo-terminal that DEVICE points to, with the permissions that udev gives to adapters. Each accepted
report is a line of the file CALLS. Prints `ready PORT` when it serves.
"""

import fcntl
import grp
import http.server
import json
import os
import struct
import sys
import termios
import threading
import time

TOKEN = "0x" + "7" * 64
# Unit -> register -> words: power in W, imported and exported energy in kWh as floats, the serial number.
METERS = {
    unit: {0x0034: struct.pack(">f", 1500), 0x0048: struct.pack(">ff", 1000 + unit, 0), 0xFC00: struct.pack(">I", unit)}
    for unit in (1, 2)
}


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def answer(request):
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    if unit not in METERS or crc(request[:6]) != request[6:]:
        return b""
    for start, data in METERS[unit].items():
        words = data[2 * (address - start) :][: 2 * count]
        if address >= start and len(words) == 2 * count:
            frame = bytes([unit, function, len(words)]) + words
            return frame + crc(frame)
    frame = bytes([unit, function | 0x80, 2])
    return frame + crc(frame)


def serve_line(master):
    pending = b""
    while True:
        try:
            pending += os.read(master, 512)
        except OSError:
            # The line is closed. A killed daemon leaves a pseudo-terminal in exclusive mode; a real device would leave that mode.
            pending = b""
            slave = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
            fcntl.ioctl(slave, termios.TIOCNXCL)
            os.close(slave)
            time.sleep(0.02)
        while len(pending) >= 8:
            os.write(master, answer(pending[:8]))
            pending = pending[8:]


class Arkreen(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held = {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        entries = body if isinstance(body, list) else [body]
        answers = [self.accept(entry) for entry in entries]
        text = json.dumps(answers if isinstance(body, list) else answers[0]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def accept(self, entry):
        client, energy = entry["params"]["clientId"], entry["params"]["energy"]
        if self.headers["authorization"] != "Bearer " + TOKEN:
            error = {"code": 1000, "message": "Invalid authorization token"}
        elif energy < self.held.get(client, 0):
            error = {"code": 4003, "message": "Invalid energy data"}
        else:
            self.held[client] = energy
            with open(sys.argv[2], "a") as calls:
                calls.write(json.dumps(entry["params"]) + "\n")
            return {"jsonrpc": "2.0", "id": entry["id"], "result": "OK"}
        return {"jsonrpc": "2.0", "id": entry["id"], "error": error}

    def log_message(self, *_):
        pass


master, slave = os.openpty()
os.chmod(os.ttyname(slave), 0o660)
os.chown(os.ttyname(slave), 0, grp.getgrnam("dialout").gr_gid)
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
os.symlink(os.ttyname(slave), sys.argv[1])
os.close(slave)
threading.Thread(target=serve_line, args=(master,), daemon=True).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Arkreen)
print("ready", server.server_port, flush=True)
server.serve_forever()
