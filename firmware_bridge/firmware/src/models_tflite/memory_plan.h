/**
 * @file
 * Where activations and scratch lie: blocks with a lifetime, placed so that they do not collide.
 */
#ifndef EINF_MEMORY_PLAN_H
#define EINF_MEMORY_PLAN_H

#include "models_tflite/model.h"
#include "models_tflite/node.h"

#define EINF_NO_BLOCK (-1)

/** Memory that is needed from operator `first` to operator `last`, both included. */
typedef struct {
    uint32_t bytes;
    int32_t first; /* 0 for an input, else the operator's index + 1 */
    int32_t last;
    uint32_t offset;
    bool placed;
} einf_memory_block;

typedef struct {
    einf_memory_block *blocks;
    int32_t count;
} einf_memory_plan;

/** One block for each activation with its lifetime; borrows from the arena. */
einf_status einf_memory_plan_lifetimes(einf_memory_plan *p, einf_model *m, einf_arena *arena);

/**
 * Let operator `index`'s output take over the block of its operand `in` when the operand is not
 * needed afterwards and has the same size.
 *
 * @return whether it did.
 */
bool einf_memory_plan_in_place(einf_memory_plan *p, einf_tensor *in, einf_tensor *out,
                               uint32_t index);

/** A block of scratch for operator `index`; its number. */
int32_t einf_memory_plan_scratch(einf_memory_plan *p, uint32_t bytes, uint32_t index);

/** Place all blocks, large ones first, each as low as it fits; return the bytes they take. */
uint32_t einf_memory_plan_place(einf_memory_plan *p);

#endif
