/* SMP group 10: which groups there are (Zephyr, "Enumeration Management"). */
#include "device.h"

#define ENUMERATION_INDEX_TOO_LARGE 4U
#define GROUPS                      4U

static refusal count(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 1);
    cbor_pair_uint(out, "count", GROUPS);
    return granted();
}

static refusal list(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 1);
    cbor_put_text(out, "groups");
    cbor_put_list(out, GROUPS);
    for (uint32_t i = 0; i < GROUPS; i++) {
        cbor_put_uint(out, smp_groups[i]->number);
    }
    return granted();
}

static refusal single(device *d, const cbor_map *in, cbor_writer *out) {
    uint64_t index = 0;
    (void)d;
    (void)cbor_uint(in, "index", &index);
    if (index >= GROUPS) {
        return (refusal){SMP_INVALID, ENUMERATION_INDEX_TOO_LARGE, "there are 4 groups"};
    }
    cbor_put_map(out, index == GROUPS - 1 ? 2 : 1);
    cbor_pair_uint(out, "group", smp_groups[index]->number);
    if (index == GROUPS - 1) {
        cbor_pair_bool(out, "end", true);
    }
    return granted();
}

static refusal details(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 1);
    cbor_put_text(out, "groups");
    cbor_put_list(out, GROUPS);
    for (uint32_t i = 0; i < GROUPS; i++) {
        cbor_put_map(out, 3);
        cbor_pair_uint(out, "group", smp_groups[i]->number);
        cbor_pair_text(out, "name", smp_groups[i]->name);
        cbor_pair_uint(out, "handlers", smp_groups[i]->command_count);
    }
    return granted();
}

static const smp_command commands[] = {
    {0, SMP_READ, count},
    {1, SMP_READ, list},
    {2, SMP_READ, single},
    {3, SMP_READ, details},
};

const smp_group enumeration_group = {GROUP_ENUMERATION, sizeof commands / sizeof *commands, "enum",
                                     commands};
