/* Parameters of a simulated system: one u64 per row of model/spec/param.def.
 *
 * A configuration is the values plus where each came from (default, preset, file:line, --set) and
 * on what evidence it rests. Nothing here allocates or reads files; sim/config reads YAML. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Field group_name per row. An enumeration holds HCA_<GROUP>_<NAME>_<TOKEN>, a bool 0 or 1. */
struct hca_param {
#define PARAM(group, name, def, min, max, unit, source, doc) uint64_t group##_##name;
#define PARAM_ENUM(group, name, def, tokens, source, doc)    uint64_t group##_##name;
#define PARAM_BOOL(group, name, def, source, doc)            uint64_t group##_##name;
#include "model/spec/param.def"
#undef PARAM
#undef PARAM_ENUM
#undef PARAM_BOOL
};

/* Index of a row: HCA_PARAM_<group>_<name>. */
enum hca_param_id {
#define PARAM(group, name, def, min, max, unit, source, doc) HCA_PARAM_##group##_##name,
#define PARAM_ENUM(group, name, def, tokens, source, doc)    HCA_PARAM_##group##_##name,
#define PARAM_BOOL(group, name, def, source, doc)            HCA_PARAM_##group##_##name,
#include "model/spec/param.def"
#undef PARAM
#undef PARAM_ENUM
#undef PARAM_BOOL
    HCA_PARAM_COUNT
};

/* Values of the PARAM_ENUM rows, in the order of their token lists (held by tests/param_test.c). */
enum { HCA_CPU_COMPLETION_POLL, HCA_CPU_COMPLETION_INTERRUPT };
enum { HCA_HCA_WQE_FORMAT_PVRDMA, HCA_HCA_WQE_FORMAT_NATIVE };
enum { HCA_HCA_CONTEXT_STORE_HOST, HCA_HCA_CONTEXT_STORE_ONBOARD };
enum { HCA_PCIE_CPL_CHUNK_RCB, HCA_PCIE_CPL_CHUNK_MPS };
enum { HCA_IOMMU_MODE_OFF, HCA_IOMMU_MODE_PASS, HCA_IOMMU_MODE_ON };
enum { HCA_HOST_VM_REQUESTER_OWN, HCA_HOST_VM_REQUESTER_SHARED };
enum { HCA_HOST_LAYOUT_CONTIGUOUS, HCA_HOST_LAYOUT_FRAGMENTED };
enum { HCA_HOST_SOCKET_LOCAL, HCA_HOST_SOCKET_REMOTE };
enum { HCA_HOST_BUFFER_STATE_WARM, HCA_HOST_BUFFER_STATE_COLD };
enum { HCA_PORT_WIRE_ROCE2, HCA_PORT_WIRE_ROCE1, HCA_PORT_WIRE_IB };
enum { HCA_PORT_UDP_SPORT_QPN, HCA_PORT_UDP_SPORT_FIXED };

/* What a value rests on. */
enum hca_source { HCA_SOURCE_SPEC, HCA_SOURCE_MEASURED, HCA_SOURCE_ASSUMED, HCA_SOURCES };

enum hca_param_kind { HCA_PARAM_INT, HCA_PARAM_ENUM, HCA_PARAM_BOOL };

struct hca_param_row {
    const char *group, *name;
    const char *key; /* "group.name" */
    enum hca_param_kind kind;
    size_t offset;          /* of the u64 in struct hca_param               */
    uint64_t def, min, max; /* inclusive; of integers, def also of booleans */
    const char *def_token;  /* default of an enumeration                    */
    const char *tokens;     /* "a|b|c"; "" for integers                     */
    const char *unit;       /* "" for tokens                                */
    enum hca_source source_class;
    const char *source, *doc;
};

enum {
    HCA_PLACE_MAX = 160,  /* "file:line", "preset NAME", "--set" */
    HCA_SOURCE_MAX = 200, /* text of a source given by a preset  */
    HCA_ERROR_MAX = 768
};

/* One line for the user: place, value, bound, reason, remedy. Longer texts are cut, never split. */
struct hca_error {
    char text[HCA_ERROR_MAX];
};

/* printf into err; cuts what does not fit. */
__attribute__((format(printf, 2, 3))) void hca_error_set(struct hca_error *err, const char *format,
                                                         ...);

