/**
 * @file
 * The one block of memory that everything lives in; there is no heap.
 *
 * What lasts (operators, rescaling factors) is kept from the front on, what is needed only while
 * a model is opened is borrowed from the back. The activations lie between: they begin where the
 * kept part ends.
 */
#ifndef EINF_ARENA_H
#define EINF_ARENA_H

#include <stdint.h>

/** Alignment of everything in the arena, in bytes. */
#define EINF_ALIGNMENT 8U

/** `bytes` rounded up to the alignment. */
static inline uint32_t einf_aligned(uint32_t bytes) {
    return (bytes + EINF_ALIGNMENT - 1) & ~(EINF_ALIGNMENT - 1);
}

/** A block of memory with a used part at either end. */
typedef struct {
    uint8_t *base;
    uint32_t size;
    uint32_t kept;     /**< Bytes at the front. */
    uint32_t borrowed; /**< Bytes at the back. */
} einf_arena;

/** An arena over `size` bytes at `memory`, which is 8-byte aligned. */
einf_arena einf_arena_over(void *memory, uint32_t size);

/** Zeroed bytes that last as long as the arena; NULL when there is no room. */
void *einf_arena_keep(einf_arena *arena, uint32_t bytes);

/** Zeroed bytes that last until `einf_arena_give_back`; NULL when there is no room. */
void *einf_arena_borrow(einf_arena *arena, uint32_t bytes);

/** Take back everything borrowed. */
void einf_arena_give_back(einf_arena *arena);

#endif
