#include "edge_infer/bundle.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/zip.h"

static bool same_port(const ei_port *a, const ei_port *b) {
    return a->bytes == b->bytes && a->rank == b->rank &&
           memcmp(a->dims, b->dims, sizeof a->dims) == 0 && a->zero_point == b->zero_point &&
           memcmp(&a->scale, &b->scale, sizeof a->scale) == 0;
}

/* Features stay where the stage before left them; this is where. */
static ei_status place_features(const ei_stage *before, const ei_graph *graph,
                                uint32_t placed[EI_MAX_FEATURES]) {
    for (uint32_t i = 0; i < before->feature_count; i++) {
        if (before->features[i] >= graph->output_count) {
            return EI_CORRUPT;
        }
        placed[i] = graph->outputs[before->features[i]].offset;
        for (uint32_t j = 0; j < i; j++) {
            if (placed[j] == placed[i]) { /* a stage may overwrite its inputs */
                return EI_UNSUPPORTED;
            }
        }
    }
    return EI_OK;
}

static ei_status check_chain(const ei_stage *before, const ei_graph *from, const ei_graph *to) {
    if (to->input_count != before->feature_count) {
        return EI_SHAPE;
    }
    for (uint32_t i = 0; i < to->input_count; i++) {
        if (!same_port(&from->outputs[before->features[i]], &to->inputs[i])) {
            return EI_SHAPE;
        }
    }
    return EI_OK;
}

static uint32_t channels_of(const ei_stage *s, const ei_port *in) {
    return (uint32_t)in->dims[s->layout_nchw ? 1 : in->rank - 1];
}

static ei_status check_ports(const ei_bundle *b, uint32_t index) {
    const ei_stage *s = &b->decisions.stages[index];
    const ei_graph *g = &b->stages[index];
    if (s->scores_output >= g->output_count || g->outputs[s->scores_output].bytes != s->classes) {
        return EI_SHAPE;
    }
    if (!s->reads_frame) {
        return check_chain(s - 1, g - 1, g);
    }
    if (g->input_count != 1 || g->inputs[0].bytes != b->stages[0].inputs[0].bytes) {
        return EI_SHAPE;
    }
    const ei_port *in = &g->inputs[0];
    if (in->rank < 1 || (s->layout_nchw && in->rank != 4)) {
        return EI_SHAPE;
    }
    return s->lookup_tables <= 1 || s->lookup_tables == channels_of(s, in) ? EI_OK : EI_SHAPE;
}

static ei_status open_stage(ei_bundle *b, uint32_t index, ei_arena *arena) {
    const ei_stage *s = &b->decisions.stages[index];
    uint32_t placed[EI_MAX_FEATURES];
    ei_zip_entry model;
    ei_status status =
        ei_zip_find(&model, b->image.payload, b->image.payload_bytes, s->file, s->file_bytes);
    if (status == EI_OK && !s->reads_frame) {
        status = place_features(s - 1, &b->stages[index - 1], placed);
    }
    status = status ? status
                    : ei_graph_open(&b->stages[index], model.data, model.bytes, arena,
                                    s->reads_frame ? NULL : placed, b->ratio);
    return status ? status : check_ports(b, index);
}

static ei_status open_stages(ei_bundle *b, ei_arena *arena) {
    for (uint32_t i = 0; i < b->decisions.stage_count; i++) {
        const ei_status status = open_stage(b, i, arena);
        if (status != EI_OK) {
            return status;
        }
        const uint32_t bytes = b->stages[i].activation_bytes;
        b->activation_bytes = bytes > b->activation_bytes ? bytes : b->activation_bytes;
    }
    b->activations = arena->base + arena->kept;
    return b->activation_bytes <= arena->size - arena->kept ? EI_OK : EI_ARENA;
}

/* A table that a bundle may lack; one of a kind that is not known here counts as lacking. */
static ei_status optional(ei_status status) {
    return status == EI_NO_ENTRY || status == EI_UNSUPPORTED ? EI_OK : status;
}