/* Copy of text fit for one line of a message: printable, cut with "..." when longer than buf. */
const char *hca_quote(const char *text, char *buf, size_t size);

/* Where the current value of a row came from. */
struct hca_origin {
    char place[HCA_PLACE_MAX];
    enum hca_source source_class;
    char source[HCA_SOURCE_MAX];
};

/* A configuration; about 64 KiB, so keep it out of deep stacks. */
struct hca_config {
    struct hca_param value;
    struct hca_origin origin[HCA_PARAM_COUNT];
};

/* All rows at their defaults. */
void hca_param_default(struct hca_param *p);
void hca_config_default(struct hca_config *c);

/* Row by index, or by "group.name" of len bytes (NULL: no such row). */
const struct hca_param_row *hca_param_row(enum hca_param_id id);
enum hca_param_id hca_param_index(const struct hca_param_row *row);
const struct hca_param_row *hca_param_find(const char *key, size_t len);

/* The row whose key is closest to a misspelt one; NULL when none is near. */
const struct hca_param_row *hca_param_nearest(const char *key);

/* First row of a group, NULL when there is no such group; and the group closest to a name. */
const struct hca_param_row *hca_param_group(const char *group);
const char *hca_param_group_nearest(const char *group);

/* Raw access to the field of a row; put does not check the range. */
void hca_param_put(struct hca_param *p, const struct hca_param_row *row, uint64_t value);
uint64_t hca_param_get(const struct hca_param *p, const struct hca_param_row *row);

/* Position of a token in row->tokens; false when it is none of them. */
bool hca_param_token(const struct hca_param_row *row, const char *text, uint64_t *value);

/* Value as it would be written in a file: decimal, token, true or false. Returns buf. */
const char *hca_param_value_text(const struct hca_param_row *row, uint64_t value, char *buf,
                                 size_t size);
const char *hca_param_text(const struct hca_param *p, const struct hca_param_row *row, char *buf,
                           size_t size);

/* Sets one value from text and records its origin.
 *
 * key     "group.name"
 * text    base 10 or 0x..., no sign, no suffix; a token; true or false
 * place   prefix of an error, "lab.yaml:12"
 * origin  kept as the value's origin, "lab.yaml:12" or "preset small"
 * return  false: c is unchanged and err tells why
 * A value set so has source class ASSUMED until hca_config_source says otherwise. */
bool hca_config_set(struct hca_config *c, const char *key, const char *text, const char *place,
                    const char *origin, struct hca_error *err);

/* Sets from the argument of --set, "group.name=value". */
bool hca_config_set_argument(struct hca_config *c, const char *argument, struct hca_error *err);

/* Gives the source of a value: text is "SPEC: ...", "MEASURED: ..." or "ASSUMED: ...". */
bool hca_config_source(struct hca_config *c, const char *key, const char *text, const char *place,
                       struct hca_error *err);

/* Checks the rules that join several parameters; to be called once all values are set. */
bool hca_config_check(const struct hca_config *c, struct hca_error *err);

/* Number of values by source class: count[HCA_SOURCE_SPEC] and so on. */
void hca_config_evidence(const struct hca_config *c, unsigned count[HCA_SOURCES]);

const char *hca_source_name(enum hca_source s); /* "SPEC", "MEASURED", "ASSUMED" */

/* The values a row allows within its range, as text: "1|2|4|8|16", "power of two"; NULL: all. */
const char *hca_param_allowed(const struct hca_param_row *row);

/* Bytes between two ACK or UpdateFC DLLPs when the parameter is 0 (limits of the specification for
 * pcie.gen, pcie.lanes and pcie.mps_bytes), else the parameter. */
uint64_t hca_param_ack_interval_bytes(const struct hca_param *p);
uint64_t hca_param_fc_interval_bytes(const struct hca_param *p);
/* The latest an UpdateFC leaves after credits were freed, ps (PCIe Base 3.0, 2.6.1.2). */
uint64_t hca_param_fc_limit_ps(const struct hca_param *p);

/* Raw rate of the PCIe link after line coding, as the exact fraction num/den in bits per second. */
void hca_param_pcie_rate(const struct hca_param *p, uint64_t *num, uint64_t *den);

/* docs/reference/params.md: the ASSUMED rows first, then every row by group. */
void param_print_markdown(FILE *out);
