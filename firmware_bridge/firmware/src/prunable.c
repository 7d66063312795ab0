#include "prunable.h"

#include <stddef.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"
#include "prunable_part.h"

#define MOST_BITS_BYTES (1U << 28)

/* The lengths that an axis gives a dimension. */
typedef struct {
    int32_t full;
    int32_t kept;
    int32_t pieces; /* what is kept lies in so many runs; 0: not in equal ones */
} axis;

/* The tensors that are changed, and by what. */
typedef struct {
    model *model;
    const prunable_part *part;
    axis *axes;
} cutting;

static ei_status measure_axis(axis *a, const prunable_part *p, const uint8_t **at) {
    const uint32_t tile = ei_u16(*at), segments = ei_u16(*at + 2);
    uint64_t full = 0, kept = 0;
    *at += 4;
    for (uint32_t i = 0; i < segments; i++, *at += 4) {
        const uint32_t group = ei_u16(*at), repeat = ei_u16(*at + 2);
        if (group >= p->counts[PART_GROUPS] || repeat == 0) {
            return EI_CORRUPT;
        }
        full += (uint64_t)ei_u16(p->sizes + 2 * group) * repeat;
        kept += (uint64_t)ei_u16(p->kept + 2 * group) * repeat;
    }
    if (tile == 0 || kept == 0 || full > MAX_EXTENT || full * tile > MAX_EXTENT) {
        return EI_CORRUPT;
    }
    const uint32_t pieces = full == kept ? 1 : segments == 1 ? tile : 0;
    *a = (axis){(int32_t)(full * tile), (int32_t)(kept * tile), (int32_t)pieces};
    return EI_OK;
}

static ei_status measure_axes(cutting *c, ei_arena *arena) {
    const prunable_part *p = c->part;
    const uint8_t *at = p->axes;
    for (uint32_t group = 0; group < p->counts[PART_GROUPS]; group++) {
        const uint32_t kept = ei_u16(p->kept + 2 * group);
        if (kept == 0 || kept > ei_u16(p->sizes + 2 * group)) {
            return EI_CORRUPT;
        }
    }
    c->axes = ei_arena_borrow(arena, p->counts[PART_AXES] * (uint32_t)sizeof *c->axes);
    if (c->axes == NULL) {
        return EI_ARENA;
    }
    for (uint32_t i = 0; i < p->counts[PART_AXES]; i++) {
        const ei_status status = measure_axis(&c->axes[i], p, &at);
        if (status != EI_OK) {
            return status;
        }
    }
    return EI_OK;
}

/* Constants are read in place: outputs as a prefix, inputs as a prefix of each tap or pixel. */
static bool can_cut(const tensor *t, uint32_t dimension, const axis *a) {
    const bool last = (int32_t)dimension == t->rank - 1;
    return a->kept == a->full || ((dimension == 0 || last) && a->pieces == 1) ||
           (last && t->rank == 2 && a->pieces > 0);
}

/* A record of an owner, a position and an axis. */
static ei_status cut_tensor(const cutting *c, const uint8_t *record) {
    const uint32_t owner = ei_u16(record), dimension = ei_u16(record + 2);
    const uint32_t number = ei_u16(record + 4);
    if (owner >= c->model->tensor_count || number >= c->part->counts[PART_AXES]) {
        return EI_CORRUPT;
    }
    tensor *t = &c->model->tensors[owner];
    const axis *a = &c->axes[number];
    if (dimension >= (uint32_t)t->rank || (t->changed >> dimension & 1U) ||
        t->dims[dimension] != a->full) {
        return EI_CORRUPT;
    }
    if (t->data != NULL && !can_cut(t, dimension, a)) {
        return EI_UNSUPPORTED;
    }
    t->changed |= 1U << dimension;
    t->dims[dimension] = a->kept;
    t->elements = t->elements / a->full * a->kept;
    t->pieces = (int32_t)dimension == t->rank - 1 ? a->pieces : t->pieces;
    return EI_OK;
}

