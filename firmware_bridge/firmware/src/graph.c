#include "edge_infer/graph.h"

#include <string.h>

#include "plan.h"
#include "prepare.h"

/* What is needed while a graph is opened. */
typedef struct {
    model model;
    plan plan;
    const pruning *pruning; /* NULL at the full width */
    ei_node *nodes;
    ei_arena *arena;
} opening;

static bool may_overwrite(const ei_node *node) {
    return node->kind == NODE_COPY || node->kind == NODE_SOFTMAX || node->kind == NODE_RELU ||
           node->kind == NODE_ADD;
}

/* The output takes over a first or second operand that is not needed any more. */
static void share_memory(opening *o, const ei_node *node, const operands *t, uint32_t index) {
    tensor *out = model_operand(&o->model, &t->op->outputs, 0);
    for (uint32_t i = 0; i < (node->kind == NODE_ADD ? 2U : 1U); i++) {
        if (plan_in_place(&o->plan, model_operand(&o->model, &t->op->inputs, i), out, index)) {
            return;
        }
    }
}

static ei_status open_node(opening *o, uint32_t index) {
    const operation op = model_operation(&o->model, index);
    pruned_layer layer;
    operands t = {
        &op,
        model_operand(&o->model, &op.inputs, 0),
        model_operand(&o->model, &op.inputs, 1),
        model_operand(&o->model, &op.inputs, 2),
        model_operand(&o->model, &op.outputs, 0),
        NULL,
    };
    if (o->pruning != NULL && pruned_layer_of(&layer, o->pruning, t.right)) {
        t.layer = &layer;
    }
    if (o->model.file.bad) {
        return EI_CORRUPT;
    }
    if (!is_activation(t.in) || !is_activation(t.out)) {
        return EI_UNSUPPORTED;
    }
    ei_node *node = &o->nodes[index];
    const ei_status status = prepare(node, &t, o->arena);
    if (status != EI_OK) {
        return status;
    }
    node->bytes = (uint32_t)t.out->elements;
    if (may_overwrite(node)) {
        share_memory(o, node, &t, index);
    }
    if (node->scratch_bytes) {
        node->scratch = (uint32_t)plan_scratch(&o->plan, node->scratch_bytes, index);
    }
    return EI_OK;
}

static ei_status open_nodes(opening *o) {
    for (uint32_t i = 0; i < o->model.operators.length; i++) {
        const ei_status status = open_node(o, i);
        if (status != EI_OK) {
            return status;
        }
    }
    return o->model.file.bad ? EI_CORRUPT : EI_OK;
}

static ei_status place_inputs(opening *o, const uint32_t *placed) {
    for (uint32_t i = 0; placed != NULL && i < o->model.inputs.length; i++) {
        block *b = &o->plan.blocks[model_operand(&o->model, &o->model.inputs, i)->block];
        if (placed[i] % EI_ALIGNMENT != 0) {
            return EI_SHAPE;
        }
        b->offset = placed[i];
        b->placed = true;
    }
    return EI_OK;
}

static uint32_t offset_of(const opening *o, const tensor *t) {
    return t == NULL || t->data != NULL ? 0 : o->plan.blocks[t->block].offset;
}

/* Write down where everything lies, now that it is placed. */
static void locate(opening *o) {
    for (uint32_t i = 0; i < o->model.operators.length; i++) {
        const operation op = model_operation(&o->model, i);
        ei_node *node = &o->nodes[i];
        node->in[0] = offset_of(o, model_operand(&o->model, &op.inputs, 0));
        node->in[1] = offset_of(o, model_operand(&o->model, &op.inputs, 1));
        node->out = offset_of(o, model_operand(&o->model, &op.outputs, 0));
        if (node->scratch_bytes) {
            node->scratch = o->plan.blocks[node->scratch].offset;
        }
    }
}

