/* out_file.h: files that appear under their name only when they are whole. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct out_file {
    FILE *f;
    char path[1024], temporary[1040];
};

/* Makes dir (one level) when it is missing; false: errno says why. */
bool out_dir(const char *dir);

/* Opens dir/name for writing under a temporary name; f == NULL: errno says why. */
struct out_file out_open(const char *dir, const char *name);

/* Closes and renames (keep), or removes; false: not written whole, nothing stands there. */
bool out_close(struct out_file *o, bool keep);
