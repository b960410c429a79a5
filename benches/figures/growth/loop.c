/* The reference: libmodbus reads 10 input registers of units 1 to UNITS at each port, a thread for each port, every PERIOD_MS.
 * usage: loop UNITS PERIOD_MS SECONDS PORT...
 * Prints the polls that were answered and the processor time, user and system, in seconds. */
#include <modbus.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { REGISTERS = 10 };

static int units;
static double period, seconds;
static atomic_long polls;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void *gateway(void *port) {
    uint16_t registers[REGISTERS];
    modbus_t *line = modbus_new_tcp("127.0.0.1", atoi(port));
    if (modbus_connect(line)) return perror("connect"), NULL;
    double begin = now();
    for (long round = 1; now() < begin + seconds; round++) {
        for (int unit = 1; unit <= units; unit++) {
            modbus_set_slave(line, unit);
            if (modbus_read_input_registers(line, 0, REGISTERS, registers) == REGISTERS) polls++;
        }
        double wait = begin + round * period - now();
        if (wait > 0) nanosleep(&(struct timespec){(time_t)wait, (long)((wait - (time_t)wait) * 1e9)}, NULL);
    }
    return modbus_close(line), NULL;
}

int main(int count, char **arguments) {
    if (count < 5) return 2;
    units = atoi(arguments[1]), period = atof(arguments[2]) / 1e3, seconds = atof(arguments[3]);
    pthread_t *threads = calloc(count, sizeof *threads);
    for (int i = 4; i < count; i++) pthread_create(&threads[i], NULL, gateway, arguments[i]);
    for (int i = 4; i < count; i++) pthread_join(threads[i], NULL);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("%ld %f\n", atomic_load(&polls), cpu);
    return 0;
}
