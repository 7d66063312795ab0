#include "models_tflite/prunable/prunable.h"

#include <stddef.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"
#include "models_tflite/prunable/prunable_part.h"

#define EINF_MOST_BITS_BYTES (1U << 28)

/* The lengths that an axis gives a dimension. */
typedef struct {
    int32_t full;
    int32_t kept;
    int32_t pieces; /* what is kept lies in so many runs; 0: not in equal ones */
} axis;

/* The tensors that are changed, and by what. */
typedef struct {
    einf_model *model;
    const einf_prunable_part *part;
    axis *axes;
} cutting;

static einf_status measure_axis(axis *a, const einf_prunable_part *p, const uint8_t **at) {
    const uint32_t tile = einf_u16(*at), segments = einf_u16(*at + 2);
    uint64_t full = 0, kept = 0;
    *at += 4;
    for (uint32_t i = 0; i < segments; i++, *at += 4) {
        const uint32_t group = einf_u16(*at), repeat = einf_u16(*at + 2);
        if (group >= p->counts[EINF_PART_GROUPS] || repeat == 0) {
            return EINF_CORRUPT;
        }
        full += (uint64_t)einf_u16(p->sizes + 2 * group) * repeat;
        kept += (uint64_t)einf_u16(p->kept + 2 * group) * repeat;
    }
    if (tile == 0 || kept == 0 || full > EINF_MAX_EXTENT || full * tile > EINF_MAX_EXTENT) {
        return EINF_CORRUPT;
    }
    const uint32_t pieces = full == kept ? 1 : segments == 1 ? tile : 0;
    *a = (axis){(int32_t)(full * tile), (int32_t)(kept * tile), (int32_t)pieces};
    return EINF_OK;
}

static einf_status measure_axes(cutting *c, einf_arena *arena) {
    const einf_prunable_part *p = c->part;
    const uint8_t *at = p->axes;
    for (uint32_t group = 0; group < p->counts[EINF_PART_GROUPS]; group++) {
        const uint32_t kept = einf_u16(p->kept + 2 * group);
        if (kept == 0 || kept > einf_u16(p->sizes + 2 * group)) {
            return EINF_CORRUPT;
        }
    }
    c->axes = einf_arena_borrow(arena, p->counts[EINF_PART_AXES] * (uint32_t)sizeof *c->axes);
    if (c->axes == NULL) {
        return EINF_ARENA;
    }
    for (uint32_t i = 0; i < p->counts[EINF_PART_AXES]; i++) {
        const einf_status status = measure_axis(&c->axes[i], p, &at);
        if (status != EINF_OK) {
            return status;
        }
    }
    return EINF_OK;
}

/* Constants are read in place: outputs as a prefix, inputs as a prefix of each tap or pixel. */
static bool can_cut(const einf_tensor *t, uint32_t dimension, const axis *a) {
    const bool last = (int32_t)dimension == t->rank - 1;
    return a->kept == a->full || ((dimension == 0 || last) && a->pieces == 1) ||
           (last && t->rank == 2 && a->pieces > 0);
}

/* A record of an owner, a position and an axis. */
static einf_status cut_tensor(const cutting *c, const uint8_t *record) {
    const uint32_t owner = einf_u16(record), dimension = einf_u16(record + 2);
    const uint32_t number = einf_u16(record + 4);
    if (owner >= c->model->tensor_count || number >= c->part->counts[EINF_PART_AXES]) {
        return EINF_CORRUPT;
    }
    einf_tensor *t = &c->model->tensors[owner];
    const axis *a = &c->axes[number];
    if (dimension >= (uint32_t)t->rank || (t->changed >> dimension & 1U) ||
        t->dims[dimension] != a->full) {
        return EINF_CORRUPT;
    }
    if (t->data != NULL && !can_cut(t, dimension, a)) {
        return EINF_UNSUPPORTED;
    }
    t->changed |= 1U << dimension;
    t->dims[dimension] = a->kept;
    t->elements = t->elements / a->full * a->kept;
    t->pieces = (int32_t)dimension == t->rank - 1 ? a->pieces : t->pieces;
    return EINF_OK;
}

/* What says a length besides a shape is not used here: the shapes of the outputs are. */
static einf_status check_constant(const cutting *c, const uint8_t *record) {
    const uint32_t owner = einf_u16(record), element = einf_u16(record + 2);
    const uint32_t number = einf_u16(record + 4);
    if (owner >= c->model->tensor_count || number >= c->part->counts[EINF_PART_AXES]) {
        return EINF_CORRUPT;
    }
    const einf_tensor *t = &c->model->tensors[owner];
    const bool fits = t->data != NULL && t->type == EINF_TYPE_INT32 &&
                      element < (uint32_t)t->elements &&
                      einf_u32(t->data + (size_t)4 * element) == (uint32_t)c->axes[number].full;
    return fits ? EINF_OK : EINF_CORRUPT;
}

