/**
 * @file
 * The one block of memory that everything lives in; there is no heap.
 *
 * What lasts (operators, rescaling factors) is kept from the front on, what is needed only while
 * a model is opened is borrowed from the back. The activations lie between: they begin where the
 * kept part ends.
 */
#ifndef EDGE_INFER_ARENA_H
#define EDGE_INFER_ARENA_H

#include <stdint.h>

/** Alignment of everything in the arena, in bytes. */
#define EI_ALIGNMENT 8U

/** `bytes` rounded up to the alignment. */
static inline uint32_t ei_aligned(uint32_t bytes) {
    return (bytes + EI_ALIGNMENT - 1) & ~(EI_ALIGNMENT - 1);
}

/** A block of memory with a used part at either end. */
typedef struct {
    uint8_t *base;
    uint32_t size;
    uint32_t kept;     /**< Bytes at the front. */
    uint32_t borrowed; /**< Bytes at the back. */
} ei_arena;

/** An arena over `size` bytes at `memory`, which is 8-byte aligned. */
ei_arena ei_arena_over(void *memory, uint32_t size);

/** Zeroed bytes that last as long as the arena; NULL when there is no room. */
void *ei_arena_keep(ei_arena *arena, uint32_t bytes);

/** Zeroed bytes that last until `ei_arena_give_back`; NULL when there is no room. */
void *ei_arena_borrow(ei_arena *arena, uint32_t bytes);

/** Take back everything borrowed. */
void ei_arena_give_back(ei_arena *arena);

#endif
