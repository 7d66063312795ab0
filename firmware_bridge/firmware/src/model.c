#include "model.h"

#include <string.h>

/* Field numbers of the schema's tables. */
enum { MODEL_CODES = 1, MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4, MODEL_METADATA = 6 };
enum { CODE_DEPRECATED = 0, CODE_BUILTIN = 3 };
enum { GRAPH_TENSORS = 0, GRAPH_INPUTS = 1, GRAPH_OUTPUTS = 2, GRAPH_OPERATORS = 3 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_BUFFER = 2, TENSOR_QUANTIZATION = 4 };
enum { TENSOR_VARIABLE = 5 };
enum { QUANTIZATION_SCALE = 2, QUANTIZATION_ZERO_POINT = 3, QUANTIZATION_DIMENSION = 6 };
enum { BUFFER_DATA = 0 };
enum { OPERATOR_CODE = 0, OPERATOR_INPUTS = 1, OPERATOR_OUTPUTS = 2, OPERATOR_OPTIONS = 4 };

static ei_status read_shape(tensor *t, const fb_table *table) {
    const fb_vector shape = fb_vector_field(table, TENSOR_SHAPE, 4);
    if (shape.length > EI_MAX_DIMS) {
        return EI_UNSUPPORTED;
    }
    t->rank = (int32_t)shape.length;
    t->elements = 1;
    for (uint32_t i = 0; i < shape.length; i++) {
        const int32_t extent = fb_int32_at(&shape, i);
        if (extent < 1 || extent > MAX_EXTENT || t->elements > MAX_ELEMENTS / extent) {
            return EI_SHAPE;
        }
        t->dims[i] = t->stored[i] = extent;
        t->elements *= extent;
    }
    t->pieces = 1;
    return EI_OK;
}

static ei_status read_quantization(tensor *t, const fb_table *table) {
    const fb_table quantization = fb_table_field(table, TENSOR_QUANTIZATION);
    t->scales = fb_vector_field(&quantization, QUANTIZATION_SCALE, 4);
    const fb_vector zero_points = fb_vector_field(&quantization, QUANTIZATION_ZERO_POINT, 8);
    for (uint32_t i = 0; i < t->scales.length; i++) {
        const float scale = fb_float_at(&t->scales, i);
        if (!(scale > 0.0F && scale < 1e30F)) {
            return EI_UNSUPPORTED;
        }
    }
    for (uint32_t i = 1; i < zero_points.length; i++) {
        if (fb_int64_at(&zero_points, i) != 0) {
            return EI_UNSUPPORTED;
        }
    }
    t->scale = t->scales.length ? fb_float_at(&t->scales, 0) : 0.0F;
    t->zero_point = zero_points.length ? fb_int64_at(&zero_points, 0) : 0;
    t->channel_dim = fb_int32(&quantization, QUANTIZATION_DIMENSION, 0);
    return t->zero_point < INT8_MIN || t->zero_point > INT8_MAX ? EI_UNSUPPORTED : EI_OK;
}

static ei_status read_data(tensor *t, const fb_table *table, const fb_vector *buffers) {
    const int32_t index = fb_int32(table, TENSOR_BUFFER, 0);
    if (index < 0 || (uint32_t)index >= buffers->length) {
        return EI_CORRUPT;
    }
    const fb_table buffer = fb_table_at(buffers, (uint32_t)index);
    const fb_vector data = fb_vector_field(&buffer, BUFFER_DATA, 1);
    if (data.length == 0) {
        return EI_OK;
    }
    const uint32_t element_bytes = t->type == TYPE_INT32 ? 4 : 1;
    if (t->type != TYPE_INT32 && t->type != TYPE_INT8) {
        return EI_UNSUPPORTED;
    }
    t->data = table->file->data + data.at;
    return data.length == (uint32_t)t->elements * element_bytes ? EI_OK : EI_CORRUPT;
}

static ei_status read_tensor(tensor *t, const fb_table *table, const fb_vector *buffers) {
    t->type = fb_int8(table, TENSOR_TYPE, 0);
    ei_status status = read_shape(t, table);
    status = status ? status : read_quantization(t, table);
    status = status ? status : read_data(t, table, buffers);
    return status ? status : fb_uint8(table, TENSOR_VARIABLE, 0) ? EI_UNSUPPORTED : EI_OK;
}

static ei_status read_tensors(model *m, const fb_vector *tables, const fb_vector *buffers,
                              ei_arena *arena) {
    if (tables->length > MAX_TENSORS) {
        return EI_TOO_MANY;
    }
    m->tensor_count = tables->length;
    m->tensors = ei_arena_borrow(arena, m->tensor_count * (uint32_t)sizeof *m->tensors);
    if (m->tensors == NULL) {
        return EI_ARENA;
    }
    for (uint32_t i = 0; i < m->tensor_count; i++) {
        const fb_table table = fb_table_at(tables, i);
        const ei_status status = read_tensor(&m->tensors[i], &table, buffers);
        if (status != EI_OK || m->file.bad) {
            return m->file.bad ? EI_CORRUPT : status;
        }
    }
    return EI_OK;
}

ei_status model_open(model *m, const uint8_t *data, uint32_t size, ei_arena *arena) {
    memset(m, 0, sizeof *m);
    m->file = (fb_file){data, size, false};
    const fb_table root = fb_root(&m->file, "TFL3");
    const fb_vector subgraphs = fb_vector_field(&root, MODEL_SUBGRAPHS, 4);
    m->buffers = fb_vector_field(&root, MODEL_BUFFERS, 4);
    m->metadata = fb_vector_field(&root, MODEL_METADATA, 4);
    m->codes = fb_vector_field(&root, MODEL_CODES, 4);
    const fb_table graph = fb_table_at(&subgraphs, 0);
    const fb_vector tensors = fb_vector_field(&graph, GRAPH_TENSORS, 4);
    m->inputs = fb_vector_field(&graph, GRAPH_INPUTS, 4);
    m->outputs = fb_vector_field(&graph, GRAPH_OUTPUTS, 4);
    m->operators = fb_vector_field(&graph, GRAPH_OPERATORS, 4);
    if (m->file.bad) {
        return EI_CORRUPT;
    }
    if (m->operators.length > MAX_NODES) {
        return EI_TOO_MANY;
    }
    return read_tensors(m, &tensors, &m->buffers, arena);
}

static int32_t code_of(model *m, int32_t index) {
    const fb_table code = fb_table_at(&m->codes, (uint32_t)index);
    /* Files from before builtin_code carry the code in the deprecated byte alone. */
    const int32_t old = fb_int8(&code, CODE_DEPRECATED, 0);
    const int32_t now = fb_int32(&code, CODE_BUILTIN, 0);
    return now > old ? now : old;
}

operation model_operation(model *m, uint32_t index) {
    const fb_table table = fb_table_at(&m->operators, index);
    return (operation){
        code_of(m, fb_int32(&table, OPERATOR_CODE, 0)),
        fb_vector_field(&table, OPERATOR_INPUTS, 4),
        fb_vector_field(&table, OPERATOR_OUTPUTS, 4),
        fb_table_field(&table, OPERATOR_OPTIONS),
    };
}

tensor *model_operand(model *m, const fb_vector *operands, uint32_t index) {
    if (index >= operands->length) {
        return NULL;
    }
    const int32_t number = fb_int32_at(operands, index);
    return number < 0 || (uint32_t)number >= m->tensor_count ? NULL : &m->tensors[number];
}
