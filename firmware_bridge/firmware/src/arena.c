#include "edge_infer/arena.h"

#include <stddef.h>
#include <string.h>

ei_arena ei_arena_over(void *memory, uint32_t size) {
    return (ei_arena){memory, size & ~(EI_ALIGNMENT - 1), 0, 0};
}

static uint32_t room(const ei_arena *arena) {
    return arena->size - arena->kept - arena->borrowed;
}

void *ei_arena_keep(ei_arena *arena, uint32_t bytes) {
    if (bytes > room(arena) || ei_aligned(bytes) > room(arena)) {
        return NULL;
    }
    uint8_t *memory = arena->base + arena->kept;
    arena->kept += ei_aligned(bytes);
    memset(memory, 0, bytes);
    return memory;
}

void *ei_arena_borrow(ei_arena *arena, uint32_t bytes) {
    if (bytes > room(arena) || ei_aligned(bytes) > room(arena)) {
        return NULL;
    }
    arena->borrowed += ei_aligned(bytes);
    uint8_t *memory = arena->base + arena->size - arena->borrowed;
    memset(memory, 0, bytes);
    return memory;
}

void ei_arena_give_back(ei_arena *arena) {
    arena->borrowed = 0;
}
