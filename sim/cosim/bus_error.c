/* bus_error.c: access to a page of a guest's memory file that the guest's process has cut off. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "sim/cosim/cosim_i.h"

#include <sys/mman.h>

enum { PAGE = 4096, REGIONS_MAX = 256 };

static struct {
    uintptr_t from, to;
    char *at; /* from */
} region[REGIONS_MAX];
static volatile sig_atomic_t regions;
static volatile sig_atomic_t count;

/* mmap is a plain system call on Linux, so it may be used here; the faulting instruction then runs
 * again on a page of zeros. Anything else is a bug and ends the program as without a handler. */
static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    const uintptr_t page = (uintptr_t)info->si_addr / PAGE * PAGE;

    (void)context;
    for (int i = 0; i < regions; i++) {
        if (page >= region[i].from && page < region[i].to &&
            mmap(region[i].at + (page - region[i].from), PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
            count = count + 1;
            return;
        }
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

bool bus_error_catch(void)
{
    struct sigaction a = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    sigemptyset(&a.sa_mask);
    regions = 0;
    count = 0;
    return sigaction(SIGBUS, &a, NULL) == 0;
}

void bus_error_region(void *from, uint64_t bytes)
{
    if (regions < REGIONS_MAX) {
        region[regions].at = from;
        region[regions].from = (uintptr_t)from;
        region[regions].to = (uintptr_t)from + bytes;
        regions = regions + 1;
    }
}

uint64_t bus_error_count(void)
{
    return (uint64_t)count;
}
