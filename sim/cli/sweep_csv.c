#include "sim/cli/sweep_csv.h"

#include "sim/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 256 << 20 };

static const char columns[] =
    "setup,exit_status,ops,ops_failed,sim_time_ps,goodput_gbps,ops_per_us,"
    "p50_ps,p99_ps,max_ps,timing_hash,message\n";

static int refuse(char *why, size_t size, int status, const char *path, const char *text)
{
    snprintf(why, size, "%.200s: %s", path, text);
    return status;
}

static bool keep(struct sweep_csv *c, const char *bytes, size_t n)
{
    if (c->bytes + n + 1 > c->room) {
        const size_t room = 2 * (c->bytes + n + 4096);
        char *const more = realloc(c->text, room);
        if (more == NULL) {
            return false;
        }
        c->text = more;
        c->room = room;
    }
    memcpy(c->text + c->bytes, bytes, n);
    c->bytes += n;
    c->text[c->bytes] = '\0';
    return true;
}

static bool read_all(struct sweep_csv *c)
{
    char piece[65536];
    ssize_t n;

    while ((n = read(c->fd, piece, sizeof piece)) > 0 && c->bytes < BYTES_MAX) {
        if (!keep(c, piece, (size_t)n)) {
            errno = ENOMEM;
            return false;
        }
    }
    if (n > 0) {
        errno = EFBIG;
    }
    return n == 0;
}

/* All of it or nothing. */
static bool append(struct sweep_csv *c, const char *text, size_t n)
{
    const off_t end = lseek(c->fd, 0, SEEK_END);

    for (size_t at = 0; at < n;) {
        const ssize_t put = write(c->fd, text + at, n - at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            const int e = put == 0 ? ENOSPC : errno;
            (void)(ftruncate(c->fd, end) + 0);
            errno = e;
            return false;
        }
        at += (size_t)put;
    }
    return true;
}

static const char *line_after(const char *line)
{
    const char *const end = strchr(line, '\n');

    return end == NULL ? line + strlen(line) : end + 1;
}

/* Field i of a row, counted from 0; values hold no quotes up to the message. */
static const char *field(const char *row, unsigned i)
{
    for (; i > 0; i--) {
        row += strcspn(row, ",\n");
        if (*row != ',') {
            return "";
        }
        row++;
    }
    return row;
}

static int check(struct sweep_csv *c, unsigned keys, char *why, size_t size)
{
    for (const char *l = c->text + c->head_bytes; *l != '\0'; l = line_after(l)) {
        const char *const f = field(l, keys);
        const size_t n = strcspn(f, ",\n");
        if (n != strlen(c->setup) || strncmp(f, c->setup, n) != 0) {
            return refuse(why, size, EXIT_USAGE, c->path,
                          "holds points of another trace or of other options (column setup); "
                          "choose another -o");
        }
    }
    return EXIT_OK;
}

static int take_rows(struct sweep_csv *c, const char *head, char *why, size_t size)
{
    const char *const end = c->bytes == 0 ? NULL : strrchr(c->text, '\n');
    const size_t whole = end == NULL ? 0 : (size_t)(end - c->text) + 1;
    unsigned keys = 0;

    if (whole == 0 && c->bytes > 0 && strncmp(c->text, head, c->bytes) != 0) {
        return refuse(why, size, EXIT_USAGE, c->path, "is no result of a sweep; choose another -o");
    }
    if (whole != c->bytes) { /* a row of a sweep that was killed while it wrote */
        if (ftruncate(c->fd, (off_t)whole) != 0) {
            return refuse(why, size, EXIT_HOST, c->path, strerror(errno));
        }
        c->bytes = whole;
        c->text[whole] = '\0';
    }
    if (whole == 0) {
        return append(c, head, strlen(head)) && keep(c, head, strlen(head))
                   ? EXIT_OK
                   : refuse(why, size, EXIT_HOST, c->path, strerror(errno));
    }
    if (strncmp(c->text, head, strlen(head)) != 0) {
        return refuse(why, size, EXIT_USAGE, c->path,
                      "holds a sweep of other parameters, or something else; choose another -o");
    }
    for (const char *k = head; strncmp(k, columns, strlen(columns)) != 0; k++) {
        keys += *k == ',';
    }
    return check(c, keys, why, size);
}

