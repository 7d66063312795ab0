/**
 * @file
 * Where activations and scratch lie: blocks with a lifetime, placed so that they do not collide.
 */
#ifndef EDGE_INFER_PLAN_H
#define EDGE_INFER_PLAN_H

#include "model.h"
#include "node.h"

#define NO_BLOCK (-1)

/** Memory that is needed from operator `first` to operator `last`, both included. */
typedef struct {
    uint32_t bytes;
    int32_t first; /* 0 for an input, else the operator's index + 1 */
    int32_t last;
    uint32_t offset;
    bool placed;
} block;

typedef struct {
    block *blocks;
    int32_t count;
} plan;

/** One block for each activation with its lifetime; borrows from the arena. */
ei_status plan_lifetimes(plan *p, model *m, ei_arena *arena);

/**
 * Let operator `index`'s output take over the block of its operand `in` when the operand is not
 * needed afterwards and has the same size.
 *
 * @return whether it did.
 */
bool plan_in_place(plan *p, tensor *in, tensor *out, uint32_t index);

/** A block of scratch for operator `index`; its number. */
int32_t plan_scratch(plan *p, uint32_t bytes, uint32_t index);

/** Place all blocks, large ones first, each as low as it fits; return the bytes they take. */
uint32_t plan_place(plan *p);

#endif
