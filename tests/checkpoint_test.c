/* A handle that is saved in the middle of traffic and loaded into a freshly opened one goes on with
 * the same hashes and event bytes; an image that does not belong to a handle is refused. */
#include "model/hca_i.h"
#include "model/host_i.h"
#include "tests/play.h"

enum { HANDLES = 2, CABLE_PS = 500000 };

/* Two hosts with an adapter each, joined by a cable of the test; cores that do nothing. */
struct pair {
    struct host *host[HANDLES];
    struct hca *hca[HANDLES];
    uint64_t now_ps, window_ps, event_hash, events, frames;
};

struct image {
    uint8_t *bytes;
    size_t size;
};

struct images {
    struct image host[HANDLES], hca[HANDLES];
    uint64_t at_ps;
};

static void fold(struct pair *s, const struct trace_rec *r)
{
    const struct meta_event *const ev = &meta_events[r->id];
    uint64_t value[META_FIELDS + 3] = {r->cycle, r->id, r->unit};
    unsigned n = 0;

    for (; n < META_FIELDS && ev->field[n].bytes != 0; n++) {
        value[3 + n] = meta_value(ev, n, r->args);
    }
    s->event_hash = hash_words(s->event_hash, 0, value, (3 + n) * sizeof value[0]);
    s->events++;
}

static void out_of_host(struct pair *s, unsigned i)
{
    struct trace_rec rec;
    struct mmio_req req;
    struct mmio_rsp rsp;
    struct credit fc;
    struct seen seen;
    struct irq irq;
    struct tlp t;
    uint64_t at;

    while (host_event(s->host[i], &rec)) {
        fold(s, &rec);
    }
    while (host_pop(s->host[i], HOST_DN_TLP_OUT, &at, &t)) {
        assert_true(hca_push(s->hca[i], HCA_DMA_IN, at, &t, NULL));
    }
    while (host_pop(s->host[i], HOST_DN_MMIO_OUT, &at, &req)) {
        assert_true(hca_push(s->hca[i], HCA_MMIO_IN, at, &req, NULL));
    }
    while (host_pop(s->host[i], HOST_FC_OUT, &at, &fc)) {
        assert_true(hca_push(s->hca[i], HCA_FC_IN, at, &fc, NULL));
    }
    while (host_pop(s->host[i], HOST_SEEN_OUT, &at, &seen)) {}
    while (host_pop(s->host[i], HOST_IRQ_OUT, &at, &irq)) {}
    while (host_pop(s->host[i], HOST_MMIO_OUT, &at, &rsp)) {}
}

static void out_of_hca(struct pair *s, unsigned i)
{
    struct trace_rec rec;
    struct mmio_rsp rsp;
    struct credit fc;
    struct frame f;
    struct tlp t;
    const uint8_t *bytes;
    uint64_t at;

    while (hca_event(s->hca[i], &rec)) {
        fold(s, &rec);
    }
    while (hca_pop(s->hca[i], HCA_NET_OUT, &at, &f, &bytes)) {
        assert_true(hca_push(s->hca[1 - i], HCA_NET_IN, at + CABLE_PS, &f, bytes));
        s->frames++;
    }
    while (hca_pop(s->hca[i], HCA_MMIO_OUT, &at, &rsp, NULL)) {
        assert_true(host_push(s->host[i], HOST_UP_MMIO_IN, at, &rsp, NULL));
    }
    while (hca_pop(s->hca[i], HCA_FC_OUT, &at, &fc, NULL)) {
        assert_true(host_push(s->host[i], HOST_FC_IN, at, &fc, NULL));
    }
    while (hca_pop(s->hca[i], HCA_DMA_OUT, &at, &t, &bytes)) {
        t.rid = (uint16_t)(1 << 8 | t.fn);
        assert_true(host_push(s->host[i], HOST_UP_TLP_IN, at, &t,
                              t.type == TLP_MWR || t.type == TLP_MSI ? bytes : NULL));
    }
}

static void go_on(struct pair *s, uint64_t until_ps)
{
    while (s->now_ps < until_ps) {
        const uint64_t end = s->now_ps + s->window_ps;
        for (unsigned i = 0; i < HANDLES; i++) {
            for (bool more = true; more;) {
                more = host_run(s->host[i], end) < end;
                out_of_host(s, i);
            }
            for (bool more = true; more;) {
                more = hca_run(s->hca[i], end) < end;
                out_of_hca(s, i);
            }
        }
        s->now_ps = end;
    }
}

