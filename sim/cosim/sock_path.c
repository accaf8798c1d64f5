#define _GNU_SOURCE /* SOCK_CLOEXEC with NONBLOCK */
#include "sim/cosim/sock_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool address(const char *path, struct sockaddr_un *a, struct hca_error *err)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a->sun_path) {
        hca_error_set(err, "%s: the path of a socket has at most %zu bytes", path,
                      sizeof a->sun_path - 1);
        return false;
    }
    (void)snprintf(a->sun_path, sizeof a->sun_path, "%s", path);
    return true;
}

bool sock_folder_ok(const char *path, struct hca_error *err)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    struct stat s;

    (void)snprintf(folder, sizeof folder, "%s", path);
    char *const slash = strrchr(folder, '/');
    if (slash == NULL) {
        (void)snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = '\0';
    }
    if (stat(folder, &s) != 0) {
        hca_error_set(err, "%s: %s", folder, strerror(errno));
        return false;
    }
    if (s.st_uid != geteuid() || (s.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        hca_error_set(err,
                      "%s: a folder of sockets must belong to you and be writable by you alone "
                      "(mode %03o now); chmod go-w, or name another one",
                      folder, (unsigned)s.st_mode & 0777U);
        return false;
    }
    return true;
}

/* Nobody listens behind the file of an earlier process. */
static bool left_over(const struct sockaddr_un *a)
{
    struct stat s;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool dead = lstat(a->sun_path, &s) == 0 && S_ISSOCK(s.st_mode) && fd >= 0 &&
                      connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 &&
                      errno == ECONNREFUSED;

    if (fd >= 0) {
        close(fd);
    }
    return dead;
}

int sock_listen(const char *path, struct hca_error *err)
{
    struct sockaddr_un a;

    if (!address(path, &a, err) || !sock_folder_ok(path, err)) {
        return -1;
    }
    if (left_over(&a)) {
        (void)unlink(path);
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t old = umask(0177);
    const bool good =
        fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4) == 0;
    umask(old);
    if (!good) {
        hca_error_set(err, "%s: %s%s", path, strerror(errno),
                      errno == EADDRINUSE ? "; is another hcasim serving it?" : "");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}