static uint32_t describe(opening *o, const fb_vector *numbers, ei_port ports[EI_MAX_PORTS]) {
    for (uint32_t i = 0; i < numbers->length; i++) {
        const tensor *t = model_operand(&o->model, numbers, i);
        ports[i] = (ei_port){
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

static ei_status open_with(opening *o, ei_graph *graph, const uint32_t *placed) {
    const uint32_t count = o->model.operators.length;
    if (o->model.inputs.length > EI_MAX_PORTS || o->model.outputs.length > EI_MAX_PORTS) {
        return EI_TOO_MANY;
    }
    o->nodes = ei_arena_keep(o->arena, count * (uint32_t)sizeof *o->nodes);
    if (o->nodes == NULL) {
        return EI_ARENA;
    }
    ei_status status = plan_lifetimes(&o->plan, &o->model, o->arena);
    status = status ? status : open_nodes(o);
    status = status ? status : place_inputs(o, placed);
    if (status != EI_OK) {
        return status;
    }
    graph->activation_bytes = plan_place(&o->plan);
    locate(o);
    graph->nodes = o->nodes;
    graph->node_count = count;
    graph->input_count = describe(o, &o->model.inputs, graph->inputs);
    graph->output_count = describe(o, &o->model.outputs, graph->outputs);
    return EI_OK;
}

ei_status ei_graph_open(ei_graph *graph, const uint8_t *data, uint32_t size, ei_arena *arena,
                        const uint32_t *placed, uint32_t ratio) {
    opening o = {.arena = arena};
    pruning chosen;
    memset(graph, 0, sizeof *graph);
    ei_status status = model_open(&o.model, data, size, arena);
    if (status == EI_OK && ratio != EI_FULL_WIDTH) {
        status = pruning_open(&chosen, &o.model, ratio, arena);
        o.pruning = &chosen;
    }
    status = status ? status : open_with(&o, graph, placed);
    ei_arena_give_back(arena);
    return status ? status : graph->activation_bytes > arena->size - arena->kept ? EI_ARENA : EI_OK;
}

static void run(const ei_node *n, uint8_t *memory) {
    const int8_t *in = (const int8_t *)memory + n->in[0];
    int8_t *out = (int8_t *)memory + n->out;
    switch (n->kind) {
    case NODE_CONV:
        ei_conv2d(&n->as.conv, in, out, memory + n->scratch);
        return;
    case NODE_CONV_PRUNED:
        ei_conv2d_pruned(&n->as.conv, in, out, memory + n->scratch);
        return;
    case NODE_DEPTHWISE:
        ei_depthwise(&n->as.conv, in, out);
        return;
    case NODE_DEPTHWISE_PRUNED:
        ei_depthwise_pruned(&n->as.conv, in, out);
        return;
    case NODE_DENSE:
        ei_fully_connected(&n->as.dense, in, out, memory + n->scratch);
        return;
    case NODE_DENSE_PRUNED:
        ei_fully_connected_pruned(&n->as.dense, in, out);
        return;
    case NODE_AVERAGE_POOL:
        ei_average_pool(&n->as.pool, in, out);
        return;
    case NODE_MAX_POOL:
        ei_max_pool(&n->as.pool, in, out);
        return;
    case NODE_MEAN:
        ei_mean_of(&n->as.mean, in, out);
        return;
    case NODE_ADD:
        ei_add_of(&n->as.add, in, (const int8_t *)memory + n->in[1], out);
        return;
    case NODE_PAD:
        ei_pad_of(&n->as.pad, in, out);
        return;
    case NODE_COPY:
        memmove(out, in, n->bytes);
        return;
    case NODE_SOFTMAX:
        ei_softmax_of(&n->as.softmax, in, out);
        return;
    case NODE_RELU:
        ei_relu_of(&n->as.relu, in, out);
        return;
    }
}

void ei_graph_invoke(const ei_graph *graph, uint8_t *activations) {
    for (uint32_t i = 0; i < graph->node_count; i++) {
        run(&graph->nodes[i], activations);
    }
}
