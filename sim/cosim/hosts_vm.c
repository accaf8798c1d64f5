/* hosts_vm.c: hosts, VMs and uplinks of the file. */
#include "sim/cosim/hosts_i.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADAPTERS_MAX = 8 }; /* range of host.hcas */

/* Key of a small mapping: its index; refuses unknown ones and the second of a kind. */
static bool which(struct hosts_parse *x, const char *const names[], const char *key, size_t line,
                  unsigned *out)
{
    char all[80] = "", shown[READER_QUOTE_ROOM];
    unsigned k = 0;

    while (names[k] != NULL && strcmp(names[k], key) != 0) {
        k++;
    }
    if (names[k] == NULL) {
        for (k = 0; names[k] != NULL; k++) {
            const size_t n = strlen(all);
            (void)snprintf(all + n, sizeof all - n, "%s%s", n == 0 ? "" : ", ", names[k]);
        }
        return reader_fail(&x->r, line, "unknown key '%s'; there are %s",
                           hca_quote(key, shown, sizeof shown), all);
    }
    if ((x->given >> k & 1) != 0) {
        return reader_fail(&x->r, line, "%s is given twice; keep one", key);
    }
    x->given |= 1U << k;
    *out = k;
    return true;
}

/* --- VMs -------------------------------------------------------------------------------------- */

/* Six bytes as hexadecimal digits with colons between them. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    for (unsigned i = 0; i < 17; i++) {
        const char *const d = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (i % 3 == 2 ? text[i] != ':' : d == NULL) {
            return false;
        }
        if (i % 3 != 2) {
            mac[i / 3] = (uint8_t)(mac[i / 3] << 4 | (d - digits) % 16);
        }
    }
    return text[17] == '\0';
}

static bool read_mac(struct hosts_parse *x, struct hosts_vm *v, size_t line)
{
    static const uint8_t none[6] = {0};
    char text[32];

    if (!hosts_text(x, "mac", line, text, sizeof text)) {
        return false;
    }
    if (!parse_mac(text, v->mac)) {
        return reader_fail(&x->r, line, "mac '%s': six bytes are expected, as in 52:54:00:00:00:0a",
                           text);
    }
    return ((v->mac[0] & 1) == 0 && memcmp(v->mac, none, 6) != 0) ||
           reader_fail(&x->r, line, "mac %s: a unicast address other than 0 is needed", text);
}

static bool read_adapter(struct hosts_parse *x, struct hosts_vm *v, size_t line)
{
    char text[16], *end;

    if (!hosts_text(x, "adapter", line, text, sizeof text)) {
        return false;
    }
    const unsigned long n = strtoul(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || text[0] == '-' || n >= ADAPTERS_MAX) {
        return reader_fail(&x->r, line, "adapter '%s': 0 to %d", text, ADAPTERS_MAX - 1);
    }
    v->adapter = (unsigned)n;
    return true;
}

static bool read_vm_key(struct hosts_parse *x, const char *key, size_t line)
{
    static const char *const names[] = {"mac", "hca", "net", "adapter", NULL};
    struct hosts_vm *const v = &x->h->vm[x->h->vms];
    unsigned k;

    if (!which(x, names, key, line, &k)) {
        return false;
    }
    switch (k) {
    case 0: return read_mac(x, v, line);
    case 1: return hosts_text(x, key, line, v->hca, sizeof v->hca);
    case 2: return hosts_text(x, key, line, v->net, sizeof v->net);
    default: return read_adapter(x, v, line);
    }
}

/* Places among the VMs read before; two of one name or address are refused. */
static bool place_vm(struct hosts_parse *x, struct hosts_vm *v, size_t line)
{
    for (unsigned i = 0; i < x->h->vms; i++) {
        const struct hosts_vm *const o = &x->h->vm[i];
        if (strcmp(o->name, v->name) == 0 || memcmp(o->mac, v->mac, 6) == 0) {
            return reader_fail(&x->r, line, "VM %s has the %s of VM %s; choose another", v->name,
                               strcmp(o->name, v->name) == 0 ? "name" : "mac", o->name);
        }
        v->vm += o->host == v->host;
        v->fn += o->host == v->host && o->adapter == v->adapter;
    }
    return true;
}

