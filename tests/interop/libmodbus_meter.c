/* A simulated SDM630 (power 1500 W, imported energy 1234.5 kWh) on libmodbus over TCP.
 * Prints "ready PORT" once it listens; serves one client after the other until it is killed. */

#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* High word first. The library's own modbus_set_float_abcd swaps the bytes of each word in some of its versions. */
static void show(uint16_t *registers, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    registers[0] = bits >> 16;
    registers[1] = bits & 0xFFFF;
}

int main(void)
{
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *registers = modbus_mapping_new(0, 0, 0, 0x200);
    int listener = context ? modbus_tcp_listen(context, 4) : -1;
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    if (registers == NULL || listener < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        perror("libmodbus_meter");
        return 1;
    }
    show(registers->tab_input_registers + 0x34, 1500.0f);
    show(registers->tab_input_registers + 0x48, 1234.5f);
    show(registers->tab_input_registers + 0x4A, 7.25f);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
        int client = modbus_tcp_accept(context, &listener);
        int size;
        if (client < 0)
            return 1;
        while ((size = modbus_receive(context, request)) >= 0)
            if (size > 0)
                modbus_reply(context, request, size, registers);
        modbus_close(context);
    }
}
