/* A disk as a test wants it, loaded with LD_PRELOAD: DISK_SLOW_MS says how long a flush may take, a write a tenth of it, and
 * DISK_NO_FLUSH that there is no flush; no flush returns while the file is there that DISK_HANGS names.
 * DISK_BAD_INODE and DISK_BAD_SECTOR name a file and a sector of it that cannot be read. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void be_slow(long share) {
    const char *slow = getenv("DISK_SLOW_MS");
    struct timespec wait;

    if (!slow || atoi(slow) <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &wait);
    wait.tv_nsec = wait.tv_nsec / 7 % (atoi(slow) * 1000000L / share);
    wait.tv_sec = 0;
    nanosleep(&wait, NULL);
}

static int flush(const char *name, int file) {
    int (*real)(int);
    const char *hangs = getenv("DISK_HANGS");

    be_slow(1);
    while (hangs && access(hangs, F_OK) == 0)
        usleep(20000);
    if (getenv("DISK_NO_FLUSH"))
        return 0;
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real ? real(file) : -1;
}

int fsync(int file) { return flush("fsync", file); }

int fdatasync(int file) { return flush("fdatasync", file); }

/* What was written is there after a kill, flushed or not: a kill has to come before the write to be worth anything. */
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t);

    be_slow(10);
    *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    return real ? real(file, bytes, length, at) : -1;
}

/* As the kernel does: what comes before the bad sector is read. */
ssize_t pread64(int file, void *bytes, size_t length, off64_t at) {
    ssize_t (*real)(int, void *, size_t, off64_t);
    const char *inode = getenv("DISK_BAD_INODE"), *sector = getenv("DISK_BAD_SECTOR");
    struct stat found;

    *(void **)&real = dlsym(RTLD_NEXT, "pread64");
    if (inode && sector && fstat(file, &found) == 0 && found.st_ino == strtoull(inode, NULL, 10)) {
        off64_t bad = 512 * strtoll(sector, NULL, 10);

        if (at < bad + 512 && at + (off64_t)length > bad) {
            if (at >= bad) {
                errno = EIO;
                return -1;
            }
            length = bad - at;
        }
    }
    return real ? real(file, bytes, length, at) : -1;
}
