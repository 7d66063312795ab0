#include "models_tflite/memory_plan.h"

#include <stddef.h>

static int32_t add_block(einf_memory_plan *p, uint32_t bytes, int32_t first) {
    p->blocks[p->count] = (einf_memory_block){einf_aligned(bytes), first, first, 0, false};
    return p->count++;
}

static einf_status produce(einf_memory_plan *p, einf_tensor *t, int32_t when) {
    if (t == NULL || t->data != NULL || t->block != EINF_NO_BLOCK) {
        return EINF_CORRUPT; /* a constant, or made twice */
    }
    if (t->type != EINF_TYPE_INT8) {
        return EINF_UNSUPPORTED;
    }
    t->block = add_block(p, (uint32_t)t->elements, when);
    return EINF_OK;
}

static einf_status consume(einf_memory_plan *p, const einf_tensor *t, int32_t when) {
    if (t->data != NULL) {
        return EINF_OK;
    }
    if (t->block == EINF_NO_BLOCK) {
        return EINF_CORRUPT; /* used before it is made */
    }
    p->blocks[t->block].last = when;
    return EINF_OK;
}

static einf_status operator_lifetimes(einf_memory_plan *p, einf_model *m, uint32_t index) {
    const einf_operation op = einf_model_operation(m, index);
    const int32_t when = (int32_t)index + 1;
    for (uint32_t i = 0; i < op.inputs.length; i++) {
        const einf_tensor *t = einf_model_operand(m, &op.inputs, i);
        const einf_status status = t == NULL ? EINF_OK : consume(p, t, when);
        if (status != EINF_OK) {
            return status;
        }
    }
    if (op.outputs.length != 1) {
        return EINF_UNSUPPORTED;
    }
    return produce(p, einf_model_operand(m, &op.outputs, 0), when);
}

static einf_status output_lifetimes(einf_memory_plan *p, einf_model *m) {
    for (uint32_t i = 0; i < m->outputs.length; i++) {
        const einf_tensor *t = einf_model_operand(m, &m->outputs, i);
        if (t == NULL || t->block == EINF_NO_BLOCK) {
            return EINF_CORRUPT;
        }
        p->blocks[t->block].last = (int32_t)m->operators.length + 1;
    }
    return EINF_OK;
}

einf_status einf_memory_plan_lifetimes(einf_memory_plan *p, einf_model *m, einf_arena *arena) {
    const uint32_t most = m->tensor_count + m->operators.length; /* one scratch an operator */
    p->count = 0;
    p->blocks = einf_arena_borrow(arena, most * (uint32_t)sizeof *p->blocks);
    if (p->blocks == NULL) {
        return EINF_ARENA;
    }
    for (uint32_t i = 0; i < m->tensor_count; i++) {
        m->tensors[i].block = EINF_NO_BLOCK;
    }
    einf_status status = EINF_OK;
    for (uint32_t i = 0; i < m->inputs.length && status == EINF_OK; i++) {
        status = produce(p, einf_model_operand(m, &m->inputs, i), 0);
    }
    for (uint32_t i = 0; i < m->operators.length && status == EINF_OK; i++) {
        status = operator_lifetimes(p, m, i);
    }
    return status ? status : output_lifetimes(p, m);
}

bool einf_memory_plan_in_place(einf_memory_plan *p, einf_tensor *in, einf_tensor *out,
                               uint32_t index) {
    einf_memory_block *source = &p->blocks[in->block], *target = &p->blocks[out->block];
    if (source->last != (int32_t)index + 1 || in->elements != out->elements) {
        return false;
    }
    source->last = target->last;
    target->bytes = 0;
    target->placed = true;
    out->block = in->block;
    return true;
}

int32_t einf_memory_plan_scratch(einf_memory_plan *p, uint32_t bytes, uint32_t index) {
    return add_block(p, bytes, (int32_t)index + 1);
}

static bool collide(const einf_memory_block *a, uint32_t at, const einf_memory_block *placed) {
    const bool in_time = a->first <= placed->last && placed->first <= a->last;
    return in_time && at < placed->offset + placed->bytes && placed->offset < at + a->bytes;
}

/* The lowest offset at which `a` collides with nothing that is placed. */
static uint32_t lowest(const einf_memory_plan *p, const einf_memory_block *a) {
    uint32_t at = 0;
    for (int32_t i = 0; i < p->count; i++) {
        const einf_memory_block *other = &p->blocks[i];
        if (other->placed && collide(a, at, other)) {
            at = other->offset + other->bytes;
            i = -1; /* look at all of them again from there */
        }
    }
    return at;
}

static einf_memory_block *largest_unplaced(const einf_memory_plan *p) {
    einf_memory_block *largest = NULL;
    for (int32_t i = 0; i < p->count; i++) {
        einf_memory_block *b = &p->blocks[i];
        if (!b->placed && (largest == NULL || b->bytes > largest->bytes)) {
            largest = b;
        }
    }
    return largest;
}

uint32_t einf_memory_plan_place(einf_memory_plan *p) {
    uint32_t top = 0;
    for (einf_memory_block *b = largest_unplaced(p); b != NULL; b = largest_unplaced(p)) {
        b->offset = lowest(p, b);
        b->placed = true;
    }
    for (int32_t i = 0; i < p->count; i++) {
        const uint32_t end = p->blocks[i].offset + p->blocks[i].bytes;
        top = end > top ? end : top;
    }
    return top;
}
