"""A simulated SDM630 (power 1500 W, imported energy 1234.5 kWh) on pymodbus: `tcp`, `rtu_over_tcp`, or `serial PATH`.

Prints `ready PORT` once it listens. Ends with its standard input.
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def meter():
    registers = [
        SimData(0x0034, values=1500.0, datatype=DataType.FLOAT32),
        SimData(0x0048, values=1234.5, datatype=DataType.FLOAT32),
        SimData(0x004A, values=7.25, datatype=DataType.FLOAT32),
        SimData(0xFC00, values=2102117, datatype=DataType.UINT32),
    ]
    return SimDevice(1, simdata=registers)


async def main():
    link = sys.argv[1]
    if link == "serial":
        server = ModbusSerialServer(meter(), framer=FramerType.RTU, port=sys.argv[2], baudrate=9600)
    else:
        framer = FramerType.SOCKET if link == "tcp" else FramerType.RTU
        server = ModbusTcpServer(meter(), framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = 0 if link == "serial" else server.transport.sockets[0].getsockname()[1]
    print("ready", port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main())
