/* Columns that come in: of several arrays, or with one value for all rows. */

#include "plugin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool has_nulls(const ArrowArray *array) { return array->null_count != 0 && array->buffers[0] != NULL; }

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

/* The addresses of an array's data buffers, behind that of its views. */
static const void *const *data_of(const InputColumn *column, const ArrowArray *array) {
    return dfv_is_view(column->format) ? (const void *const *)array->buffers + 2 : NULL;
}

/* Puts the one value of a column into memory for the rows of a chunk. */
static bool repeat(InputColumn *column, int64_t rows) {
    const ArrowArray *array = *column->arrays;
    size_t width = (size_t)column->width, count = (size_t)(rows < CHUNK ? rows : CHUNK);
    const uint8_t *value = (const uint8_t *)array->buffers[1] + (size_t)array->offset * width;
    column->repeated = malloc(width ? width * count : CHUNK / 8);
    if (!column->repeated) return false;
    if (!width)
        memset(column->repeated, bit(array->buffers[1], array->offset) ? 0xff : 0, CHUNK / 8);
    for (size_t i = 0; width && i < count; i++) memcpy((char *)column->repeated + i * width, value, width);
    if (has_nulls(array)) {
        column->no_validity = calloc(CHUNK / 8, 1);
        if (!column->no_validity) return false;
    }
    column->values = column->repeated;
    column->validity = column->no_validity;
    column->data = data_of(column, array);
    column->row = 0;
    column->left = INT64_MAX;
    return true;
}

int64_t dfv_open_inputs(const Function *function, const Signature *signature, const SeriesExport *inputs,
                        InputColumn *columns, bool *nulls) {
    int64_t rows = 1;
    for (int i = 0; i < function->column_count; i++) {
        InputColumn *column = columns + i;
        column->format = signature->inputs[i];
        column->width = dfv_width(column->format);
        column->arrays = inputs[i].arrays;
        for (size_t part = 0; part < inputs[i].len; part++) {
            column->rows += inputs[i].arrays[part]->length;
            *nulls |= has_nulls(inputs[i].arrays[part]);
        }
        if (column->rows != 1 && rows != 1 && column->rows != rows) {
            dfv_say("plugin `%s`: column `%s` has %" PRId64 " rows, others have %" PRId64, function->name,
                    function->columns[i], column->rows, rows);
            return -1;
        }
        if (column->rows != 1) rows = column->rows;
    }
    for (int i = 0; rows > 1 && i < function->column_count; i++) {
        InputColumn *column = columns + i;
        if (column->rows != 1) continue;
        while (!(*column->arrays)->length) column->arrays++;
        if (!repeat(column, rows)) {
            dfv_say("plugin `%s`: not enough memory", function->name);
            return -1;
        }
    }
    return rows;
}

void dfv_close_inputs(const Function *function, InputColumn *columns) {
    for (int i = 0; i < function->column_count; i++) {
        free(columns[i].repeated);
        free(columns[i].no_validity);
    }
}

int64_t dfv_left(InputColumn *column) {
    while (column->left <= 0) {
        const ArrowArray *array = *column->arrays++;
        column->left = array->length;
        column->row = array->offset;
        column->values = array->buffers[1];
        column->data = data_of(column, array);
        column->validity = has_nulls(array) ? array->buffers[0] : NULL;
    }
    return column->left;
}

void dfv_advance(InputColumn *column, int64_t by) {
    if (column->repeated) return;
    column->row += by;
    column->left -= by;
}

void dfv_say_input(const InputColumn *column, int64_t ahead) {
    int64_t at = column->row + ahead;
    uint8_t unpacked = column->width ? 0 : bit(column->values, at);
    if (column->validity && !bit(column->validity, at))
        dfv_say("null");
    else
        dfv_say_value(column->format, column->width ? column->values : &unpacked, column->data, column->width ? at : 0);
}