static einf_status check_reshape(const cutting *c, const uint8_t *record) {
    const uint32_t owner = einf_u16(record), element = einf_u16(record + 2);
    const uint32_t number = einf_u16(record + 4);
    if (owner >= c->model->operators.length || number >= c->part->counts[EINF_PART_AXES]) {
        return EINF_CORRUPT;
    }
    const einf_operation op = einf_model_operation(c->model, owner);
    const einf_fb_vector shape = einf_fb_vector_field(&op.options, 0, 4);
    const bool fits = op.code == EINF_BUILTIN_RESHAPE &&
                      einf_fb_int32_at(&shape, element) == c->axes[number].full;
    return fits && !c->model->file.bad ? EINF_OK : EINF_CORRUPT;
}

/* The scale and zero point of an activation. */
static einf_status requantise(const cutting *c, uint32_t index) {
    const uint32_t number = einf_u16(c->part->activations + 2 * index);
    const float scale = einf_f32(c->part->scales + 4 * index);
    const int32_t zero_point = (int16_t)(uint16_t)einf_u16(c->part->zero_points + 2 * index);
    if (number >= c->model->tensor_count || !(scale > 0.0F && scale < 1e30F)) {
        return EINF_CORRUPT;
    }
    einf_tensor *t = &c->model->tensors[number];
    if (t->data != NULL || t->scales.length != 1) {
        return EINF_CORRUPT;
    }
    t->scale = scale;
    t->zero_point = zero_point;
    return zero_point < INT8_MIN || zero_point > INT8_MAX ? EINF_UNSUPPORTED : EINF_OK;
}

static einf_status change_tensors(const cutting *c) {
    const einf_prunable_part *p = c->part;
    einf_status status = EINF_OK;
    for (uint32_t i = 0; i < p->counts[EINF_PART_CUTS] && status == EINF_OK; i++) {
        status = cut_tensor(c, p->cuts + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[EINF_PART_SHAPES] && status == EINF_OK; i++) {
        status = check_constant(c, p->shapes + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[EINF_PART_RESHAPES] && status == EINF_OK; i++) {
        status = check_reshape(c, p->reshapes + 6 * i);
    }
    for (uint32_t i = 0; i < p->counts[EINF_PART_ACTIVATIONS] && status == EINF_OK; i++) {
        status = requantise(c, i);
    }
    return status;
}

/* All layers make sense, and there are as many codes as they want. */
static einf_status check_layers(einf_pruning *p, uint32_t bits_bytes) {
    uint32_t used[EINF_LAYER_CODE_KINDS] = {0};
    einf_pruned_layer layer;
    if (bits_bytes > EINF_MOST_BITS_BYTES) {
        return EINF_CORRUPT;
    }
    for (uint32_t i = 0; i < p->layer_count; i++) {
        const einf_status status = einf_pruned_layer_read(&layer, p, i, used);
        if (status != EINF_OK) {
            return status;
        }
        if (used[EINF_LAYER_CODE_SCALE] + used[EINF_LAYER_CODE_BIAS] + used[EINF_LAYER_CODE_SIGN] >
            8 * bits_bytes) {
            return EINF_TRUNCATED;
        }
    }
    p->first_bit[EINF_LAYER_CODE_BIAS] = used[EINF_LAYER_CODE_SCALE];
    p->first_bit[EINF_LAYER_CODE_SIGN] = used[EINF_LAYER_CODE_SCALE] + used[EINF_LAYER_CODE_BIAS];
    return EINF_OK;
}

einf_status einf_pruning_open(einf_pruning *p, einf_model *m, uint32_t ratio, einf_arena *arena) {
    einf_prunable_part part;
    einf_status status = einf_prunable_part_find(&part, m, ratio);
    if (status != EINF_OK) {
        return status;
    }
    *p = (einf_pruning){
        .model = m,
        .layers = part.layers,
        .layer_count = part.counts[EINF_PART_LAYERS],
        .bases = part.bases,
        .floors = part.floors,
        .widths = part.widths,
        .bits = part.bits,
        .powers = einf_pruned_powers(arena),
    };
    cutting c = {m, &part, NULL};
    status = p->powers == NULL ? EINF_ARENA : measure_axes(&c, arena);
    status = status ? status : change_tensors(&c);
    return status ? status : check_layers(p, part.bits_bytes);
}
