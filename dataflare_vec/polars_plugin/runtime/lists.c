/* Columns of lists and arrays: rows are stretches of the items of all rows. Their format is Arrow's, with that of the
   items behind a bar: "+L|g", "+w:3|+w:2|g", "+L|vu".

   Loops read them as `arrow.layouts.lists` and `string_lists` have them: offsets and items, or items alone where all
   rows have as many; booleans as bytes. They write the bytes of each row's items as a view, see `list_result`. */

#include "call.h"

#include <stdlib.h>
#include <string.h>

#define OFFSET_BYTES (int)sizeof(int64_t)
/* A row that stands for all is repeated as long as its items don't take more. */
#define MOST_REPEATED (1 << 20)

bool dfv_is_list(const char *format) { return format[0] == '+' && (format[1] == 'L' || format[1] == 'w'); }

/* Of the items; NULL of what has none. */
const char *dfv_items_of(const char *format) {
    const char *bar = dfv_is_list(format) ? strchr(format, '|') : NULL;
    return bar ? bar + 1 : NULL;
}

static bool is_ragged(const char *format) { return format[1] == 'L'; }

static int64_t size_of(const char *format) { return is_ragged(format) ? 1 : strtoll(format + 3, NULL, 10); }

static const char *leaf_of(const char *format) {
    while (dfv_is_list(format)) format = dfv_items_of(format);
    return format;
}

/* Bytes of an item as loops have it. */
static int64_t item_bytes(const char *format) {
    int width = dfv_width(leaf_of(format));
    return width ? width : 1;
}

static bool bit(const uint8_t *bits, int64_t i) { return bits[i / 8] >> (i % 8) & 1; }

/* How many scalars there are in a row of an array, or in one item of a list. */
static int64_t scalars_in(const char *format) {
    int64_t count = size_of(format);
    for (format = dfv_items_of(format); dfv_is_list(format); format = dfv_items_of(format)) count *= size_of(format);
    return count;
}

bool dfv_is_text_list(const char *format) { return dfv_is_list(format) && dfv_is_view(leaf_of(format)); }

int dfv_list_width(const char *format) {
    bool has_offsets = is_ragged(format) || dfv_is_text_list(format);
    return has_offsets ? OFFSET_BYTES : (int)(scalars_in(format) * item_bytes(format));
}

/* -- reading ---------------------------------------------------------------------------------------------- */

/* The items of some rows: numbers by which those of a level of nesting are counted. */
typedef struct {
    const int64_t *offsets; /* NULL where all rows have `size` */
    int64_t size;
} Rows;

static int64_t start_of(const Rows *rows, int64_t row) {
    return rows->offsets ? rows->offsets[row] : row * rows->size;
}

/* Has a row be null that holds a null. Item `i` of the rows is `i * times + first` of `items`. */
static bool drop_nulls(const Rows *rows, const ArrowArray *items, int64_t times, int64_t first, Piece *piece) {
    const uint8_t *there = items->buffers[0];
    if (!items->null_count || !there) return true;
    int64_t stop = piece->offset + piece->rows;
    if (!dfv_own_validity(piece)) return false;
    for (int64_t row = piece->offset; row < stop; row++) {
        int64_t end = start_of(rows, row + 1) * times + first;
        for (int64_t i = start_of(rows, row) * times + first; i < end; i++) {
            if (bit(there, i)) continue;
            ((uint8_t *)piece->memory[0])[row / 8] &= (uint8_t)~(1 << (row % 8));
            break;
        }
    }
    return true;
}

/* Booleans of some rows as bytes, for they are bits; where the first one of all would be. */
static const uint8_t *unpacked(const Rows *rows, const uint8_t *bits, int64_t times, int64_t first, Piece *piece) {
    int64_t start = start_of(rows, piece->offset) * times;
    int64_t count = start_of(rows, piece->offset + piece->rows) * times - start;
    uint8_t *bytes = piece->memory[1] = malloc((size_t)count + 1);
    if (!bytes) return NULL;
    for (int64_t i = 0; i < count; i++) bytes[i] = bit(bits, start + first + i);
    return (const uint8_t *)((intptr_t)bytes - start);
}

/* Offsets of rows that all have as many items. */
static bool put_offsets(const Rows *rows, Piece *piece) {
    int64_t *offsets = piece->memory[1] = malloc((size_t)(piece->rows + 1) * sizeof *offsets);
    if (!offsets) return false;
    for (int64_t i = 0; i <= piece->rows; i++) offsets[i] = start_of(rows, piece->offset + i);
    piece->values = (const uint8_t *)((intptr_t)offsets - piece->offset * OFFSET_BYTES);
    return true;
}

bool dfv_open_list(const char *format, const ArrowArray *array, Piece *piece) {
    Rows rows = {is_ragged(format) ? array->buffers[1] : NULL, size_of(format)};
    const ArrowArray *items = array->children[0];
    int64_t times = 1, first = items->offset;
    if (!drop_nulls(&rows, items, times, first, piece)) return false;
    for (format = dfv_items_of(format); dfv_is_list(format); format = dfv_items_of(format)) {
        items = items->children[0];
        times *= size_of(format);
        first = first * size_of(format) + items->offset;
        if (!drop_nulls(&rows, items, times, first, piece)) return false;
    }
    const uint8_t *values = items->buffers[1];
    int width = dfv_width(format);
    if (!width && !(values = unpacked(&rows, values, times, first, piece))) return false;
    if (values) values += first * width;
    if (dfv_is_view(format)) {
        piece->items = values;
        piece->item_data = (const void *const *)items->buffers + 2;
        piece->data = NULL;
        if (!rows.offsets) return put_offsets(&rows, piece);
        piece->values = (const uint8_t *)rows.offsets;
        return true;
    }
    piece->values = rows.offsets ? (const uint8_t *)rows.offsets : values;
    piece->data = rows.offsets ? (const void *const *)values : NULL;
    return true;
}

