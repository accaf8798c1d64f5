/* mac_tx_lane.c: virtual lanes: a queue each, and the arbitration between them.
 *
 * Source: IBTA vol. 1, 7.6.9: two tables of entries (lane, weight in 64 bytes); the entry in turn
 * sends until its weight is used up or it has nothing to send; the high-priority table goes first
 * until its limit is used up while a packet of the other waits. Here a lane has one entry. */
#include "model/mac_tx.h"

#include "model/packet/fc.h"
#include "model/packet/framing.h"

enum { LIMIT_NONE = 255, LIMIT_BYTES = 4096 /* unit of Limit of High-Priority, 7.6.9.2 */ };

void mac_lane_open(struct mac_tx *u, struct opening *o)
{
    const struct hca_param *const p = o->p;
    const uint64_t weight[] = {
        p->port_vl_weight_0,  p->port_vl_weight_1,  p->port_vl_weight_2,  p->port_vl_weight_3,
        p->port_vl_weight_4,  p->port_vl_weight_5,  p->port_vl_weight_6,  p->port_vl_weight_7,
        p->port_vl_weight_8,  p->port_vl_weight_9,  p->port_vl_weight_10, p->port_vl_weight_11,
        p->port_vl_weight_12, p->port_vl_weight_13, p->port_vl_weight_14,
    };

    for (uint32_t v = 0; v < MAC_LOOP; v++) {
        u->weight[v] = (uint32_t)weight[v];
    }
    u->high = (uint32_t)p->port_vl_high_mask;
    u->high_limit = p->port_vl_high_limit == LIMIT_NONE ? UINT32_MAX
                    : p->port_vl_high_limit == 0
                        ? 1 /* one packet */
                        : (uint32_t)p->port_vl_high_limit * (LIMIT_BYTES / FC_BLOCK);
    u->s.high_left = u->high_limit;
    u->tx_slots = o->store->tx_pool.n;
    if (u->lanes > 1) {
        const uint32_t n = u->tx_slots + o->store->ack_pool.n;
        u->frame = arena_take(o->a, n * sizeof *u->frame);
        u->next = arena_take(o->a, n * sizeof *u->next);
    }
}

/* A frame holds its slot while it waits, so there is a place for each. */
void mac_lane_append(struct mac_tx *u, const struct frame *f)
{
    const uint32_t i = f->slot + (f->pool == POOL_ACK ? u->tx_slots : 0);
    struct mac_queue *const q = &u->s.queue[f->loop ? MAC_LOOP : f->vl];

    u->frame[i] = *f;
    u->next[i] = 0;
    if (q->head == 0) {
        q->head = (uint16_t)(i + 1);
    } else {
        u->next[q->tail - 1] = (uint16_t)(i + 1);
    }
    q->tail = (uint16_t)(i + 1);
}

const struct frame *mac_lane_peek(const struct mac_tx *u, uint32_t lane)
{
    const uint16_t head = u->s.queue[lane].head;

    return head == 0 ? NULL : &u->frame[head - 1];
}

void mac_lane_remove(struct mac_tx *u, uint32_t lane)
{
    u->s.queue[lane].head = u->next[u->s.queue[lane].head - 1];
}

bool mac_may_send(const struct mac_tx *u, const struct frame *f)
{
    return u->lanes == 0 || fc_may_send(u->s.fctbs[f->vl], u->s.fccl[f->vl], fc_blocks(f->len));
}

/* Lane in turn of the table that serves `lanes`; MAC_LANES: none of them may send. */
static uint32_t turn(struct mac_tx *u, struct mac_arbiter *a, uint32_t lanes)
{
    for (uint32_t i = a->left == 0; i <= u->lanes; i++) {
        const uint32_t v = (a->at + i) % u->lanes;
        const struct frame *const f = mac_lane_peek(u, v);
        if ((lanes >> v & 1) != 0 && f != NULL && mac_may_send(u, f)) {
            if (i != 0) {
                *a = (struct mac_arbiter){.left = u->weight[v], .at = v};
            }
            return v;
        }
    }
    return MAC_LANES;
}

/* A packet may overdraw what is left of a weight or limit: 7.6.9.2 */
static void charge(uint32_t *left, uint32_t blocks)
{
    *left -= *left < blocks ? *left : blocks;
}

uint32_t mac_lane_choose(struct mac_tx *u)
{
    const uint32_t low = turn(u, &u->s.table[0], ~u->high);
    const uint32_t high = turn(u, &u->s.table[1], u->high);
    const bool goes_high = high != MAC_LANES && (low == MAC_LANES || u->s.high_left != 0);
    const uint32_t v = goes_high ? high : low;

    if (v == MAC_LANES) {
        return v;
    }
    const uint32_t blocks = fc_blocks(mac_lane_peek(u, v)->len);
    charge(&u->s.table[goes_high].left, blocks);
    if (goes_high && low != MAC_LANES && u->high_limit != UINT32_MAX) {
        charge(&u->s.high_left, blocks);
    } else if (!goes_high) {
        u->s.high_left = u->high_limit;
    }
    return v;
}