static bool read_vm(struct hosts_parse *x, const char *key, size_t line)
{
    if (x->h->vms == HOSTS_VMS_MAX) {
        return reader_fail(&x->r, line, "VM %d: at most %d are served; use a second process",
                           HOSTS_VMS_MAX + 1, HOSTS_VMS_MAX);
    }
    struct hosts_vm *const v = &x->h->vm[x->h->vms];
    const unsigned n = x->h->vms;
    *v = (struct hosts_vm){.host = x->h->hosts,
                           .mac = {0x52, 0x54, 0, 0x68, (uint8_t)(n >> 8), (uint8_t)(n + 1)}};
    x->given = 0;
    if (!hosts_name(x, key, line, "VM")) {
        return false;
    }
    (void)snprintf(v->name, sizeof v->name, "%s", key);
    (void)snprintf(v->hca, sizeof v->hca, "%s.hca", key);
    (void)snprintf(v->net, sizeof v->net, "%s.net", key);
    if (!hosts_each(x, key, line, read_vm_key)) {
        return false;
    }
    if (strcmp(v->net, "none") == 0) {
        v->net[0] = '\0';
    }
    if (v->hca[0] == '\0') {
        return reader_fail(&x->r, line, "VM %s: hca is empty; leave it out for %s.hca", key, key);
    }
    if (!place_vm(x, v, line)) {
        return false;
    }
    x->h->vms++;
    return true;
}

bool hosts_read_host(struct hosts_parse *x, const char *key, size_t line)
{
    if (x->h->hosts == HOSTS_MAX) {
        return reader_fail(&x->r, line, "host %d: at most %d are simulated in one process",
                           HOSTS_MAX + 1, HOSTS_MAX);
    }
    if (!hosts_name(x, key, line, "host")) {
        return false;
    }
    for (unsigned i = 0; i < x->h->hosts; i++) {
        if (strcmp(x->h->host[i], key) == 0) {
            return reader_fail(&x->r, line, "host %s is given again; keep one", key);
        }
    }
    (void)snprintf(x->h->host[x->h->hosts], HOSTS_NAME_MAX, "%s", key);
    if (!hosts_each(x, key, line, read_vm)) {
        return false;
    }
    x->h->hosts++;
    return true;
}

/* --- uplinks ---------------------------------------------------------------------------------- */

static bool read_kind(struct hosts_parse *x, struct hosts_uplink *u, size_t line)
{
    static const char *const kinds[] = {"stream-listen", "stream-connect", "dgram", "udp"};
    char text[32];

    if (!hosts_text(x, "kind", line, text, sizeof text)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(text, kinds[i]) == 0) {
            u->kind = (enum hosts_uplink_kind)i;
            return true;
        }
    }
    return reader_fail(&x->r, line, "kind '%s': stream-listen, stream-connect, dgram or udp", text);
}

static bool read_uplink_key(struct hosts_parse *x, const char *key, size_t line)
{
    static const char *const names[] = {"kind", "path", "peer", NULL};
    struct hosts_uplink *const u = &x->h->uplink[x->h->uplinks];
    unsigned k;

    if (!which(x, names, key, line, &k)) {
        return false;
    }
    return k == 0   ? read_kind(x, u, line)
           : k == 1 ? hosts_text(x, key, line, u->path, sizeof u->path)
                    : hosts_text(x, key, line, u->peer, sizeof u->peer);
}

bool hosts_read_uplink(struct hosts_parse *x, const char *key, size_t line)
{
    struct hosts_uplink *const u = &x->h->uplink[x->h->uplinks];

    if (x->h->uplinks == HOSTS_UPLINKS_MAX) {
        return reader_fail(&x->r, line, "uplink %d: at most %d; join more by a switch outside",
                           HOSTS_UPLINKS_MAX + 1, HOSTS_UPLINKS_MAX);
    }
    *u = (struct hosts_uplink){.kind = UPLINK_STREAM_LISTEN};
    x->given = 0;
    if (!hosts_name(x, key, line, "uplink")) {
        return false;
    }
    for (unsigned i = 0; i < x->h->uplinks; i++) {
        if (strcmp(x->h->uplink[i].name, key) == 0) {
            return reader_fail(&x->r, line, "uplink %s is given again; keep one", key);
        }
    }
    (void)snprintf(u->name, sizeof u->name, "%s", key);
    (void)snprintf(u->path, sizeof u->path, "%s.net", key);
    if (!hosts_each(x, key, line, read_uplink_key)) {
        return false;
    }
    if ((u->kind == UPLINK_DGRAM || u->kind == UPLINK_UDP) && u->peer[0] == '\0') {
        return reader_fail(&x->r, line, "uplink %s: peer is missing: where datagrams are sent to",
                           key);
    }
    x->h->uplinks++;
    return true;
}
