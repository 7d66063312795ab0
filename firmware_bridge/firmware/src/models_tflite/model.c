#include "models_tflite/model.h"

#include <string.h>

/* Field numbers of the schema's tables. */
enum {
    EINF_MODEL_CODES = 1,
    EINF_MODEL_SUBGRAPHS = 2,
    EINF_MODEL_BUFFERS = 4,
    EINF_MODEL_METADATA = 6
};
enum { EINF_OPCODE_DEPRECATED = 0, EINF_OPCODE_BUILTIN = 3 };
enum {
    EINF_GRAPH_TENSORS = 0,
    EINF_GRAPH_INPUTS = 1,
    EINF_GRAPH_OUTPUTS = 2,
    EINF_GRAPH_OPERATORS = 3
};
enum {
    EINF_TENSOR_SHAPE = 0,
    EINF_TENSOR_TYPE = 1,
    EINF_TENSOR_BUFFER = 2,
    EINF_TENSOR_QUANTIZATION = 4
};
enum { EINF_TENSOR_VARIABLE = 5 };
enum {
    EINF_QUANTIZATION_SCALE = 2,
    EINF_QUANTIZATION_ZERO_POINT = 3,
    EINF_QUANTIZATION_DIMENSION = 6
};
enum { EINF_BUFFER_DATA = 0 };
enum {
    EINF_OPERATOR_CODE = 0,
    EINF_OPERATOR_INPUTS = 1,
    EINF_OPERATOR_OUTPUTS = 2,
    EINF_OPERATOR_OPTIONS = 4
};

static einf_status read_shape(einf_tensor *t, const einf_fb_table *table) {
    const einf_fb_vector shape = einf_fb_vector_field(table, EINF_TENSOR_SHAPE, 4);
    if (shape.length > EINF_MAX_DIMS) {
        return EINF_UNSUPPORTED;
    }
    t->rank = (int32_t)shape.length;
    t->elements = 1;
    for (uint32_t i = 0; i < shape.length; i++) {
        const int32_t extent = einf_fb_int32_at(&shape, i);
        if (extent < 1 || extent > EINF_MAX_EXTENT || t->elements > EINF_MAX_ELEMENTS / extent) {
            return EINF_SHAPE;
        }
        t->dims[i] = t->stored[i] = extent;
        t->elements *= extent;
    }
    t->pieces = 1;
    return EINF_OK;
}

static einf_status read_quantization(einf_tensor *t, const einf_fb_table *table) {
    const einf_fb_table quantization = einf_fb_table_field(table, EINF_TENSOR_QUANTIZATION);
    t->scales = einf_fb_vector_field(&quantization, EINF_QUANTIZATION_SCALE, 4);
    const einf_fb_vector zero_points =
        einf_fb_vector_field(&quantization, EINF_QUANTIZATION_ZERO_POINT, 8);
    for (uint32_t i = 0; i < t->scales.length; i++) {
        const float scale = einf_fb_float_at(&t->scales, i);
        if (!(scale > 0.0F && scale < 1e30F)) {
            return EINF_UNSUPPORTED;
        }
    }
    for (uint32_t i = 1; i < zero_points.length; i++) {
        if (einf_fb_int64_at(&zero_points, i) != 0) {
            return EINF_UNSUPPORTED;
        }
    }
    t->scale = t->scales.length ? einf_fb_float_at(&t->scales, 0) : 0.0F;
    t->zero_point = zero_points.length ? einf_fb_int64_at(&zero_points, 0) : 0;
    t->channel_dim = einf_fb_int32(&quantization, EINF_QUANTIZATION_DIMENSION, 0);
    return t->zero_point < INT8_MIN || t->zero_point > INT8_MAX ? EINF_UNSUPPORTED : EINF_OK;
}

static einf_status read_data(einf_tensor *t, const einf_fb_table *table,
                             const einf_fb_vector *buffers) {
    const int32_t index = einf_fb_int32(table, EINF_TENSOR_BUFFER, 0);
    if (index < 0 || (uint32_t)index >= buffers->length) {
        return EINF_CORRUPT;
    }
    const einf_fb_table buffer = einf_fb_table_at(buffers, (uint32_t)index);
    const einf_fb_vector data = einf_fb_vector_field(&buffer, EINF_BUFFER_DATA, 1);
    if (data.length == 0) {
        return EINF_OK;
    }
    const uint32_t element_bytes = t->type == EINF_TYPE_INT32 ? 4 : 1;
    if (t->type != EINF_TYPE_INT32 && t->type != EINF_TYPE_INT8) {
        return EINF_UNSUPPORTED;
    }
    t->data = table->file->data + data.at;
    return data.length == (uint32_t)t->elements * element_bytes ? EINF_OK : EINF_CORRUPT;
}

