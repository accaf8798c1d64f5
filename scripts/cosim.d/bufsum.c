/* bufsum: moves buffers between two guests over RC by SEND, WRITE and READ, and compares every
 * byte; or opens many contexts or QPs. Runs in the guest.
 *
 *   bufsum [-g GID_INDEX] [-p PORT]              server
 *   bufsum [-g GID_INDEX] [-p PORT] SERVER_IP    client; prints "bufsum: OK n transfers, n bytes"
 *   bufsum --procs N                             N processes with a context, MR and QP each
 *   bufsum --qps N                               opens N QPs, closes them */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 20, DEPTH = 16 };

static const uint32_t sizes[] = {1,    2,    3,    63,    64,    65,    255,   256,    1000,
                                 4095, 4096, 4097, 10000, 65535, 65536, 65537, 200001, BYTES};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

struct peer {
    union ibv_gid gid;
    uint64_t va;
    uint32_t qpn, psn, rkey, go;
};

static struct ibv_context *ctx;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static struct ibv_mr *mr;
static struct ibv_qp *qp;
static uint8_t *buf; /* first half: sent from, second half: received into */
static int gid_index = 1, port = 18600, sock;
static struct peer me, you;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct ibv_qp *new_qp(void)
{
    struct ibv_qp_init_attr a = {
        .send_cq = cq,
        .recv_cq = cq,
        .qp_type = IBV_QPT_RC,
        .cap = {.max_send_wr = DEPTH, .max_recv_wr = DEPTH, .max_send_sge = 2, .max_recv_sge = 2}};
    struct ibv_qp *const q = ibv_create_qp(pd, &a);

    if (q == NULL) {
        die("ibv_create_qp");
    }
    return q;
}

static void open_device(void)
{
    int n;
    struct ibv_device **const list = ibv_get_device_list(&n);

    if (list == NULL || n == 0) {
        die("no RDMA device");
    }
    ctx = ibv_open_device(list[0]);
    pd = ctx != NULL ? ibv_alloc_pd(ctx) : NULL;
    cq = pd != NULL ? ibv_create_cq(ctx, 4 * DEPTH, NULL, NULL, 0) : NULL;
    buf = aligned_alloc(4096, 2 * BYTES);
    mr = cq != NULL && buf != NULL
             ? ibv_reg_mr(pd, buf, 2 * BYTES,
                          IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)
             : NULL;
    if (mr == NULL) {
        die("context, PD, CQ or MR");
    }
    memset(buf, 0, 2 * BYTES);
}

static void swap(const void *mine, void *theirs, size_t n)
{
    if (send(sock, mine, n, 0) != (ssize_t)n || recv(sock, theirs, n, MSG_WAITALL) != (ssize_t)n) {
        die("TCP");
    }
}

static void connect_qp(void)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_INIT,
                            .port_num = 1,
                            .qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ};

    qp = new_qp();
    if (ibv_query_gid(ctx, 1, gid_index, &me.gid) != 0) {
        die("ibv_query_gid");
    }
    me.qpn = qp->qp_num;
    me.psn = 0x123456;
    me.rkey = mr->rkey;
    me.va = (uintptr_t)buf;
    swap(&me, &you, sizeof me);
    if (ibv_modify_qp(qp, &a,
                      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)) {
        die("INIT");
    }
    a = (struct ibv_qp_attr){
        .qp_state = IBV_QPS_RTR,
        .path_mtu = IBV_MTU_1024,
        .dest_qp_num = you.qpn,
        .rq_psn = you.psn,
        .max_dest_rd_atomic = 4,
        .min_rnr_timer = 12,
        .ah_attr = {.is_global = 1,
                    .port_num = 1,
                    .grh = {.dgid = you.gid, .sgid_index = (uint8_t)gid_index, .hop_limit = 64}}};
    if (ibv_modify_qp(qp, &a,
                      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                          IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER)) {
        die("RTR");
    }
    a = (struct ibv_qp_attr){.qp_state = IBV_QPS_RTS,
                             .sq_psn = me.psn,
                             .timeout = 14,
                             .retry_cnt = 7,
                             .rnr_retry = 7,
                             .max_rd_atomic = 4};
    if (ibv_modify_qp(qp, &a,
                      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                          IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC)) {
        die("RTS");
    }
}

static void wait_one(void)
{
    struct ibv_wc w;
    int n;

    while ((n = ibv_poll_cq(cq, 1, &w)) == 0) {}
    if (n < 0 || w.status != IBV_WC_SUCCESS) {
        fprintf(stderr, "bufsum: %s\n", n < 0 ? "ibv_poll_cq" : ibv_wc_status_str(w.status));
        exit(1);
    }
}

static uint8_t pattern(uint32_t round, uint32_t i)
{
    uint32_t x = (round + 1) * 2654435761U + i * 40503U;

    x ^= x >> 15;
    return (uint8_t)(x * 2246822519U >> 24);
}

static void fill(uint32_t round, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        buf[i] = pattern(round, i);
    }
    memset(buf + BYTES, 0xee, BYTES);
}