int sweep_csv_open(struct sweep_csv *c, const char *path, const char *keys, const char *setup,
                   char *why, size_t size)
{
    char head[2048];

    *c = (struct sweep_csv){.path = path, .setup = setup};
    snprintf(head, sizeof head, "%s%s", keys, columns);
    c->head_bytes = strlen(head);
    c->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (c->fd < 0) {
        return refuse(why, size, EXIT_HOST, path, strerror(errno));
    }
    if (flock(c->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(c->fd);
        return refuse(why, size, EXIT_HOST, path, "another sweep writes there; choose another -o");
    }
    int status = EXIT_OK;
    if (!keep(c, "", 0) || !read_all(c)) {
        status = refuse(why, size, EXIT_HOST, path, strerror(errno));
    } else {
        status = take_rows(c, head, why, size);
    }
    if (status != EXIT_OK) {
        sweep_csv_close(c);
    }
    return status;
}

/* Points that were cut short, or failed for want of disk or memory, are run again. */
static bool final(const struct sweep_csv *c, const char *row, const char *point)
{
    const long status = strtol(row + strlen(point) + strlen(c->setup) + 1, NULL, 10);

    return status != EXIT_HOST && status < 100;
}

/* The last row of a point. */
static const char *find(const struct sweep_csv *c, const char *point)
{
    const char *last = NULL;

    for (const char *l = c->text + c->head_bytes; *l != '\0'; l = line_after(l)) {
        last = strncmp(l, point, strlen(point)) == 0 ? l : last;
    }
    return last;
}

bool sweep_csv_known(const struct sweep_csv *c, const char *point)
{
    const char *const row = find(c, point);

    return row != NULL && final(c, row, point);
}

bool sweep_csv_add(struct sweep_csv *c, const char *row)
{
    return append(c, row, strlen(row)) && keep(c, row, strlen(row));
}

/* Takes the rows of a point out of the text; the last one goes behind the sorted ones. */
void sweep_csv_next(struct sweep_csv *c, const char *point)
{
    const char *const last = find(c, point);
    char *to = c->text + c->head_bytes;

    if (c->sorted == NULL) {
        c->sorted = malloc(c->bytes + 1);
    }
    if (c->sorted == NULL || last == NULL) {
        return;
    }
    const size_t n = (size_t)(line_after(last) - last);
    memcpy(c->sorted + c->sorted_bytes, last, n);
    c->sorted_bytes += n;
    for (const char *l = to; *l != '\0';) {
        const char *const after = line_after(l);
        if (strncmp(l, point, strlen(point)) != 0) {
            memmove(to, l, (size_t)(after - l));
            to += after - l;
        }
        l = after;
    }
    *to = '\0';
}

bool sweep_csv_sorted(struct sweep_csv *c)
{
    char temporary[4096];
    const int n = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", c->path, (long)getpid());
    struct stat s;

    /* Another name for a device or a link: the rows are there, in the order of their ends. */
    if (c->sorted == NULL || n < 0 || (size_t)n >= sizeof temporary || fstat(c->fd, &s) != 0 ||
        !S_ISREG(s.st_mode)) {
        return true;
    }
    FILE *const f = fopen(temporary, "wx");
    if (f == NULL) {
        return true;
    }
    bool good = fwrite(c->text, 1, c->head_bytes, f) == c->head_bytes &&
                fwrite(c->sorted, 1, c->sorted_bytes, f) == c->sorted_bytes &&
                fputs(c->text + c->head_bytes, f) != EOF;
    good = fclose(f) == 0 && good && rename(temporary, c->path) == 0;
    if (!good) {
        const int e = errno;
        (void)remove(temporary);
        errno = e;
    }
    return good;
}

void sweep_csv_close(struct sweep_csv *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
    }
    free(c->text);
    free(c->sorted);
    *c = (struct sweep_csv){.fd = -1};
}