/* What says a length besides a shape is not used here: the shapes of the outputs are. */
static ei_status check_constant(const cutting *c, const uint8_t *record) {
    const uint32_t owner = ei_u16(record), element = ei_u16(record + 2);
    const uint32_t number = ei_u16(record + 4);
    if (owner >= c->model->tensor_count || number >= c->part->counts[PART_AXES]) {
        return EI_CORRUPT;
    }
    const tensor *t = &c->model->tensors[owner];
    const bool fits = t->data != NULL && t->type == TYPE_INT32 && element < (uint32_t)t->elements &&
                      ei_u32(t->data + (size_t)4 * element) == (uint32_t)c->axes[number].full;
    return fits ? EI_OK : EI_CORRUPT;
}

static ei_status check_reshape(const cutting *c, const uint8_t *record) {
    const uint32_t owner = ei_u16(record), element = ei_u16(record + 2);
    const uint32_t number = ei_u16(record + 4);
    if (owner >= c->model->operators.length || number >= c->part->counts[PART_AXES]) {
        return EI_CORRUPT;
    }
    const operation op = model_operation(c->model, owner);
    const fb_vector shape = fb_vector_field(&op.options, 0, 4);
    const bool fits = op.code == OP_RESHAPE && fb_int32_at(&shape, element) == c->axes[number].full;
    return fits && !c->model->file.bad ? EI_OK : EI_CORRUPT;
}

/* The scale and zero point of an activation. */
static ei_status requantise(const cutting *c, uint32_t index) {
    const uint32_t number = ei_u16(c->part->activations + 2 * index);
    const float scale = ei_f32(c->part->scales + 4 * index);
    const int32_t zero_point = (int16_t)(uint16_t)ei_u16(c->part->zero_points + 2 * index);
    if (number >= c->model->tensor_count || !(scale > 0.0F && scale < 1e30F)) {
        return EI_CORRUPT;
    }
    tensor *t = &c->model->tensors[number];
    if (t->data != NULL || t->scales.length != 1) {
        return EI_CORRUPT;
    }
    t->scale = scale;
    t->zero_point = zero_point;
    return zero_point < INT8_MIN || zero_point > INT8_MAX ? EI_UNSUPPORTED : EI_OK;
}

static ei_status change_tensors(const cutting *c) {
    const prunable_part *p = c->part;
    ei_status status = EI_OK;
    for (uint32_t i = 0; i < p->counts[PART_CUTS] && status == EI_OK; i++) {
        status = cut_tensor(c, p->cuts + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[PART_SHAPES] && status == EI_OK; i++) {
        status = check_constant(c, p->shapes + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[PART_RESHAPES] && status == EI_OK; i++) {
        status = check_reshape(c, p->reshapes + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[PART_ACTIVATIONS] && status == EI_OK; i++) {
        status = requantise(c, i);
    }
    return status;
}

/* All layers make sense, and there are as many codes as they want. */
static ei_status check_layers(pruning *p, uint32_t bits_bytes) {
    uint32_t used[CODE_KINDS] = {0};
    pruned_layer layer;
    if (bits_bytes > MOST_BITS_BYTES) {
        return EI_CORRUPT;
    }
    for (uint32_t i = 0; i < p->layer_count; i++) {
        const ei_status status = pruned_layer_read(&layer, p, i, used);
        if (status != EI_OK) {
            return status;
        }
        if (used[CODE_SCALE] + used[CODE_BIAS] + used[CODE_SIGN] > 8 * bits_bytes) {
            return EI_TRUNCATED;
        }
    }
    p->first_bit[CODE_BIAS] = used[CODE_SCALE];
    p->first_bit[CODE_SIGN] = used[CODE_SCALE] + used[CODE_BIAS];
    return EI_OK;
}

ei_status pruning_open(pruning *p, model *m, uint32_t ratio, ei_arena *arena) {
    prunable_part part;
    ei_status status = prunable_part_find(&part, m, ratio);
    if (status != EI_OK) {
        return status;
    }
    *p = (pruning){
        .model = m,
        .layers = part.layers,
        .layer_count = part.counts[PART_LAYERS],
        .bases = part.bases,
        .floors = part.floors,
        .widths = part.widths,
        .bits = part.bits,
        .powers = pruned_powers(arena),
    };
    cutting c = {m, &part, NULL};
    status = p->powers == NULL ? EI_ARENA : measure_axes(&c, arena);
    status = status ? status : change_tensors(&c);
    return status ? status : check_layers(p, part.bits_bytes);
}