/* The items of a row. */
typedef struct {
    const uint8_t *items;
    int64_t steps, scalars, bytes; /* `steps` as offsets count them */
} Row;

static Row row_of(const char *format, const Piece *piece, int64_t row) {
    bool has_offsets = dfv_list_width(format) == OFFSET_BYTES && (is_ragged(format) || piece->items);
    int64_t scalars = scalars_in(format), bytes = item_bytes(format);
    if (!has_offsets) return (Row){piece->values + row * scalars * bytes, 0, scalars, scalars * bytes};
    const int64_t *offsets = (const int64_t *)piece->values + row;
    const uint8_t *items = piece->items ? piece->items : (const uint8_t *)piece->data;
    int64_t steps = offsets[1] - offsets[0];
    if (!is_ragged(format)) scalars = 1;
    Row found = {items, steps, steps * scalars, steps * scalars * bytes};
    if (found.bytes) found.items += offsets[0] * scalars * bytes;
    return found;
}

/* Has a piece of one row hold it several times. */
bool dfv_repeat_list(const char *format, Piece *piece, int64_t rows) {
    Row row = row_of(format, piece, piece->offset);
    int64_t most = row.bytes ? MOST_REPEATED / row.bytes : CHUNK;
    if (rows > most) rows = most ? most : 1;
    if (rows > CHUNK) rows = CHUNK;
    bool is_null = piece->validity && !bit(piece->validity, piece->offset);
    uint8_t *validity = is_null ? calloc(CHUNK / 8, 1) : NULL, *copies = malloc((size_t)(row.bytes * rows) + 1);
    int64_t *offsets = malloc((size_t)(rows + 1) * sizeof *offsets);
    void *memory[] = {validity, copies, offsets};
    bool made = copies && offsets && (validity || !is_null);
    for (int64_t i = 0; made && row.bytes && i < rows; i++) memcpy(copies + i * row.bytes, row.items, (size_t)row.bytes);
    for (int64_t i = 0; made && i <= rows; i++) offsets[i] = i * row.steps;
    for (int i = 0; i < PIECE_MEMORY; i++) {
        free(piece->memory[i]);
        piece->memory[i] = memory[i];
    }
    piece->validity = validity;
    piece->offset = 0;
    piece->rows = rows;
    if (piece->items)
        piece->items = copies;
    else if (is_ragged(format))
        piece->data = (const void *const *)copies;
    piece->values = is_ragged(format) || piece->items ? (const uint8_t *)offsets : copies;
    return made;
}

#define MOST_SHOWN 8 /* items of a row */

void dfv_say_list(const char *format, const Piece *piece, int64_t row) {
    Row found = row_of(format, piece, row);
    const char *leaf = leaf_of(format);
    dfv_say("[");
    for (int64_t i = 0; i < found.scalars && i < MOST_SHOWN; i++) {
        if (i) dfv_say(", ");
        dfv_say_value(leaf, found.items, piece->item_data, i);
    }
    if (found.scalars > MOST_SHOWN) dfv_say(", … (%lld)", (long long)found.scalars);
    dfv_say("]");
}

/* -- writing ---------------------------------------------------------------------------------------------- */

/* The bytes of a row's items, none of a row that is null. */
static const void *bytes_of(const OutputColumn *column, int64_t row, size_t *size) {
    const char *view = (const char *)column->values + row * VIEW_BYTES;
    int32_t words[4];
    *size = 0;
    if (column->validity && !bit(column->validity, row)) return view;
    memcpy(words, view, VIEW_BYTES);
    *size = (size_t)(uint32_t)words[0];
    if (*size <= INLINE_BYTES) return view + 4;
    return (const char *)column->data->buffers[words[2]].block + words[3];
}

/* Makes a column of lists, and one of their items, of what loops have written. */
bool dfv_gather(const char *format, OutputColumn *column, int64_t rows, OutputColumn *lists, OutputColumn *items,
                int64_t *count) {
    const char *inner = dfv_items_of(format);
    bool is_bit = !dfv_width(inner);
    int64_t *offsets = NULL, width = item_bytes(format), length = size_of(format);
    size_t size;
    *count = rows * length;
    if (is_ragged(format)) {
        lists->values_size = (size_t)(rows + 1) * sizeof *offsets;
        if (!(offsets = lists->values = dfv_allocate(lists->values_size))) return false;
        offsets[0] = 0;
        for (int64_t row = 0; row < rows; row++) {
            bytes_of(column, row, &size);
            offsets[row + 1] = offsets[row] + (int64_t)size / width;
        }
        *count = offsets[rows];
    }
    items->values_size = (size_t)(is_bit ? (*count + 7) / 8 : *count * width);
    uint8_t *values = items->values = dfv_allocate(items->values_size);
    if (!values) return false;
    if (is_bit || !offsets) memset(values, 0, items->values_size);
    for (int64_t row = 0; row < rows; row++) {
        const uint8_t *bytes = bytes_of(column, row, &size);
        int64_t at = offsets ? offsets[row] : row * length;
        if (!is_bit) memcpy(values + at * width, bytes, size);
        for (int64_t i = 0; is_bit && i < (int64_t)size; i++)
            if (bytes[i]) values[(at + i) / 8] |= (uint8_t)(1 << ((at + i) % 8));
    }
    lists->validity = column->validity;
    lists->validity_size = column->validity_size;
    column->validity = NULL;
    if (dfv_is_view(inner)) {
        items->data = column->data;
        column->data = NULL;
    }
    dfv_drop_column(column);
    memset(column, 0, sizeof *column); /* its parts are theirs now */
    return true;
}
