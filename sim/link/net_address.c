/* Which port owns an address. */
#include "sim/link/net_i.h"

#include <stdlib.h>

enum { MACS_FIRST = 1024 };

bool address_open(struct net *n)
{
    n->mac_size = MACS_FIRST;
    n->mac = calloc(n->mac_size, sizeof *n->mac);
    n->mac_port = calloc(n->mac_size, sizeof *n->mac_port);
    n->lid = calloc(NET_LIDS, sizeof *n->lid);
    return n->mac != NULL && n->mac_port != NULL && n->lid != NULL;
}

static uint64_t key_of(const uint8_t mac[6])
{
    uint64_t key = 0;

    for (unsigned i = 0; i < 6; i++) {
        key = key << 8 | mac[i];
    }
    return key;
}

/* Place of a key, or the empty place where it belongs. */
static uint32_t place_of(const struct net *n, uint64_t key)
{
    uint32_t i = (uint32_t)((key * 0x9e3779b97f4a7c15ULL) >> 32) & (n->mac_size - 1);

    while (n->mac[i] != 0 && n->mac[i] != key) {
        i = (i + 1) & (n->mac_size - 1);
    }
    return i;
}

/* Doubles the table; without memory it stays as it is while a place is left. */
static void grow(struct net *n)
{
    struct net more = {.mac_size = n->mac_size * 2};

    more.mac = calloc(more.mac_size, sizeof *more.mac);
    more.mac_port = calloc(more.mac_size, sizeof *more.mac_port);
    if (more.mac == NULL || more.mac_port == NULL) {
        free(more.mac);
        free(more.mac_port);
        return;
    }
    for (uint32_t i = 0; i < n->mac_size; i++) {
        if (n->mac[i] != 0) {
            const uint32_t at = place_of(&more, n->mac[i]);
            more.mac[at] = n->mac[i];
            more.mac_port[at] = n->mac_port[i];
        }
    }
    free(n->mac);
    free(n->mac_port);
    n->mac = more.mac;
    n->mac_port = more.mac_port;
    n->mac_size = more.mac_size;
}

void net_address(struct net *n, uint32_t port, const uint8_t mac[6], uint16_t lid)
{
    const uint64_t key = key_of(mac);

    if (port >= n->ports) {
        return;
    }
    if (lid != 0) {
        n->lid[lid] = (uint16_t)(port + 1);
    }
    if (n->macs * 2 >= n->mac_size) {
        grow(n);
    }
    if (key == 0 || n->macs + 1 >= n->mac_size) {
        return;
    }
    const uint32_t at = place_of(n, key);
    n->macs += n->mac[at] == 0;
    n->mac[at] = key;
    n->mac_port[at] = port;
}

uint32_t address_find(const struct net *n, const uint8_t *frame, uint32_t captured)
{
    if (captured < 6) {
        return NET_NOBODY;
    }
    if (n->ib) {
        const uint32_t port = n->lid[frame[2] << 8 | frame[3]];
        return port != 0 ? port - 1 : NET_NOBODY;
    }
    const uint64_t key = key_of(frame);
    const uint32_t at = place_of(n, key);
    return key != 0 && n->mac[at] == key ? n->mac_port[at] : NET_NOBODY;
}