static struct pair pair_of(const struct hca_param *p, uint64_t now_ps)
{
    struct pair s = {.now_ps = now_ps};
    const uint64_t up = p->pcie_latency_up_ns, down = p->pcie_latency_down_ns;

    s.window_ps = (up < down ? up : down) * 1000;
    s.window_ps = s.window_ps < CABLE_PS ? s.window_ps : CABLE_PS;
    return s;
}

/* --- a world in the middle of traffic -----------------------------------------------------------
 */

static struct image image_hca(const struct hca *h)
{
    struct image x = {.size = hca_save(h, NULL, 0)};

    x.bytes = malloc(x.size);
    assert_non_null(x.bytes);
    assert_int_equal(hca_save(h, x.bytes, x.size), x.size);
    return x;
}

static struct image image_host(const struct host *h)
{
    struct image x = {.size = host_save(h, NULL, 0)};

    x.bytes = malloc(x.size);
    assert_non_null(x.bytes);
    assert_int_equal(host_save(h, x.bytes, x.size), x.size);
    return x;
}

static bool after_windows(void *left)
{
    return --*(unsigned *)left == 0;
}

struct scene {
    char path[512];
    struct hca_param p;
    struct world *w;
    struct replay *r;
};

static const char traffic[] = "flows:\n"
                              "  - {mix: {write: 2, send: 1, read: 2}, ops: 600, qps: 3, window: 8,"
                              " size: [3000, 9000, 64], bidirectional: true}\n";

static void no_event(void *arg, unsigned host, int hca, uint64_t at_ps, const struct trace_rec *rec)
{
    (void)arg;
    (void)host;
    (void)hca;
    (void)at_ps;
    (void)rec;
}

/* Runs `windows` windows of the traffic behind set-up. */
static void scene_open(struct scene *c, const char *set, unsigned windows)
{
    const struct play x = {.set = set};
    const struct replay_options o = {.scale_ppm = 1000000, .max_time_ps = UINT64_MAX};
    struct gen_spec spec;
    struct hct_error err;
    const char *why = "";
    int status;

    play_path(c->path);
    assert_int_equal(gen_parse("test", traffic, sizeof traffic - 1, NULL, &spec, &err), HCT_OK);
    assert_int_equal(gen_write(&spec, c->path, NULL, &err), HCT_OK);
    gen_spec_free(&spec);
    play_param(c->path, &x, &c->p);
    c->w = world_open(&c->p, &why);
    assert_non_null(c->w);
    c->r = replay_open(c->w, &c->p, c->path, &o, &err, &status);
    assert_non_null(c->r);
    assert_true(replay_setup(c->r, &err));
    world_set_trace(c->w, ~0ULL, no_event, NULL);
    assert_int_equal(replay_run(c->r, NULL, NULL, after_windows, &windows), REPLAY_STOPPED);
    assert_in_range(replay_figures(c->r)->posted, 1, 1199);
}

static void scene_close(struct scene *c)
{
    replay_close(c->r);
    world_close(c->w);
    unlink(c->path);
}

static struct images scene_save(const struct scene *c)
{
    struct images x = {.at_ps = world_now(c->w)};

    for (unsigned i = 0; i < HANDLES; i++) {
        x.host[i] = image_host(world_host(c->w, i));
        x.hca[i] = image_hca(world_hca(c->w, i, 0));
    }
    return x;
}

static void images_free(struct images *x)
{
    for (unsigned i = 0; i < HANDLES; i++) {
        free(x->host[i].bytes);
        free(x->hca[i].bytes);
    }
}

static void fresh(const struct hca_param *p, struct pair *s)
{
    const char *why;

    for (unsigned i = 0; i < HANDLES; i++) {
        assert_int_equal(hca_open(p, &s->hca[i], &why), HCA_OK);
        assert_int_equal(host_open(p, &s->host[i], &why), HCA_OK);
        host_attach(s->host[i], 0, hca_dma_place(s->hca[i], 0));
    }
}

static void fresh_close(struct pair *s)
{
    for (unsigned i = 0; i < HANDLES; i++) {
        hca_close(s->hca[i]);
        host_close(s->host[i]);
    }
}