static ei_status open_governing(ei_bundle *b) {
    const uint8_t *payload = b->image.payload;
    const uint32_t bytes = b->image.payload_bytes;
    ei_zip_entry table;
    ei_status status =
        ei_zip_find(&table, payload, bytes, EI_PREDICTOR_FILE, sizeof EI_PREDICTOR_FILE - 1);
    status = optional(status ? status : ei_predictor_open(&b->predictor, table.data, table.bytes));
    if (status != EI_OK) {
        return status;
    }
    status = ei_zip_find(&table, payload, bytes, EI_CLOCK_PLAN_FILE, sizeof EI_CLOCK_PLAN_FILE - 1);
    return optional(status ? status : ei_clock_plan_open(&b->plan, table.data, table.bytes));
}

ei_status ei_bundle_open(ei_bundle *b, const uint8_t *file, uint32_t size, ei_arena *arena,
                         uint32_t ratio) {
    ei_zip_entry table;
    memset(b, 0, sizeof *b);
    b->ratio = ratio;
    ei_status status = ei_image_open(&b->image, file, size);
    status = status ? status
                    : ei_zip_find(&table, b->image.payload, b->image.payload_bytes,
                                  EI_DECISIONS_FILE, sizeof EI_DECISIONS_FILE - 1);
    status = status ? status : ei_decisions_open(&b->decisions, table.data, table.bytes, ratio);
    if (status == EI_OK && ratio == EI_FULL_WIDTH) {
        status = open_governing(b);
    }
    return status ? status : open_stages(b, arena);
}

uint32_t ei_bundle_frame_bytes(const ei_bundle *b) {
    return b->stages[0].inputs[0].bytes;
}

/* Channels last to the tensor's layout, through the table of each channel. */
static void look_up(const ei_stage *s, const ei_port *in, const uint8_t *frame, int8_t *tensor) {
    const uint32_t channels = channels_of(s, in);
    const uint32_t pixels = in->bytes / channels;
    const uint32_t step = s->lookup_tables > 1 ? 256 : 0;
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        for (uint32_t channel = 0; channel < channels; channel++) {
            const uint32_t to =
                s->layout_nchw ? channel * pixels + pixel : pixel * channels + channel;
            tensor[to] = s->lookup[channel * step + frame[pixel * channels + channel]];
        }
    }
}

static ei_exit judge(const ei_bundle *b, uint32_t index) {
    const ei_decisions *d = &b->decisions;
    const int8_t *scores = ei_bundle_scores(b, index);
    uint32_t top = 0;
    for (uint32_t i = 1; i < d->label_count; i++) {
        top = scores[i] > scores[top] ? i : top;
    }
    int32_t second = INT8_MIN;
    for (uint32_t i = 0; i < d->label_count; i++) {
        second = i != top && scores[i] > second ? scores[i] : second;
    }
    const int32_t confidence = d->criterion == EI_SCORE_MARGIN ? scores[top] - second : scores[top];
    bool leave = index + 1 == d->stage_count;
    if (!leave) {
        const uint32_t bits = ei_u32(d->thresholds + 4 * (index * d->label_count + top));
        int32_t threshold;
        memcpy(&threshold, &bits, sizeof threshold);
        leave = confidence >= threshold;
    }
    return (ei_exit){leave, (uint16_t)top, confidence};
}

ei_exit ei_bundle_run_stage(const ei_bundle *b, uint32_t index, const uint8_t *frame,
                            bool quantised) {
    const ei_stage *s = &b->decisions.stages[index];
    const ei_graph *g = &b->stages[index];
    if (s->reads_frame) {
        uint8_t *tensor = b->activations + g->inputs[0].offset;
        if (quantised || s->lookup == NULL) {
            memcpy(tensor, frame, g->inputs[0].bytes);
        } else {
            look_up(s, &g->inputs[0], frame, (int8_t *)tensor);
        }
    }
    ei_graph_invoke(g, b->activations);
    return judge(b, index);
}

const int8_t *ei_bundle_scores(const ei_bundle *b, uint32_t index) {
    const ei_port *scores = ei_bundle_scores_port(b, index);
    const int8_t *first = (const int8_t *)b->activations + scores->offset;
    return first + b->decisions.stages[index].label_offset;
}

const ei_port *ei_bundle_scores_port(const ei_bundle *b, uint32_t index) {
    return &b->stages[index].outputs[b->decisions.stages[index].scores_output];
}
