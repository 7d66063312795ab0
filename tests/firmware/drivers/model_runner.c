/*
 * Runs models. A request: bytes of the model, pruning ratio in millionths, the model, number of
 * runs, then for each run all inputs one after the other. An answer: status, kept bytes, activation
 * bytes, output bytes of a run, ticks that opening took, then for each run its ticks and all
 * outputs. Numbers are little-endian uint32. UINT32_MAX runs are one on zeros whose outputs are not
 * sent.
 */
#include <string.h>

#include "driver_io.h"
#include "edge_infer/graph.h"

#ifndef MODEL_BYTES
#define MODEL_BYTES (4U << 20)
#define ARENA_BYTES (8U << 20)
#endif

static uint8_t model[MODEL_BYTES] IN_FLASH;
static uint8_t memory[ARENA_BYTES] __attribute__((aligned(16)));

static void run(const einf_graph *g, uint8_t *activations) {
    for (uint32_t i = 0; i < g->input_count; i++) {
        (void)read_exact(activations + g->inputs[i].offset, g->inputs[i].bytes);
    }
    const uint32_t before = ticks();
    einf_graph_invoke(g, activations);
    const uint32_t took = ticks() - before;
    write_exact(&took, sizeof took);
    for (uint32_t i = 0; i < g->output_count; i++) {
        write_exact(activations + g->outputs[i].offset, g->outputs[i].bytes);
    }
}

static void answer(uint32_t bytes, uint32_t ratio) {
    einf_arena arena = einf_arena_over(memory, sizeof memory);
    einf_graph graph;
    uint32_t runs = 0;
    const uint32_t before = ticks();
    const einf_status status = einf_graph_open(&graph, model, bytes, &arena, NULL, ratio);
    uint32_t head[5] = {(uint32_t)status, arena.kept, graph.activation_bytes, 0, ticks() - before};
    for (uint32_t i = 0; i < graph.output_count; i++) {
        head[3] += graph.outputs[i].bytes;
    }
    (void)read_exact(&runs, sizeof runs);
    write_exact(head, sizeof head);
    if (status == EINF_OK && runs == UINT32_MAX) {
        memset(memory + arena.kept, 0, graph.activation_bytes);
        einf_graph_invoke(&graph, memory + arena.kept);
        return;
    }
    for (uint32_t i = 0; status == EINF_OK && i < runs; i++) {
        run(&graph, memory + arena.kept);
    }
}

int main(void) {
    uint32_t head[2];
    while (read_exact(head, sizeof head)) {
        if (head[0] > sizeof model || !read_exact(model, head[0])) {
            finish(2);
        }
        answer(head[0], head[1]);
    }
    finish(0);
    return 0;
}
