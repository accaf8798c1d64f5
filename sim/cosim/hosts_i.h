/* hosts_i.h: inside sim/cosim/hosts*.c. */
#pragma once
#include "sim/config/yaml_reader.h"
#include "sim/cosim/hosts.h"

enum {
    HOSTS_KEY_ABOUT,
    HOSTS_KEY_CONFIG,
    HOSTS_KEY_SET,
    HOSTS_KEY_FOLDER,
    HOSTS_KEY_MEMORY,
    HOSTS_KEY_HOSTS,
    HOSTS_KEY_UPLINKS,
    HOSTS_KEYS
};
#define HOSTS_NAME_BYTES     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
#define HOSTS_MEMORY_MIN     (UINT64_C(16) << 20) /* range and unit of host.mem_bytes */
#define HOSTS_MEMORY_MAX     (UINT64_C(128) << 30)
#define HOSTS_MEMORY_UNIT    (UINT64_C(2) << 20)
#define HOSTS_MEMORY_DEFAULT (UINT64_C(512) << 20)

struct hosts_parse {
    struct reader r; /* first, so that reader_run's callback reaches the rest */
    struct hosts *h;
    size_t keys[HOSTS_KEYS]; /* line of each top-level key, 0: not yet */
    unsigned given;          /* keys of the VM or uplink being read, a bit each */
};

bool hosts_text(struct hosts_parse *x, const char *key, size_t line, char *to, size_t size);
bool hosts_name(struct hosts_parse *x, const char *key, size_t line, const char *what);
bool hosts_each(struct hosts_parse *x, const char *key, size_t line,
                bool one(struct hosts_parse *x, const char *key, size_t line));

/* hosts_vm.c: one host with its VMs, one uplink. */
bool hosts_read_host(struct hosts_parse *x, const char *key, size_t line);
bool hosts_read_uplink(struct hosts_parse *x, const char *key, size_t line);
