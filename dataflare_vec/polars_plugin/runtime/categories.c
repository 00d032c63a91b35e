/* Columns of categories: codes, with a table in which loops look their text up (see `arrow.layouts.categories`). */

#include "call.h"

#include <stdlib.h>
#include <string.h>

#define NOT_ASCII ((int64_t)1 << 62)
/* If there are as many times more categories than rows, only those of the rows are put into the table. */
#define DENSE 4

bool dfv_is_category(const char *format) { return *format == '*'; }

static int64_t code_at(const uint8_t *codes, int width, int64_t row) {
    uint32_t code = 0; /* of little-endian bytes, as all targets have them */
    memcpy(&code, codes + row * width, (size_t)width);
    return code;
}

static void put_category(const ArrowArray *texts, int64_t code, Category *table) {
    size_t size;
    const char *text = dfv_view(texts->buffers[1], (const void *const *)texts->buffers + 2, texts->offset + code, &size);
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) all |= (uint8_t)text[i];
    table[code] = (Category){text, (int64_t)size | (all > 0x7f ? NOT_ASCII : 0)};
}

bool dfv_open_categories(const ArrowArray *array, int width, Piece *piece) {
    const ArrowArray *texts = array->dictionary;
    int64_t count = texts->length;
    Category *table = calloc((size_t)count + 1, sizeof *table); /* never empty: under a null lies any code */
    piece->memory[1] = table;
    piece->data = (const void *const *)table;
    if (!table) return false;
    for (int64_t code = 0; count <= DENSE * piece->rows && code < count; code++) put_category(texts, code, table);
    for (int64_t i = 0; count > DENSE * piece->rows && i < piece->rows; i++) {
        int64_t row = piece->offset + i, code = code_at(piece->values, width, row);
        bool there = !piece->validity || piece->validity[row / 8] >> (row % 8) & 1;
        if (there && code < count) put_category(texts, code, table);
    }
    return true;
}

void dfv_say_category(const Input *input, int64_t row) {
    const Category *category = (const Category *)input->data + code_at(input->values, input->column->width, row);
    dfv_say_text(category->text, (size_t)(category->size & ~NOT_ASCII), true);
}
