#include "edge_infer/bundle.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/zip.h"

static bool same_port(const einf_port *a, const einf_port *b) {
    return a->bytes == b->bytes && a->rank == b->rank &&
           memcmp(a->dims, b->dims, sizeof a->dims) == 0 && a->zero_point == b->zero_point &&
           memcmp(&a->scale, &b->scale, sizeof a->scale) == 0;
}

/* Features stay where the stage before left them; this is where. */
static einf_status place_features(const einf_stage *before, const einf_graph *graph,
                                  uint32_t placed[EINF_MAX_FEATURES]) {
    for (uint32_t i = 0; i < before->feature_count; i++) {
        if (before->features[i] >= graph->output_count) {
            return EINF_CORRUPT;
        }
        placed[i] = graph->outputs[before->features[i]].offset;
        for (uint32_t j = 0; j < i; j++) {
            if (placed[j] == placed[i]) { /* a stage may overwrite its inputs */
                return EINF_UNSUPPORTED;
            }
        }
    }
    return EINF_OK;
}

static einf_status check_chain(const einf_stage *before, const einf_graph *from,
                               const einf_graph *to) {
    if (to->input_count != before->feature_count) {
        return EINF_SHAPE;
    }
    for (uint32_t i = 0; i < to->input_count; i++) {
        if (!same_port(&from->outputs[before->features[i]], &to->inputs[i])) {
            return EINF_SHAPE;
        }
    }
    return EINF_OK;
}

static uint32_t channels_of(const einf_stage *s, const einf_port *in) {
    return (uint32_t)in->dims[s->layout_nchw ? 1 : in->rank - 1];
}

static einf_status check_ports(const einf_bundle *b, uint32_t index) {
    const einf_stage *s = &b->decisions.stages[index];
    const einf_graph *g = &b->stages[index];
    if (s->scores_output >= g->output_count || g->outputs[s->scores_output].bytes != s->classes) {
        return EINF_SHAPE;
    }
    if (!s->reads_frame) {
        return check_chain(s - 1, g - 1, g);
    }
    if (g->input_count != 1 || g->inputs[0].bytes != b->stages[0].inputs[0].bytes) {
        return EINF_SHAPE;
    }
    const einf_port *in = &g->inputs[0];
    if (in->rank < 1 || (s->layout_nchw && in->rank != 4)) {
        return EINF_SHAPE;
    }
    return s->lookup_tables <= 1 || s->lookup_tables == channels_of(s, in) ? EINF_OK : EINF_SHAPE;
}

static einf_status open_stage(einf_bundle *b, uint32_t index, einf_arena *arena) {
    const einf_stage *s = &b->decisions.stages[index];
    uint32_t placed[EINF_MAX_FEATURES];
    einf_zip_entry model;
    einf_status status =
        einf_zip_find(&model, b->image.payload, b->image.payload_bytes, s->file, s->file_bytes);
    if (status == EINF_OK && !s->reads_frame) {
        status = place_features(s - 1, &b->stages[index - 1], placed);
    }
    status = status ? status
                    : einf_graph_open(&b->stages[index], model.data, model.bytes, arena,
                                      s->reads_frame ? NULL : placed, b->ratio);
    return status ? status : check_ports(b, index);
}

static einf_status open_stages(einf_bundle *b, einf_arena *arena) {
    for (uint32_t i = 0; i < b->decisions.stage_count; i++) {
        const einf_status status = open_stage(b, i, arena);
        if (status != EINF_OK) {
            return status;
        }
        const uint32_t bytes = b->stages[i].activation_bytes;
        b->activation_bytes = bytes > b->activation_bytes ? bytes : b->activation_bytes;
    }
    b->activations = arena->base + arena->kept;
    return b->activation_bytes <= arena->size - arena->kept ? EINF_OK : EINF_ARENA;
}

/* A table that a bundle may lack; one of a kind that is not known here counts as lacking. */
static einf_status optional(einf_status status) {
    return status == EINF_NO_ENTRY || status == EINF_UNSUPPORTED ? EINF_OK : status;
}

