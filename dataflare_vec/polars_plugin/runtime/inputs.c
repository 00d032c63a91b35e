/* Columns as loops read them: piece by piece, and at some offset from the row that is computed. */

#include "call.h"

#include <stdlib.h>
#include <string.h>

/* Rows beyond the first and the last, which are null: so many at a time. */
#define BEYOND 64
static const uint8_t nothing[BEYOND * VIEW_BYTES]; /* as a table, too */

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

/* Has memory for pieces, of the fields too. */
static bool begin_column(const Part *part, size_t pieces, Column *columns) {
    for (int i = 0; i < part->count; i++) {
        Column *column = columns + i;
        column->part = part + i;
        column->format = column->part->format;
        bool is_list = dfv_is_list(column->format);
        column->width = is_list ? dfv_list_width(column->format) : dfv_width(column->format);
        column->pieces = pieces == 1 ? &column->only : calloc(pieces, sizeof *column->pieces);
        if (!column->pieces && pieces) return false;
    }
    return true;
}

bool dfv_own_validity(Piece *piece) {
    if (piece->memory[0]) return true;
    size_t bytes = (size_t)(piece->offset + piece->rows + 7) / 8;
    uint8_t *validity = piece->memory[0] = malloc(bytes + 1);
    if (!validity) return false;
    memset(validity, 0xff, bytes);
    if (piece->validity) memcpy(validity, piece->validity, bytes);
    piece->validity = validity;
    return true;
}

/* Has rows be null in which a field is. */
static bool take_nulls(const Piece *field, Piece *piece) {
    if (!field->validity) return true;
    if (!dfv_own_validity(piece)) return false;
    for (int64_t i = 0, row = piece->offset; i < piece->rows; i++, row++)
        if (!bit(field->validity, field->offset + i)) ((uint8_t *)piece->memory[0])[row / 8] &= (uint8_t)~(1 << (row % 8));
    return true;
}

/* Opens some rows of an array, the first of which has `before` others before it. */
static bool open_piece(const ArrowArray *array, int64_t before, int64_t rows, Column *columns) {
    const Part *part = columns->part;
    Piece *piece = columns->pieces + columns->piece_count++;
    piece->validity = array->null_count ? array->buffers[0] : NULL;
    piece->offset = before + array->offset;
    piece->rows = rows;
    columns->rows += rows;
    if (dfv_is_list(part->format)) return dfv_open_list(part->format, array, piece);
    if (!dfv_is_struct(part->format)) {
        piece->values = array->buffers[1];
        if (dfv_is_view(part->format)) piece->data = (const void *const *)array->buffers + 2;
        return !dfv_is_category(part->format) || dfv_open_categories(array, columns->width, piece);
    }
    for (int i = 1; i < part->count; i += part[i].count) {
        Column *field = columns + i;
        if (!open_piece(array->children[part[i].field], piece->offset, rows, field)) return false;
        if (!part[i].nullable && !take_nulls(field->pieces + field->piece_count - 1, piece)) return false;
    }
    return true;
}

bool dfv_open_column(const Part *part, const SeriesExport *series, Column *columns) {
    if (!begin_column(part, series->len, columns)) return false;
    for (size_t i = 0; i < series->len; i++) {
        const ArrowArray *array = series->arrays[i];
        if (array->length && !open_piece(array, 0, array->length, columns)) return false;
    }
    return true;
}

void dfv_close_column(Column *column) {
    for (size_t piece = 0; column->pieces && piece < column->piece_count; piece++)
        for (int i = 0; i < PIECE_MEMORY; i++) free(column->pieces[piece].memory[i]);
    if (column->pieces != &column->only) free(column->pieces);
    free(column->memory[0]);
    free(column->memory[1]);
}

/* Has a column of one row stand for one of `rows`: its value lies in memory for the rows of a chunk. */
bool dfv_repeat(Column *column, int64_t rows) {
    Piece *piece = column->pieces;
    column->repeats = true;
    if (dfv_is_list(column->format)) return dfv_repeat_list(column->format, piece, rows);
    size_t width = (size_t)column->width, count = (size_t)(rows < CHUNK ? rows : CHUNK);
    if (!dfv_is_struct(column->format)) {
        uint8_t *values = column->memory[0] = malloc(width ? width * count : CHUNK / 8);
        if (!values) return false;
        if (!width) memset(values, bit(piece->values, piece->offset) ? 0xff : 0, CHUNK / 8);
        const uint8_t *value = piece->values + (size_t)piece->offset * width;
        for (size_t i = 0; width && i < count; i++) memcpy(values + i * width, value, width);
        piece->values = values;
    }
    bool is_null = piece->validity && !bit(piece->validity, piece->offset);
    if (is_null && !(column->memory[1] = calloc(CHUNK / 8, 1))) return false;
    piece->validity = is_null ? column->memory[1] : NULL;
    piece->offset = 0;
    piece->rows = (int64_t)count;
    return true;
}

static void put_nothing(Input *input, int64_t rows) {
    input->values = input->validity = nothing;
    input->data = (const void *const *)nothing;
    input->piece = NULL;
    input->row = 0;
    input->left = rows < BEYOND ? rows : BEYOND;
}

static void open_input(const Column *column, int offset, Input *input) {
    memset(input, 0, sizeof *input);
    input->column = column;
    if (offset < 0) put_nothing(input, -offset);     /* before the first row */
    if (column->repeats && offset) input->next = 1; /* before and after its only one */
    for (int64_t skipped = offset; skipped > 0 && input->next < column->piece_count;) {
        dfv_seek(input);
        int64_t some = input->left < skipped ? input->left : skipped;
        dfv_move(input, some);
        skipped -= some;
    }
}

int dfv_open_inputs(const Column *columns, int offset, Input *inputs) {
    int count = columns->part->count;
    for (int i = 0; i < count; i++) {
        open_input(columns + i, offset, inputs + i);
        inputs[i].is_field = i > 0;
    }
    return count;
}

void dfv_seek(Input *input) {
    if (input->left > 0) return;
    const Column *column = input->column;
    if (input->next == column->piece_count) {
        put_nothing(input, BEYOND);
        return;
    }
    const Piece *piece = column->pieces + input->next++;
    input->piece = piece;
    input->values = piece->values;
    input->validity = piece->validity;
    input->data = piece->data;
    input->row = piece->offset;
    input->left = piece->rows;
}

void dfv_move(Input *input, int64_t rows) {
    if (input->column->repeats && input->validity != nothing) return;
    input->row += rows;
    input->left -= rows;
}

void dfv_say_input(const Input *input, int64_t ahead) {
    const Column *column = input->column;
    int64_t at = input->row + ahead;
    bool is_bit = *column->format == 'b';
    uint8_t unpacked = is_bit ? bit(input->values, at) : 0;
    if (input->validity && !bit(input->validity, at)) {
        dfv_say("null");
    } else if (dfv_is_struct(column->format)) {
        for (int i = 1; i < column->part->count; i += column->part[i].count) {
            dfv_say(i == 1 ? "{" : ", ");
            dfv_say_input(input + i, ahead);
        }
        dfv_say("}");
    } else if (dfv_is_category(column->format))
        dfv_say_category(input, at);
    else if (dfv_is_list(column->format))
        dfv_say_list(column->format, input->piece, at);
    else
        dfv_say_value(column->format, is_bit ? &unpacked : input->values, input->data, is_bit ? 0 : at);
}
