#include "edge_infer/graph.h"

#include <string.h>

#include "models_tflite/memory_plan.h"
#include "models_tflite/prepare.h"
#include "models_tflite/prunable/prunable.h"

/* What is needed while a graph is opened. */
typedef struct {
    einf_model model;
    einf_memory_plan plan;
    const einf_pruning *pruning; /* NULL at the full width */
    einf_node *nodes;
    einf_arena *arena;
} opening;

static bool may_overwrite(const einf_node *node) {
    return node->kind == EINF_NODE_COPY || node->kind == EINF_NODE_SOFTMAX ||
           node->kind == EINF_NODE_RELU || node->kind == EINF_NODE_ADD;
}

/* The output takes over a first or second operand that is not needed any more. */
static void share_memory(opening *o, const einf_node *node, const einf_operands *t,
                         uint32_t index) {
    einf_tensor *out = einf_model_operand(&o->model, &t->op->outputs, 0);
    for (uint32_t i = 0; i < (node->kind == EINF_NODE_ADD ? 2U : 1U); i++) {
        if (einf_memory_plan_in_place(&o->plan, einf_model_operand(&o->model, &t->op->inputs, i),
                                      out, index)) {
            return;
        }
    }
}

static einf_status open_node(opening *o, uint32_t index) {
    const einf_operation op = einf_model_operation(&o->model, index);
    einf_pruned_layer layer;
    einf_operands t = {
        &op,
        einf_model_operand(&o->model, &op.inputs, 0),
        einf_model_operand(&o->model, &op.inputs, 1),
        einf_model_operand(&o->model, &op.inputs, 2),
        einf_model_operand(&o->model, &op.outputs, 0),
        NULL,
    };
    if (o->pruning != NULL && einf_pruned_layer_of(&layer, o->pruning, t.right)) {
        t.layer = &layer;
    }
    if (o->model.file.bad) {
        return EINF_CORRUPT;
    }
    if (!einf_is_activation(t.in) || !einf_is_activation(t.out)) {
        return EINF_UNSUPPORTED;
    }
    einf_node *node = &o->nodes[index];
    const einf_status status = einf_prepare(node, &t, o->arena);
    if (status != EINF_OK) {
        return status;
    }
    node->bytes = (uint32_t)t.out->elements;
    if (may_overwrite(node)) {
        share_memory(o, node, &t, index);
    }
    if (node->scratch_bytes) {
        node->scratch = (uint32_t)einf_memory_plan_scratch(&o->plan, node->scratch_bytes, index);
    }
    return EINF_OK;
}

static einf_status open_nodes(opening *o) {
    for (uint32_t i = 0; i < o->model.operators.length; i++) {
        const einf_status status = open_node(o, i);
        if (status != EINF_OK) {
            return status;
        }
    }
    return o->model.file.bad ? EINF_CORRUPT : EINF_OK;
}

static einf_status place_inputs(opening *o, const uint32_t *placed) {
    for (uint32_t i = 0; placed != NULL && i < o->model.inputs.length; i++) {
        einf_memory_block *b =
            &o->plan.blocks[einf_model_operand(&o->model, &o->model.inputs, i)->block];
        if (placed[i] % EINF_ALIGNMENT != 0) {
            return EINF_SHAPE;
        }
        b->offset = placed[i];
        b->placed = true;
    }
    return EINF_OK;
}

static uint32_t offset_of(const opening *o, const einf_tensor *t) {
    return t == NULL || t->data != NULL ? 0 : o->plan.blocks[t->block].offset;
}

/* Write down where everything lies, now that it is placed. */
static void locate(opening *o) {
    for (uint32_t i = 0; i < o->model.operators.length; i++) {
        const einf_operation op = einf_model_operation(&o->model, i);
        einf_node *node = &o->nodes[i];
        node->in[0] = offset_of(o, einf_model_operand(&o->model, &op.inputs, 0));
        node->in[1] = offset_of(o, einf_model_operand(&o->model, &op.inputs, 1));
        node->out = offset_of(o, einf_model_operand(&o->model, &op.outputs, 0));
        if (node->scratch_bytes) {
            node->scratch = o->plan.blocks[node->scratch].offset;
        }
    }
}

