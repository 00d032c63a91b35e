/* Results as Arrow's structures: who gets them lets go of them by their `release`. */

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

#define NULLABLE 2 /* Arrow's flag of a field */

int dfv_width(const char *format) {
    switch (format[0]) {
    case 'b': return format[1] ? -1 : 0;
    case 'c': case 'C': return 1;
    case 's': case 'S': return 2;
    case 'i': case 'I': case 'f': return 4;
    case 'l': case 'L': case 'g': return 8;
    case 't': return format[1] == 'd' ? 4 : 8;
    case 'v': return VIEW_BYTES;
    case 'd': return 16;
    case '_': return strcmp(format, "_pli128") ? -1 : 16;
    case '*': return dfv_width(format + 1);
    case '+': return dfv_is_list(format) ? VIEW_BYTES : dfv_is_struct(format) ? 0 : -1;
    default: return -1;
    }
}

bool dfv_is_view(const char *format) { return format[0] == 'v'; }

bool dfv_is_struct(const char *format) { return format[0] == '+' && format[1] == 's'; }

bool dfv_has_data(const char *format) { return dfv_is_view(format) || dfv_is_list(format); }

static void release_schema(ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    free(schema->private_data);
    schema->release = NULL;
}

static bool make_schema(const char *format, const char *name, ArrowSchema *schema);

/* Has a schema with memory for some children, none of which is there yet. */
static bool make_parent(const char *format, const char *name, int count, ArrowSchema *schema) {
    size_t length = strcspn(format, "|"), name_bytes = strlen(name) + 1;
    memset(schema, 0, sizeof *schema);
    char *own = malloc(name_bytes + length + 1); /* also tells Polars that there is a schema */
    if (!own) return false;
    memcpy(own, name, name_bytes);
    memcpy(own + name_bytes, format, length);
    own[name_bytes + length] = '\0';
    schema->name = schema->private_data = own;
    schema->format = own + name_bytes;
    schema->flags = NULLABLE;
    schema->release = release_schema;
    if (count) schema->children = calloc((size_t)count, sizeof *schema->children);
    return !count || schema->children;
}

/* Where the next child of a schema is to be made; NULL without memory. */
static ArrowSchema *next_child(ArrowSchema *schema) {
    ArrowSchema *child = calloc(1, sizeof *child);
    if (child) schema->children[schema->n_children++] = child;
    return child;
}

static bool make_schema(const char *format, const char *name, ArrowSchema *schema) {
    const char *items = dfv_items_of(format);
    ArrowSchema *child = NULL;
    return make_parent(format, name, items != NULL, schema) &&
           (!items || ((child = next_child(schema)) && make_schema(items, "item", child)));
}

/* Of a column that loops write, or a field of one. */
static bool make_output_schema(const Output *output, const char *name, ArrowSchema *schema);

/* Of a struct of some columns, those up to `stop`. */
static bool make_struct_schema(const Output *outputs, const Output *stop, const char *name, ArrowSchema *schema) {
    bool made = make_parent("+s", name, (int)(stop - outputs), schema);
    for (const Output *output = outputs; made && output < stop; output += output->count) {
        ArrowSchema *child = next_child(schema);
        made = child && make_output_schema(output, output->name, child);
    }
    return made;
}

static bool make_output_schema(const Output *output, const char *name, ArrowSchema *schema) {
    if (!dfv_is_struct(output->format)) return make_schema(output->format, name, schema);
    return make_struct_schema(output + 1, output + output->count, name, schema);
}

static bool make_value_schema(const Signature *signature, const char *name, ArrowSchema *schema) {
    const Output *outputs = signature->outputs, *stop = outputs + signature->output_count;
    if (outputs + outputs->count == stop) return make_output_schema(outputs, name, schema);
    return make_struct_schema(outputs, stop, name, schema);
}

