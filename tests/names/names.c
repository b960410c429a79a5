/* A dead name server, loaded before the program (LD_PRELOAD): the look-up of a name takes NAMES_HANG_S seconds and finds nothing. Numbers
   and localhost are found as ever. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static lookup *real;
    const char *seconds = getenv("NAMES_HANG_S");
    unsigned char number[16];
    if (real == NULL) real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (node == NULL || seconds == NULL || strcmp(node, "localhost") == 0 || inet_pton(AF_INET, node, number) == 1 ||
        inet_pton(AF_INET6, node, number) == 1)
        return real(node, service, hints, found);
    sleep((unsigned)atoi(seconds));
    return EAI_AGAIN;
}