static void compare(uint32_t round, uint32_t n, const char *what)
{
    for (uint32_t i = 0; i < n; i++) {
        if (buf[BYTES + i] != pattern(round, i)) {
            fprintf(stderr, "bufsum: %s of %u bytes: byte %u is 0x%02x, not 0x%02x\n", what, n, i,
                    buf[BYTES + i], pattern(round, i));
            exit(1);
        }
    }
    if (n < BYTES && buf[BYTES + n] != 0xee) {
        fprintf(stderr, "bufsum: %s of %u bytes: byte %u beyond the end was written\n", what, n, n);
        exit(1);
    }
}

static void step(void)
{
    uint32_t a = 1, b;

    swap(&a, &b, sizeof a);
}

/* Two pieces, so that one ends inside of a page. */
static unsigned pieces(struct ibv_sge s[2], uint64_t at, uint32_t n)
{
    const uint32_t half = n / 3;

    s[0] = (struct ibv_sge){at, half != 0 ? half : n, mr->lkey};
    s[1] = (struct ibv_sge){at + half, n - half, mr->lkey};
    return half != 0 ? 2 : 1;
}

static void post(enum ibv_wr_opcode op, uint64_t at, uint64_t remote, uint32_t n)
{
    struct ibv_sge s[2];
    struct ibv_send_wr w = {.opcode = op, .send_flags = IBV_SEND_SIGNALED, .sg_list = s}, *bad;

    w.num_sge = (int)pieces(s, at, n);
    w.wr.rdma.remote_addr = remote;
    w.wr.rdma.rkey = you.rkey;
    if (ibv_post_send(qp, &w, &bad) != 0) {
        die("ibv_post_send");
    }
    wait_one();
}

/* One direction of all three operations: client to server. */
static void transfer(int client, uint32_t round, uint32_t n)
{
    struct ibv_sge s[2];
    struct ibv_recv_wr r = {.sg_list = s}, *bad;

    fill(round, n);
    if (!client) {
        r.num_sge = (int)pieces(s, (uintptr_t)buf + BYTES, n);
        if (ibv_post_recv(qp, &r, &bad) != 0) {
            die("ibv_post_recv");
        }
    }
    step();
    if (client) {
        post(IBV_WR_SEND, (uintptr_t)buf, 0, n);
    } else {
        wait_one();
        compare(round, n, "SEND");
    }
    fill(round + 1000, n);
    step();
    if (client) {
        post(IBV_WR_RDMA_WRITE, (uintptr_t)buf, you.va + BYTES, n);
    }
    step();
    if (!client) {
        compare(round + 1000, n, "WRITE");
    }
    fill(round + 2000, n);
    step();
    if (client) {
        post(IBV_WR_RDMA_READ, (uintptr_t)buf + BYTES, you.va, n);
        compare(round + 2000, n, "READ");
    }
    step();
}

static void open_socket(const char *server)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

    if (server == NULL) {
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(s, (struct sockaddr *)&a, sizeof a) != 0 || listen(s, 1) != 0) {
            die("listen");
        }
        sock = accept(s, NULL, NULL);
        return;
    }
    inet_pton(AF_INET, server, &a.sin_addr);
    sock = s;
    for (int i = 0; connect(s, (struct sockaddr *)&a, sizeof a) != 0; i++) {
        if (i == 100) {
            die("connect");
        }
        usleep(100000);
    }
}

static int procs(int n)
{
    int bad = 0, status, ready[2];
    char c;

    if (pipe(ready) != 0) {
        die("pipe");
    }
    for (int i = 0; i < n; i++) {
        if (fork() == 0) {
            close(ready[1]);
            open_device();
            new_qp();
            _exit(read(ready[0], &c, 1) != 0); /* until all are there */
        }
    }
    close(ready[0]);
    sleep(2);
    close(ready[1]);
    while (wait(&status) > 0) {
        bad += status != 0;
    }
    printf("bufsum: %s %d processes\n", bad == 0 ? "OK" : "FAILED", n);
    return bad != 0;
}

static int qps(int n)
{
    struct ibv_qp **const q = calloc((size_t)n, sizeof *q);

    open_device();
    for (int i = 0; i < n; i++) {
        q[i] = new_qp();
    }
    for (int i = 0; i < n; i++) {
        if (ibv_destroy_qp(q[i]) != 0) {
            die("ibv_destroy_qp");
        }
    }
    printf("bufsum: OK %d QPs\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    const char *server = NULL;
    uint64_t bytes = 0;

    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "--procs") == 0) {
            return procs(atoi(argv[i + 1]));
        } else if (i + 1 < argc && strcmp(argv[i], "--qps") == 0) {
            return qps(atoi(argv[i + 1]));
        } else if (i + 1 < argc && strcmp(argv[i], "-g") == 0) {
            gid_index = atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "-p") == 0) {
            port = atoi(argv[++i]);
        } else {
            server = argv[i];
        }
    }
    open_device();
    open_socket(server);
    connect_qp();
    step();
    for (uint32_t i = 0; i < SIZES; i++) {
        transfer(server != NULL, i, sizes[i]);
        transfer(server == NULL, i + 100, sizes[i]);
        bytes += 6ULL * sizes[i];
    }
    printf("bufsum: OK %d transfers, %llu bytes\n", 6 * SIZES, (unsigned long long)bytes);
    return 0;
}