bool dfv_export_schema(const Signature *signature, OnError on_error, const char *name, ArrowSchema *schema) {
    bool made;
    if (on_error == GIVE_STRUCT) {
        ArrowSchema *value = NULL, *error = NULL;
        made = make_parent("+s", name, 2, schema) && (value = next_child(schema)) && (error = next_child(schema)) &&
               make_value_schema(signature, "value", value) && make_schema("vu", "error", error);
    } else {
        made = make_value_schema(signature, name, schema);
    }
    if (made) return true;
    if (schema->release) release_schema(schema);
    schema->private_data = NULL;
    return false;
}

void dfv_drop_column(OutputColumn *column) {
    dfv_free(column->values, column->values_size);
    dfv_free(column->validity, column->validity_size);
    dfv_drop_data(column->data);
}

typedef struct {
    OutputColumn column;
    const void *buffers[];
} Owned;

static void release_array(ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    Owned *owned = array->private_data;
    dfv_drop_column(&owned->column);
    free(owned);
    array->release = NULL;
}

static int64_t count_nulls(const uint8_t *validity, int64_t rows) {
    int64_t valid = 0, row = 0;
    for (; row + 64 <= rows; row += 64) {
        uint64_t word;
        memcpy(&word, validity + row / 8, 8);
        valid += __builtin_popcountll(word);
    }
    for (; row < rows; row++) valid += validity[row / 8] >> (row % 8) & 1;
    return rows - valid;
}

/* The addresses of the data buffers of a column of views go behind that of these, and last their sizes. */
static void put_data(const DataBuilder *data, const void **buffers) {
    int64_t *sizes = (int64_t *)(buffers + data->count + 1);
    for (int64_t i = 0; i < data->count; i++) {
        buffers[i] = data->buffers[i].block;
        sizes[i] = data->buffers[i].used;
    }
    buffers[data->count] = sizes;
}

/* An array of a column, or without one that of a struct, whose children are still to come. One of lists of a fixed
   size has no values. */
static bool make_array(OutputColumn *column, int64_t rows, ArrowArray *array) {
    memset(array, 0, sizeof *array);
    int64_t data = column && column->data ? dfv_close_data(column->data) : -1;
    array->n_buffers = !column || !column->values ? 1 : data < 0 ? 2 : 3 + data;
    Owned *owned = calloc(1, sizeof *owned + (size_t)(array->n_buffers + (data < 0 ? 0 : data)) * sizeof(void *));
    if (!owned) return false;
    if (column) {
        owned->column = *column;
        memset(column, 0, sizeof *column); /* it is the array's now */
        owned->buffers[0] = owned->column.validity;
        if (owned->column.values) owned->buffers[1] = owned->column.values;
        if (data >= 0) put_data(owned->column.data, owned->buffers + 2);
        if (owned->column.validity) array->null_count = count_nulls(owned->column.validity, rows);
    }
    array->length = rows;
    array->buffers = owned->buffers;
    array->private_data = owned;
    array->release = release_array;
    return true;
}

/* Has an array with memory for some children, none of which is there yet. */
static bool make_parent_array(OutputColumn *column, int64_t rows, int count, ArrowArray *array) {
    if (!make_array(column, rows, array)) return false;
    array->children = calloc((size_t)count, sizeof *array->children);
    return array->children != NULL;
}

static ArrowArray *next_child_array(ArrowArray *array) {
    ArrowArray *child = calloc(1, sizeof *child);
    if (child) array->children[array->n_children++] = child;
    return child;
}

static bool make_list(const char *format, OutputColumn *column, int64_t rows, ArrowArray *array) {
    OutputColumn lists = {0}, items = {0};
    ArrowArray *child = NULL;
    int64_t count;
    bool made = dfv_gather(format, column, rows, &lists, &items, &count) &&
                make_parent_array(&lists, rows, 1, array) && (child = next_child_array(array)) &&
                make_array(&items, count, child);
    dfv_drop_column(&lists);
    dfv_drop_column(&items);
    return made;
}