static einf_status open_governing(einf_bundle *b) {
    const uint8_t *payload = b->image.payload;
    const uint32_t bytes = b->image.payload_bytes;
    einf_zip_entry table;
    einf_status status =
        einf_zip_find(&table, payload, bytes, EINF_PREDICTOR_FILE, sizeof EINF_PREDICTOR_FILE - 1);
    status =
        optional(status ? status : einf_predictor_open(&b->predictor, table.data, table.bytes));
    if (status != EINF_OK) {
        return status;
    }
    status = einf_zip_find(&table, payload, bytes, EINF_CLOCK_PLAN_FILE,
                           sizeof EINF_CLOCK_PLAN_FILE - 1);
    return optional(status ? status : einf_clock_plan_open(&b->plan, table.data, table.bytes));
}

einf_status einf_bundle_open(einf_bundle *b, const uint8_t *file, uint32_t size, einf_arena *arena,
                             uint32_t ratio) {
    einf_zip_entry table;
    memset(b, 0, sizeof *b);
    b->ratio = ratio;
    einf_status status = einf_image_open(&b->image, file, size);
    status = status ? status
                    : einf_zip_find(&table, b->image.payload, b->image.payload_bytes,
                                    EINF_DECISIONS_FILE, sizeof EINF_DECISIONS_FILE - 1);
    status = status ? status : einf_decisions_open(&b->decisions, table.data, table.bytes, ratio);
    if (status == EINF_OK && ratio == EINF_FULL_WIDTH) {
        status = open_governing(b);
    }
    return status ? status : open_stages(b, arena);
}

uint32_t einf_bundle_frame_bytes(const einf_bundle *b) {
    return b->stages[0].inputs[0].bytes;
}

/* Channels last to the tensor's layout, through the table of each channel. */
static void look_up(const einf_stage *s, const einf_port *in, const uint8_t *frame,
                    int8_t *tensor) {
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

static einf_exit judge(const einf_bundle *b, uint32_t index) {
    const einf_decisions *d = &b->decisions;
    const int8_t *scores = einf_bundle_scores(b, index);
    uint32_t top = 0;
    for (uint32_t i = 1; i < d->label_count; i++) {
        top = scores[i] > scores[top] ? i : top;
    }
    int32_t second = INT8_MIN;
    for (uint32_t i = 0; i < d->label_count; i++) {
        second = i != top && scores[i] > second ? scores[i] : second;
    }
    const int32_t confidence =
        d->criterion == EINF_SCORE_MARGIN ? scores[top] - second : scores[top];
    bool leave = index + 1 == d->stage_count;
    if (!leave) {
        const uint32_t bits = einf_u32(d->thresholds + 4 * (index * d->label_count + top));
        int32_t threshold;
        memcpy(&threshold, &bits, sizeof threshold);
        leave = confidence >= threshold;
    }
    return (einf_exit){leave, (uint16_t)top, confidence};
}

einf_exit einf_bundle_run_stage(const einf_bundle *b, uint32_t index, const uint8_t *frame,
                                bool quantised) {
    const einf_stage *s = &b->decisions.stages[index];
    const einf_graph *g = &b->stages[index];
    if (s->reads_frame) {
        uint8_t *tensor = b->activations + g->inputs[0].offset;
        if (quantised || s->lookup == NULL) {
            memcpy(tensor, frame, g->inputs[0].bytes);
        } else {
            look_up(s, &g->inputs[0], frame, (int8_t *)tensor);
        }
    }
    einf_graph_invoke(g, b->activations);
    return judge(b, index);
}

const int8_t *einf_bundle_scores(const einf_bundle *b, uint32_t index) {
    const einf_port *scores = einf_bundle_scores_port(b, index);
    const int8_t *first = (const int8_t *)b->activations + scores->offset;
    return first + b->decisions.stages[index].label_offset;
}

const einf_port *einf_bundle_scores_port(const einf_bundle *b, uint32_t index) {
    return &b->stages[index].outputs[b->decisions.stages[index].scores_output];
}
