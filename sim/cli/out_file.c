#include "sim/cli/out_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

bool out_dir(const char *dir)
{
    struct stat s;

    if (mkdir(dir, 0777) == 0) {
        return true;
    }
    if (errno != EEXIST) {
        return false;
    }
    if (stat(dir, &s) != 0 || !S_ISDIR(s.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return access(dir, W_OK | X_OK) == 0;
}

struct out_file out_open(const char *dir, const char *name)
{
    struct out_file o = {.f = NULL};
    const int n = snprintf(o.path, sizeof o.path, "%s/%s", dir, name);

    if (n < 0 || (size_t)n >= sizeof o.path) {
        errno = ENAMETOOLONG;
        return o;
    }
    snprintf(o.temporary, sizeof o.temporary, "%s.part%ld", o.path, (long)getpid());
    o.f = fopen(o.temporary, "wb");
    return o;
}

bool out_close(struct out_file *o, bool keep)
{
    bool good = keep && fflush(o->f) == 0 && !ferror(o->f);

    good = fclose(o->f) == 0 && good;
    o->f = NULL;
    if (good) {
        good = rename(o->temporary, o->path) == 0;
    }
    if (!good) {
        const int e = errno;
        remove(o->temporary);
        errno = e;
    }
    return good;
}