/* Has a field be null where its struct is. */
static bool take_nulls(const OutputColumn *whole, OutputColumn *field, int64_t rows) {
    size_t bytes = (size_t)(rows + 7) / 8;
    if (!whole->validity) return true;
    if (!field->validity) {
        field->validity_size = bytes;
        field->validity = dfv_allocate(bytes);
        if (!field->validity) return false;
        memset(field->validity, 0xff, bytes);
    }
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)field->validity)[i] &= ((const uint8_t *)whole->validity)[i];
    return true;
}

static bool make_column(const Output *output, OutputColumn *columns, int64_t rows, ArrowArray *array);

/* An array of a struct, with or without a column of its own, and of those that are its fields, up to `stop`. */
static bool make_struct(OutputColumn *whole, const Output *outputs, const Output *stop, OutputColumn *columns, int64_t rows,
                        ArrowArray *array) {
    for (const Output *output = outputs; whole && output < stop; output += output->count)
        if (!take_nulls(whole, columns + (output - outputs), rows)) return false;
    bool made = make_parent_array(whole, rows, (int)(stop - outputs), array);
    for (const Output *output = outputs; made && output < stop; output += output->count) {
        ArrowArray *child = next_child_array(array);
        made = child && make_column(output, columns + (output - outputs), rows, child);
    }
    return made;
}

static bool make_column(const Output *output, OutputColumn *columns, int64_t rows, ArrowArray *array) {
    if (dfv_is_list(output->format)) return make_list(output->format, columns, rows, array);
    if (!dfv_is_struct(output->format)) return make_array(columns, rows, array);
    return make_struct(columns, output + 1, output + output->count, columns + 1, rows, array);
}

static bool make_value(const Signature *signature, OutputColumn *columns, int64_t rows, ArrowArray *array) {
    const Output *outputs = signature->outputs, *stop = outputs + signature->output_count;
    if (outputs + outputs->count == stop) return make_column(outputs, columns, rows, array);
    return make_struct(NULL, outputs, stop, columns, rows, array);
}

static bool make_result(const Signature *signature, OutputColumn *columns, ErrorColumn *errors, int64_t rows, ArrowArray *array) {
    bool made;
    if (errors) {
        ArrowArray *value = NULL, *error = NULL;
        made = make_parent_array(NULL, rows, 2, array) && (value = next_child_array(array)) &&
               (error = next_child_array(array)) && make_value(signature, columns, rows, value) &&
               make_array(&errors->column, rows, error);
    } else {
        made = make_value(signature, columns, rows, array);
    }
    if (!made && array->release) array->release(array);
    return made;
}

/* Polars has moved the arrays out, if it has taken the series. */
static void release_series(SeriesExport *series) {
    if (series->field->release) series->field->release(series->field);
    free(series->field);
    free(series->arrays[0]);
    free(series->arrays);
    series->private_data = NULL;
    series->release = NULL;
}

bool dfv_export_series(const Signature *signature, const char *name, OutputColumn *columns, ErrorColumn *errors,
                       int64_t rows, SeriesExport *out) {
    ArrowSchema *field = calloc(1, sizeof *field);
    ArrowArray **arrays = calloc(1, sizeof *arrays), *array = calloc(1, sizeof *array);
    OnError on_error = errors ? GIVE_STRUCT : GIVE_NULL;
    bool made = field && arrays && array && dfv_export_schema(signature, on_error, name, field);
    if (made && !make_result(signature, columns, errors, rows, array)) {
        release_schema(field);
        made = false;
    }
    if (!made) {
        free(field);
        free(arrays);
        free(array);
        return false;
    }
    arrays[0] = array;
    *out = (SeriesExport){field, arrays, 1, release_series, array};
    return true;
}

void dfv_drop_columns(const Signature *signature, OutputColumn *columns) {
    for (int i = 0; i < signature->output_count; i++) dfv_drop_column(columns + i);
}