static uint32_t describe(opening *o, const einf_fb_vector *numbers,
                         einf_port ports[EINF_MAX_PORTS]) {
    for (uint32_t i = 0; i < numbers->length; i++) {
        const einf_tensor *t = einf_model_operand(&o->model, numbers, i);
        ports[i] = (einf_port){
            .offset = offset_of(o, t),
            .bytes = (uint32_t)t->elements,
            .rank = t->rank,
            .scale = t->scale,
            .zero_point = t->zero_point,
        };
        memcpy(ports[i].dims, t->dims, sizeof t->dims);
    }
    return numbers->length;
}

static einf_status open_with(opening *o, einf_graph *graph, const uint32_t *placed) {
    const uint32_t count = o->model.operators.length;
    if (o->model.inputs.length > EINF_MAX_PORTS || o->model.outputs.length > EINF_MAX_PORTS) {
        return EINF_TOO_MANY;
    }
    o->nodes = einf_arena_keep(o->arena, count * (uint32_t)sizeof *o->nodes);
    if (o->nodes == NULL) {
        return EINF_ARENA;
    }
    einf_status status = einf_memory_plan_lifetimes(&o->plan, &o->model, o->arena);
    status = status ? status : open_nodes(o);
    status = status ? status : place_inputs(o, placed);
    if (status != EINF_OK) {
        return status;
    }
    graph->activation_bytes = einf_memory_plan_place(&o->plan);
    locate(o);
    graph->nodes = o->nodes;
    graph->node_count = count;
    graph->input_count = describe(o, &o->model.inputs, graph->inputs);
    graph->output_count = describe(o, &o->model.outputs, graph->outputs);
    return EINF_OK;
}

einf_status einf_graph_open(einf_graph *graph, const uint8_t *data, uint32_t size,
                            einf_arena *arena, const uint32_t *placed, uint32_t ratio) {
    opening o = {.arena = arena};
    einf_pruning chosen;
    memset(graph, 0, sizeof *graph);
    einf_status status = einf_model_open(&o.model, data, size, arena);
    if (status == EINF_OK && ratio != EINF_FULL_WIDTH) {
        status = einf_pruning_open(&chosen, &o.model, ratio, arena);
        o.pruning = &chosen;
    }
    status = status ? status : open_with(&o, graph, placed);
    einf_arena_give_back(arena);
    return status                                                ? status
           : graph->activation_bytes > arena->size - arena->kept ? EINF_ARENA
                                                                 : EINF_OK;
}

static void run(const einf_node *n, uint8_t *memory) {
    const int8_t *in = (const int8_t *)memory + n->in[0];
    int8_t *out = (int8_t *)memory + n->out;
    switch (n->kind) {
    case EINF_NODE_CONV:
        einf_conv2d(&n->as.conv, in, out, memory + n->scratch);
        return;
    case EINF_NODE_CONV_PRUNED:
        einf_conv2d_pruned(&n->as.conv, in, out, memory + n->scratch);
        return;
    case EINF_NODE_DEPTHWISE:
        einf_depthwise(&n->as.conv, in, out);
        return;
    case EINF_NODE_DEPTHWISE_PRUNED:
        einf_depthwise_pruned(&n->as.conv, in, out);
        return;
    case EINF_NODE_DENSE:
        einf_fully_connected(&n->as.dense, in, out, memory + n->scratch);
        return;
    case EINF_NODE_DENSE_PRUNED:
        einf_fully_connected_pruned(&n->as.dense, in, out);
        return;
    case EINF_NODE_AVERAGE_POOL:
        einf_average_pool(&n->as.pool, in, out);
        return;
    case EINF_NODE_MAX_POOL:
        einf_max_pool(&n->as.pool, in, out);
        return;
    case EINF_NODE_MEAN:
        einf_mean_of(&n->as.mean, in, out);
        return;
    case EINF_NODE_ADD:
        einf_add_of(&n->as.add, in, (const int8_t *)memory + n->in[1], out);
        return;
    case EINF_NODE_PAD:
        einf_pad_of(&n->as.pad, in, out);
        return;
    case EINF_NODE_COPY:
        memmove(out, in, n->bytes);
        return;
    case EINF_NODE_SOFTMAX:
        einf_softmax_of(&n->as.softmax, in, out);
        return;
    case EINF_NODE_RELU:
        einf_relu_of(&n->as.relu, in, out);
        return;
    }
}

void einf_graph_invoke(const einf_graph *graph, uint8_t *activations) {
    for (uint32_t i = 0; i < graph->node_count; i++) {
        run(&graph->nodes[i], activations);
    }
}