static einf_status read_tensor(einf_tensor *t, const einf_fb_table *table,
                               const einf_fb_vector *buffers) {
    t->type = einf_fb_int8(table, EINF_TENSOR_TYPE, 0);
    einf_status status = read_shape(t, table);
    status = status ? status : read_quantization(t, table);
    status = status ? status : read_data(t, table, buffers);
    return status                                          ? status
           : einf_fb_uint8(table, EINF_TENSOR_VARIABLE, 0) ? EINF_UNSUPPORTED
                                                           : EINF_OK;
}

static einf_status read_tensors(einf_model *m, const einf_fb_vector *tables,
                                const einf_fb_vector *buffers, einf_arena *arena) {
    if (tables->length > EINF_MAX_TENSORS) {
        return EINF_TOO_MANY;
    }
    m->tensor_count = tables->length;
    m->tensors = einf_arena_borrow(arena, m->tensor_count * (uint32_t)sizeof *m->tensors);
    if (m->tensors == NULL) {
        return EINF_ARENA;
    }
    for (uint32_t i = 0; i < m->tensor_count; i++) {
        const einf_fb_table table = einf_fb_table_at(tables, i);
        const einf_status status = read_tensor(&m->tensors[i], &table, buffers);
        if (status != EINF_OK || m->file.bad) {
            return m->file.bad ? EINF_CORRUPT : status;
        }
    }
    return EINF_OK;
}

einf_status einf_model_open(einf_model *m, const uint8_t *data, uint32_t size, einf_arena *arena) {
    memset(m, 0, sizeof *m);
    m->file = (einf_fb_file){data, size, false};
    const einf_fb_table root = einf_fb_root(&m->file, "TFL3");
    const einf_fb_vector subgraphs = einf_fb_vector_field(&root, EINF_MODEL_SUBGRAPHS, 4);
    m->buffers = einf_fb_vector_field(&root, EINF_MODEL_BUFFERS, 4);
    m->metadata = einf_fb_vector_field(&root, EINF_MODEL_METADATA, 4);
    m->codes = einf_fb_vector_field(&root, EINF_MODEL_CODES, 4);
    const einf_fb_table graph = einf_fb_table_at(&subgraphs, 0);
    const einf_fb_vector tensors = einf_fb_vector_field(&graph, EINF_GRAPH_TENSORS, 4);
    m->inputs = einf_fb_vector_field(&graph, EINF_GRAPH_INPUTS, 4);
    m->outputs = einf_fb_vector_field(&graph, EINF_GRAPH_OUTPUTS, 4);
    m->operators = einf_fb_vector_field(&graph, EINF_GRAPH_OPERATORS, 4);
    if (m->file.bad) {
        return EINF_CORRUPT;
    }
    if (m->operators.length > EINF_MAX_NODES) {
        return EINF_TOO_MANY;
    }
    return read_tensors(m, &tensors, &m->buffers, arena);
}

static int32_t code_of(einf_model *m, int32_t index) {
    const einf_fb_table code = einf_fb_table_at(&m->codes, (uint32_t)index);
    /* Files from before builtin_code carry the code in the deprecated byte alone. */
    const int32_t old = einf_fb_int8(&code, EINF_OPCODE_DEPRECATED, 0);
    const int32_t now = einf_fb_int32(&code, EINF_OPCODE_BUILTIN, 0);
    return now > old ? now : old;
}

einf_operation einf_model_operation(einf_model *m, uint32_t index) {
    const einf_fb_table table = einf_fb_table_at(&m->operators, index);
    return (einf_operation){
        code_of(m, einf_fb_int32(&table, EINF_OPERATOR_CODE, 0)),
        einf_fb_vector_field(&table, EINF_OPERATOR_INPUTS, 4),
        einf_fb_vector_field(&table, EINF_OPERATOR_OUTPUTS, 4),
        einf_fb_table_field(&table, EINF_OPERATOR_OPTIONS),
    };
}

einf_tensor *einf_model_operand(einf_model *m, const einf_fb_vector *operands, uint32_t index) {
    if (index >= operands->length) {
        return NULL;
    }
    const int32_t number = einf_fb_int32_at(operands, index);
    return number < 0 || (uint32_t)number >= m->tensor_count ? NULL : &m->tensors[number];
}
