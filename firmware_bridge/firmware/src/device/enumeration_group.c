/* SMP group 10: which groups there are (Zephyr, "Enumeration Management"). */
#include "device/enumeration_group.h"

static einf_refusal count(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_pair_uint(out, EINF_KEY_COUNT, EINF_GROUPS);
    return einf_granted();
}

static einf_refusal list(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_GROUPS);
    einf_cbor_put_list(out, EINF_GROUPS);
    for (uint32_t i = 0; i < EINF_GROUPS; i++) {
        einf_cbor_put_uint(out, einf_smp_groups[i]->number);
    }
    return einf_granted();
}

static einf_refusal single(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    uint64_t index = 0;
    (void)d;
    (void)einf_cbor_uint(in, EINF_KEY_INDEX, &index);
    if (index >= EINF_GROUPS) {
        return (einf_refusal){EINF_CODE_INVALID, EINF_ENUMERATION_CODE_INDEX_TOO_LARGE,
                              "there are 4 groups"};
    }
    einf_cbor_put_map(out, index == EINF_GROUPS - 1 ? 2 : 1);
    einf_cbor_pair_uint(out, EINF_KEY_GROUP, einf_smp_groups[index]->number);
    if (index == EINF_GROUPS - 1) {
        einf_cbor_pair_bool(out, EINF_KEY_END, true);
    }
    return einf_granted();
}

static einf_refusal details(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_GROUPS);
    einf_cbor_put_list(out, EINF_GROUPS);
    for (uint32_t i = 0; i < EINF_GROUPS; i++) {
        einf_cbor_put_map(out, 3);
        einf_cbor_pair_uint(out, EINF_KEY_GROUP, einf_smp_groups[i]->number);
        einf_cbor_pair_text(out, EINF_KEY_NAME, einf_smp_groups[i]->name);
        einf_cbor_pair_uint(out, EINF_KEY_HANDLERS, einf_smp_groups[i]->command_count);
    }
    return einf_granted();
}

static const einf_smp_command commands[] = {
    {EINF_ENUMERATION_COUNT, EINF_OP_READ, count},
    {EINF_ENUMERATION_LIST, EINF_OP_READ, list},
    {EINF_ENUMERATION_SINGLE, EINF_OP_READ, single},
    {EINF_ENUMERATION_DETAILS, EINF_OP_READ, details},
};

static const einf_smp_group enumeration_group = {
    EINF_GROUP_ENUMERATION, sizeof commands / sizeof *commands, "enum", commands};

const einf_smp_group *const einf_smp_groups[EINF_GROUPS] = {&einf_os_group, &einf_image_group,
                                                            &enumeration_group, &einf_edge_group};
