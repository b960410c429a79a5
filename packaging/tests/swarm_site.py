"""The simulated site of packaging/test-swarm: gateways with meters, and an endpoint that takes their reports over TLS. It is the witness: it
counts what no shard can know. Standard library only.

- A gateway notices a second master: two requests on an older connection after one on a newer connection. A master waits for the answer before
  it asks again, so one request can be the last words of a connection that was given up while a cable was out. A connection that is only
  open is the rest of a machine that is gone.
- The endpoint refuses an energy that falls, as Arkreen does, and notices one that is higher than the register is. One call of each client
  can be late in the same way.
"""

import asyncio
import http.server
import json
import ssl
import struct
import threading
import time

POWER_WATTS = 5000
FIRST_KWH = 1000


def f32(value):
    return struct.unpack(">f", struct.pack(">f", value))[0]


class Meter:
    """An SDM630 whose load is constant. It counts on, whoever reads it."""

    def __init__(self, number):
        self.client = f"0x{number:064x}"
        self.number = number
        self.began = time.monotonic()

    def kwh(self, at=None):
        hours = ((time.monotonic() if at is None else at) - self.began) / 3600
        return f32(FIRST_KWH + self.number / 1000 + POWER_WATTS / 1000 * hours)

    def words(self, function, address, count):
        if function == 4 and 0x34 <= address and address + count <= 0x4C:
            block = bytearray(2 * (0x4C - 0x34))
            block[0:4] = struct.pack(">f", POWER_WATTS)
            block[2 * (0x48 - 0x34) : 2 * (0x4C - 0x34)] = struct.pack(">ff", self.kwh(), 0)
        elif function == 3 and 0xFC00 <= address and address + count <= 0xFC03:
            address, block = address - 0xFC00 + 0x34, struct.pack(">IH", self.number, 112)
        else:
            return None
        start = 2 * (address - 0x34)
        return bytes(block[start : start + 2 * count])


class Gateway:
    """Meters behind one port."""

    def __init__(self, meters):
        self.units = dict(enumerate(meters, 1))
        self.connections = 0
        self.newest = 0
        self.two_masters = 0
        self.requests = 0


class Master(asyncio.Protocol):
    """One connection to a gateway."""

    def __init__(self, gateway):
        self.gateway = gateway
        gateway.connections += 1
        self.number = gateway.connections
        self.late = 0
        self.bytes = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.bytes += data
        while len(self.bytes) >= 6 and len(self.bytes) >= 6 + self.bytes[5]:
            length = 6 + self.bytes[5]
            request, self.bytes = self.bytes[:length], self.bytes[length:]
            self.answer(request)

    def answer(self, request):
        gateway = self.gateway
        gateway.requests += 1
        self.late += self.number < gateway.newest
        gateway.two_masters += self.late == 2
        gateway.newest = max(gateway.newest, self.number)
        meter = gateway.units.get(request[6])
        if meter is None:
            return
        function, address, count = struct.unpack(">BHH", request[7:12])
        words = meter.words(function, address, count)
        body = bytes([function, len(words)]) + words if words else bytes([function | 0x80, 2])
        self.transport.write(request[:4] + struct.pack(">H", 1 + len(body)) + request[6:7] + body)


class Client:
    """What was accepted of one client."""

    def __init__(self, meter):
        self.meter = meter
        self.energy = 0
        # Reports since the last event began that were lower than one before them.
        self.fallen = 0
        # (time, energy) of each accepted report since the last event began, with the last one before it.
        self.accepted = []


class Site:
    """Everything around the swarm, with its witness."""

    def __init__(self, address, gateways, meters_each, token, certificate):
        self.address, self.token, self.certificate = address, token, certificate
        meters = [Meter(number) for number in range(1, gateways * meters_each + 1)]
        self.gateways = [Gateway(meters[at : at + meters_each]) for at in range(0, len(meters), meters_each)]
        self.clients = {meter.client: Client(meter) for meter in meters}
        self.lock = threading.Lock()
        self.invented = self.unauthorised = 0
        self.ports = []
        self.event_began = time.monotonic()

    def start(self):
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve_gateways(ready)), daemon=True).start()
        ready.wait()
        site = self

        class Endpoint(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                entries = body if isinstance(body, list) else [body]
                answers = site.accept(entries, self.headers["authorization"])
                text = json.dumps(answers if isinstance(body, list) else answers[0]).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def get_request(self):
                connection, address = super().get_request()
                # The handshake belongs to the thread of the connection.
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, *_):
                """Nodes are cut off in the middle of a call."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        server = Server((self.address, 0), Endpoint)
        self.url = f"https://{self.address}:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    async def serve_gateways(self, ready):
        loop = asyncio.get_running_loop()
        for gateway in self.gateways:
            server = await loop.create_server(lambda gateway=gateway: Master(gateway), self.address, 0)
            self.ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.Event().wait()

    def accept(self, entries, authorization):
        now = time.monotonic()
        with self.lock:
            return [{"jsonrpc": "2.0", "id": entry["id"], **self.judge(entry["params"], authorization, now)} for entry in entries]

    def judge(self, params, authorization, now):
        client = self.clients[params["clientId"]]
        if authorization != "Bearer " + self.token:
            self.unauthorised += 1
            return {"error": {"code": 1000, "message": "Invalid authorization token"}}
        energy = params["energy"]
        if energy < client.energy:
            client.fallen += 1
            return {"error": {"code": 4003, "message": "Invalid energy data"}}
        # Energy is in mWh.
        if energy > round(client.meter.kwh(now) * 1e6):
            self.invented += 1
        client.energy = energy
        client.accepted.append((now, energy))
        return {"result": "OK"}

    # ---- What an event did

    def begin_event(self):
        with self.lock:
            self.event_began = time.monotonic()
            for client in self.clients.values():
                client.accepted = client.accepted[-1:]
                client.fallen = 0

    def reported_since(self, moment):
        """The clients with an accepted report since then."""
        with self.lock:
            return sum(1 for client in self.clients.values() if client.accepted and client.accepted[-1][0] >= moment)

    def caught_up(self, moment, within):
        """Whether what each client's meter had counted at the first report since `moment` was reported within this time of that report;
        `None` while it cannot be told."""
        with self.lock:
            return [self.client_caught_up(client, moment, within) for client in self.clients.values()]

    @staticmethod
    def client_caught_up(client, moment, within):
        since = [(at, energy) for at, energy in client.accepted if at >= moment]
        if not since:
            return None
        first = since[0][0]
        wanted = round(client.meter.kwh(first) * 1e6)
        if any(energy >= wanted and at <= first + within for at, energy in since):
            return True
        return None if time.monotonic() <= first + within else False

    def longest_gap(self):
        """The longest time between two accepted reports of one client since the event began, in seconds."""
        with self.lock:
            gaps = [b[0] - a[0] for client in self.clients.values() for a, b in zip(client.accepted, client.accepted[1:])]
        return max(gaps, default=0)

    def fallen(self):
        """How many reports since the event began were lower than one before them: of all clients, and of the client with the most."""
        with self.lock:
            counts = [client.fallen for client in self.clients.values()]
        return sum(counts), max(counts)

    def two_masters(self):
        return sum(gateway.two_masters for gateway in self.gateways)
