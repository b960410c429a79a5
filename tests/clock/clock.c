/* Clocks as a test wants them, loaded with LD_PRELOAD. CLOCK_SHIFTS names a file of three numbers of eight bytes, in seconds: by how much
 * the clock that timers go by (CLOCK_MONOTONIC), the boot's clock (CLOCK_BOOTTIME) and the wall clock are ahead of the true ones. The
 * kernel says that nobody synchronises the wall clock, whatever the machine of the test does: timesyncd's file alone says that it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static const volatile int64_t *shifts;

__attribute__((constructor)) static void open_shifts(void) {
    const char *name = getenv("CLOCK_SHIFTS");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, 3 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);

    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    if (found != MAP_FAILED)
        shifts = found;
    if (file >= 0)
        close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, time);
    if (result == 0 && shifts)
        time->tv_sec += clock == CLOCK_MONOTONIC ? shifts[0] : clock == CLOCK_BOOTTIME ? shifts[1] : clock == CLOCK_REALTIME ? shifts[2] : 0;
    return result;
}

int adjtimex(struct timex *buffer) {
    static int (*actual)(struct timex *);
    int state;

    if (!actual)
        *(void **)&actual = dlsym(RTLD_NEXT, "adjtimex");
    state = actual(buffer);
    buffer->status |= STA_UNSYNC;
    return state < 0 ? state : TIME_ERROR;
}