static void load(const struct images *x, struct pair *s)
{
    const char *why;

    for (unsigned i = 0; i < HANDLES; i++) {
        if (hca_load(s->hca[i], x->hca[i].bytes, x->hca[i].size, &why) != HCA_OK ||
            host_load(s->host[i], x->host[i].bytes, x->host[i].size, &why) != HCA_OK) {
            fail_msg("%s", why);
        }
    }
}

static uint64_t memory_hash(struct host *h)
{
    struct image x = image_host(h);
    const struct host_mem *const m = &h->mem;
    const size_t pages = x.size - h->y.arena.used;
    const uint64_t hash = hash_words(m->hyp_next, 0, x.bytes + x.size - pages, pages);

    free(x.bytes);
    return hash;
}

static void same(const struct pair *a, const struct pair *b)
{
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->event_hash, b->event_hash);
    assert_int_equal(a->frames, b->frames);
    for (unsigned i = 0; i < HANDLES; i++) {
        const struct kern_figures x = hca_kern_figures(a->hca[i]), y = hca_kern_figures(b->hca[i]);
        assert_int_equal(hca_hash(a->hca[i]), hca_hash(b->hca[i]));
        assert_int_equal(host_hash(a->host[i]), host_hash(b->host[i]));
        assert_int_equal(memory_hash(a->host[i]), memory_hash(b->host[i]));
        assert_int_equal(x.activations, y.activations);
        assert_int_equal(hca_wake(a->hca[i]), hca_wake(b->hca[i]));
    }
}

/* What was on the cable when the image was made is lost to both, so both retransmit. */
static void compare(const char *set, unsigned windows)
{
    enum { MORE_PS = 300000000 };
    struct scene c;

    scene_open(&c, set, windows);
    struct images x = scene_save(&c);
    struct pair a = pair_of(&c.p, x.at_ps), b = a;
    fresh(&c.p, &b);
    load(&x, &b);
    for (unsigned i = 0; i < HANDLES; i++) {
        a.host[i] = world_host(c.w, i);
        a.hca[i] = world_hca(c.w, i, 0);
        assert_int_equal(hca_hash(a.hca[i]), hca_hash(b.hca[i]));
        assert_int_equal(host_hash(a.host[i]), host_hash(b.host[i]));
    }
    go_on(&a, x.at_ps + MORE_PS);
    go_on(&b, x.at_ps + MORE_PS);
    assert_true(a.frames > 0 && a.events > 100);
    same(&a, &b);
    fresh_close(&b);
    images_free(&x);
    scene_close(&c);
}

static void test_a_loaded_handle_goes_on_as_the_saved_one(void **state)
{
    (void)state;
    compare("iommu.mode=on", 40);
    compare("iommu.mode=on", 300);
    compare("iommu.mode=off hca.wqe_format=native", 150);
    compare("port.wire=ib", 150);
}

/* A second save of what was loaded gives the bytes that were loaded, pointers apart: loaded again
 * elsewhere it goes on in the same way. */
static void test_an_image_of_a_loaded_handle_is_as_good_as_the_first(void **state)
{
    struct scene c;
    struct pair a, b;

    (void)state;
    scene_open(&c, "iommu.mode=on", 150);
    struct images x = scene_save(&c), again = {.at_ps = x.at_ps};
    a = b = pair_of(&c.p, x.at_ps);
    fresh(&c.p, &a);
    load(&x, &a);
    for (unsigned i = 0; i < HANDLES; i++) {
        again.host[i] = image_host(a.host[i]);
        again.hca[i] = image_hca(a.hca[i]);
        assert_int_equal(again.host[i].size, x.host[i].size);
    }
    fresh(&c.p, &b);
    go_on(&b, b.now_ps + 1); /* state of its own, which the image must replace */
    b = (struct pair){.host = {b.host[0], b.host[1]},
                      .hca = {b.hca[0], b.hca[1]},
                      .now_ps = x.at_ps,
                      .window_ps = a.window_ps};
    load(&again, &b);
    go_on(&a, x.at_ps + 100000000);
    go_on(&b, x.at_ps + 100000000);
    same(&a, &b);
    fresh_close(&a);
    fresh_close(&b);
    images_free(&again);
    images_free(&x);
    scene_close(&c);
}

/* --- refusals -----------------------------------------------------------------------------------
 */

