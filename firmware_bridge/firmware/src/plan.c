#include "plan.h"

#include <stddef.h>

static int32_t add_block(plan *p, uint32_t bytes, int32_t first) {
    p->blocks[p->count] = (block){ei_aligned(bytes), first, first, 0, false};
    return p->count++;
}

static ei_status produce(plan *p, tensor *t, int32_t when) {
    if (t == NULL || t->data != NULL || t->block != NO_BLOCK) {
        return EI_CORRUPT; /* a constant, or made twice */
    }
    if (t->type != TYPE_INT8) {
        return EI_UNSUPPORTED;
    }
    t->block = add_block(p, (uint32_t)t->elements, when);
    return EI_OK;
}

static ei_status consume(plan *p, const tensor *t, int32_t when) {
    if (t->data != NULL) {
        return EI_OK;
    }
    if (t->block == NO_BLOCK) {
        return EI_CORRUPT; /* used before it is made */
    }
    p->blocks[t->block].last = when;
    return EI_OK;
}

static ei_status operator_lifetimes(plan *p, model *m, uint32_t index) {
    const operation op = model_operation(m, index);
    const int32_t when = (int32_t)index + 1;
    for (uint32_t i = 0; i < op.inputs.length; i++) {
        const tensor *t = model_operand(m, &op.inputs, i);
        const ei_status status = t == NULL ? EI_OK : consume(p, t, when);
        if (status != EI_OK) {
            return status;
        }
    }
    if (op.outputs.length != 1) {
        return EI_UNSUPPORTED;
    }
    return produce(p, model_operand(m, &op.outputs, 0), when);
}

static ei_status output_lifetimes(plan *p, model *m) {
    for (uint32_t i = 0; i < m->outputs.length; i++) {
        const tensor *t = model_operand(m, &m->outputs, i);
        if (t == NULL || t->block == NO_BLOCK) {
            return EI_CORRUPT;
        }
        p->blocks[t->block].last = (int32_t)m->operators.length + 1;
    }
    return EI_OK;
}

ei_status plan_lifetimes(plan *p, model *m, ei_arena *arena) {
    const uint32_t most = m->tensor_count + m->operators.length; /* one scratch an operator */
    p->count = 0;
    p->blocks = ei_arena_borrow(arena, most * (uint32_t)sizeof *p->blocks);
    if (p->blocks == NULL) {
        return EI_ARENA;
    }
    for (uint32_t i = 0; i < m->tensor_count; i++) {
        m->tensors[i].block = NO_BLOCK;
    }
    ei_status status = EI_OK;
    for (uint32_t i = 0; i < m->inputs.length && status == EI_OK; i++) {
        status = produce(p, model_operand(m, &m->inputs, i), 0);
    }
    for (uint32_t i = 0; i < m->operators.length && status == EI_OK; i++) {
        status = operator_lifetimes(p, m, i);
    }
    return status ? status : output_lifetimes(p, m);
}

bool plan_in_place(plan *p, tensor *in, tensor *out, uint32_t index) {
    block *source = &p->blocks[in->block], *target = &p->blocks[out->block];
    if (source->last != (int32_t)index + 1 || in->elements != out->elements) {
        return false;
    }
    source->last = target->last;
    target->bytes = 0;
    target->placed = true;
    out->block = in->block;
    return true;
}

int32_t plan_scratch(plan *p, uint32_t bytes, uint32_t index) {
    return add_block(p, bytes, (int32_t)index + 1);
}

static bool collide(const block *a, uint32_t at, const block *placed) {
    const bool in_time = a->first <= placed->last && placed->first <= a->last;
    return in_time && at < placed->offset + placed->bytes && placed->offset < at + a->bytes;
}

/* The lowest offset at which `a` collides with nothing that is placed. */
static uint32_t lowest(const plan *p, const block *a) {
    uint32_t at = 0;
    for (int32_t i = 0; i < p->count; i++) {
        const block *other = &p->blocks[i];
        if (other->placed && collide(a, at, other)) {
            at = other->offset + other->bytes;
            i = -1; /* look at all of them again from there */
        }
    }
    return at;
}

static block *largest_unplaced(const plan *p) {
    block *largest = NULL;
    for (int32_t i = 0; i < p->count; i++) {
        block *b = &p->blocks[i];
        if (!b->placed && (largest == NULL || b->bytes > largest->bytes)) {
            largest = b;
        }
    }
    return largest;
}

uint32_t plan_place(plan *p) {
    uint32_t top = 0;
    for (block *b = largest_unplaced(p); b != NULL; b = largest_unplaced(p)) {
        b->offset = lowest(p, b);
        b->placed = true;
    }
    for (int32_t i = 0; i < p->count; i++) {
        const uint32_t end = p->blocks[i].offset + p->blocks[i].bytes;
        top = end > top ? end : top;
    }
    return top;
}
