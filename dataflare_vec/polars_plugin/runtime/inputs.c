/* Columns as loops read them: piece by piece, and at some offset from the row that is computed. */

#include "call.h"

#include <stdlib.h>
#include <string.h>

/* Rows beyond the first and the last, which are null: so many at a time. */
#define BEYOND 64
static const uint8_t nothing[BEYOND * VIEW_BYTES];

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

bool dfv_open_column(const char *format, const SeriesExport *series, Column *column) {
    column->format = format;
    bool is_list = dfv_is_list(format);
    column->width = is_list ? dfv_list_width(format) : dfv_width(format);
    column->pieces = series->len == 1 ? &column->only : calloc(series->len, sizeof *column->pieces);
    if (!column->pieces && series->len) return false;
    for (size_t i = 0; i < series->len; i++) {
        const ArrowArray *array = series->arrays[i];
        if (!array->length) continue;
        Piece *piece = column->pieces + column->piece_count++;
        piece->values = is_list ? NULL : array->buffers[1];
        piece->validity = array->null_count ? array->buffers[0] : NULL;
        piece->data = dfv_is_view(format) ? (const void *const *)array->buffers + 2 : NULL;
        piece->offset = array->offset;
        piece->rows = array->length;
        column->rows += array->length;
        if (is_list && !dfv_open_list(format, array, piece)) return false;
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
    uint8_t *values = column->memory[0] = malloc(width ? width * count : CHUNK / 8);
    if (!values) return false;
    if (!width) memset(values, bit(piece->values, piece->offset) ? 0xff : 0, CHUNK / 8);
    const uint8_t *value = piece->values + (size_t)piece->offset * width;
    for (size_t i = 0; width && i < count; i++) memcpy(values + i * width, value, width);
    if (piece->validity && !(piece->validity = column->memory[1] = calloc(CHUNK / 8, 1))) return false;
    piece->values = values;
    piece->offset = 0;
    piece->rows = (int64_t)count;
    return true;
}

static void put_nothing(Input *input, int64_t rows) {
    input->values = input->validity = nothing;
    input->piece = NULL;
    input->row = 0;
    input->left = rows < BEYOND ? rows : BEYOND;
}

void dfv_open_input(const Column *column, int offset, Input *input) {
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
    bool is_bit = !column->width && !dfv_is_list(column->format);
    uint8_t unpacked = is_bit ? bit(input->values, at) : 0;
    if (input->validity && !bit(input->validity, at))
        dfv_say("null");
    else if (dfv_is_list(column->format))
        dfv_say_list(column->format, input->piece, at);
    else
        dfv_say_value(column->format, is_bit ? &unpacked : input->values, input->data, is_bit ? 0 : at);
}
