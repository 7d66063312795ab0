#include "edge_infer/arena.h"

#include <stddef.h>
#include <string.h>

einf_arena einf_arena_over(void *memory, uint32_t size) {
    return (einf_arena){memory, size & ~(EINF_ALIGNMENT - 1), 0, 0};
}

static uint32_t room(const einf_arena *arena) {
    return arena->size - arena->kept - arena->borrowed;
}

void *einf_arena_keep(einf_arena *arena, uint32_t bytes) {
    if (bytes > room(arena) || einf_aligned(bytes) > room(arena)) {
        return NULL;
    }
    uint8_t *memory = arena->base + arena->kept;
    arena->kept += einf_aligned(bytes);
    memset(memory, 0, bytes);
    return memory;
}

void *einf_arena_borrow(einf_arena *arena, uint32_t bytes) {
    if (bytes > room(arena) || einf_aligned(bytes) > room(arena)) {
        return NULL;
    }
    arena->borrowed += einf_aligned(bytes);
    uint8_t *memory = arena->base + arena->size - arena->borrowed;
    memset(memory, 0, bytes);
    return memory;
}

void einf_arena_give_back(einf_arena *arena) {
    arena->borrowed = 0;
}
