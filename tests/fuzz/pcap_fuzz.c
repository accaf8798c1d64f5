/* Capture reader on any bytes: each record keeps its promises, the reader ends, and says why. */
#include "traces/pcap.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct capture *c;
    struct capture_error err;
    struct capture_record r;
    enum capture_status s = capture_open_memory(data, size, "fuzz", &c, &err);
    if (s != CAPTURE_OK) {
        require(s != CAPTURE_END && c == NULL && strncmp(err.text, "fuzz: byte ", 11) == 0);
        return 0;
    }
    uint64_t records = 0;
    uint64_t offset = 0;
    while ((s = capture_next(c, &r)) == CAPTURE_OK) {
        require(r.number == ++records && r.offset >= offset && r.offset < size);
        require(r.caplen <= CAPTURE_RECORD_MAX + 14 && r.wirelen >= r.caplen);
        require(r.link_type == CAPTURE_ETHERNET || r.link_type == CAPTURE_INFINIBAND);
        for (uint32_t i = 0; i < r.caplen; i++) {
            sink ^= r.data[i];
        }
        offset = r.offset + 1;
    }
    require((s == CAPTURE_END) == (capture_why(c)[0] == '\0'));
    require(capture_next(c, &r) == s);
    capture_close(c);
    return 0;
}
