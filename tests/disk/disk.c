/* A disk as a test wants it, loaded with LD_PRELOAD: DISK_SLOW_MS says how long a flush may take, DISK_NO_FLUSH that there is none. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int flush(const char *name, int file) {
    const char *slow = getenv("DISK_SLOW_MS");
    struct timespec wait;
    int (*real)(int);

    if (slow && atoi(slow) > 0) {
        clock_gettime(CLOCK_MONOTONIC, &wait);
        wait.tv_nsec = wait.tv_nsec / 7 % (atoi(slow) * 1000000L);
        wait.tv_sec = 0;
        nanosleep(&wait, NULL);
    }
    if (getenv("DISK_NO_FLUSH"))
        return 0;
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real ? real(file) : -1;
}

int fsync(int file) { return flush("fsync", file); }

int fdatasync(int file) { return flush("fdatasync", file); }