static void refused_hca(struct hca *h, const void *bytes, size_t size, const char *reason)
{
    const uint64_t before = hca_hash(h);
    const char *why = "";

    assert_int_equal(hca_load(h, bytes, size, &why), HCA_BAD_IMAGE);
    assert_non_null(strstr(why, reason));
    assert_int_equal(hca_hash(h), before);
}

static void refused_host(struct host *h, const void *bytes, size_t size, const char *reason)
{
    const uint64_t before = host_hash(h);
    const char *why = "";

    assert_int_equal(host_load(h, bytes, size, &why), HCA_BAD_IMAGE);
    assert_non_null(strstr(why, reason));
    assert_int_equal(host_hash(h), before);
}

static void test_an_image_of_another_kind_is_refused_with_the_reason(void **state)
{
    struct scene c;

    (void)state;
    scene_open(&c, "", 100);
    struct images x = scene_save(&c);
    struct hca *const h = world_hca(c.w, 0, 0);
    struct host *const g = world_host(c.w, 0);
    refused_hca(h, x.host[0].bytes, x.host[0].size, "magic");
    refused_host(g, x.hca[0].bytes, x.hca[0].size, "magic");
    x.hca[0].bytes[8] ^= 1; /* hash of the parameters */
    refused_hca(h, x.hca[0].bytes, x.hca[0].size, "other parameters");
    x.hca[0].bytes[8] ^= 1;
    x.hca[0].bytes[16] ^= 1; /* size of the structure */
    refused_hca(h, x.hca[0].bytes, x.hca[0].size, "another build");
    x.host[0].bytes[24] ^= 1; /* bytes of the arena */
    refused_host(g, x.host[0].bytes, x.host[0].size, "another build");
    images_free(&x);
    scene_close(&c);
}

static void test_an_image_is_refused_by_a_handle_with_other_parameters(void **state)
{
    struct scene c;
    const char *why;

    (void)state;
    scene_open(&c, "", 100);
    struct images x = scene_save(&c);
    struct hca_param other = c.p;
    other.link_length_mm++;
    struct pair s = {0};
    fresh(&other, &s);
    refused_hca(s.hca[0], x.hca[0].bytes, x.hca[0].size, "other parameters");
    refused_host(s.host[0], x.host[0].bytes, x.host[0].size, "other parameters");
    fresh_close(&s);
    fresh(&c.p, &s);
    assert_int_equal(hca_load(s.hca[0], x.hca[0].bytes, x.hca[0].size, &why), HCA_OK);
    fresh_close(&s);
    images_free(&x);
    scene_close(&c);
}

static void test_a_truncated_image_is_refused(void **state)
{
    struct scene c;

    (void)state;
    scene_open(&c, "", 100);
    struct images x = scene_save(&c);
    const size_t cuts[] = {0, 1, 39, 40, 41, 4096, x.hca[0].size / 2, x.hca[0].size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        refused_hca(world_hca(c.w, 0, 0), x.hca[0].bytes, cuts[i],
                    cuts[i] < 40 ? "head" : "length");
        refused_host(world_host(c.w, 0), x.host[0].bytes, cuts[i],
                     cuts[i] < 40 ? "head" : "length");
    }
    refused_host(world_host(c.w, 0), x.host[0].bytes, x.host[0].size - 1, "length");
    images_free(&x);
    scene_close(&c);
}

static void test_a_page_outside_of_memory_is_refused(void **state)
{
    struct scene c;

    (void)state;
    scene_open(&c, "", 100);
    struct images x = scene_save(&c);
    const size_t last = x.host[0].size - 4096 - 8;
    uint64_t at;
    memcpy(&at, x.host[0].bytes + last, sizeof at);
    const uint64_t bad[] = {at + 1, UINT64_MAX & ~4095ULL, 1ULL << 46};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(x.host[0].bytes + last, &bad[i], sizeof bad[i]);
        refused_host(world_host(c.w, 0), x.host[0].bytes, x.host[0].size, "outside the memory");
    }
    images_free(&x);
    scene_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loaded_handle_goes_on_as_the_saved_one),
        cmocka_unit_test(test_an_image_of_a_loaded_handle_is_as_good_as_the_first),
        cmocka_unit_test(test_an_image_of_another_kind_is_refused_with_the_reason),
        cmocka_unit_test(test_an_image_is_refused_by_a_handle_with_other_parameters),
        cmocka_unit_test(test_a_truncated_image_is_refused),
        cmocka_unit_test(test_a_page_outside_of_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
