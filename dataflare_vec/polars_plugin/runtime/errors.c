/* Why rows fail, as a column of text: null where a row went well. Mostly there are few different texts, as many as
   a kernel has ways to fail: those of late are remembered, and rows refer to the same. */

#include "plugin.h"

#include <string.h>

bool dfv_open_errors(ErrorColumn *errors, int64_t rows) {
    OutputColumn *column = &errors->column;
    column->values_size = (size_t)rows * VIEW_BYTES;
    column->validity_size = (size_t)(rows + 7) / 8;
    column->values = dfv_allocate(column->values_size);
    column->validity = dfv_allocate(column->validity_size);
    column->data = dfv_open_data(rows);
    if (!column->values || !column->validity || !column->data) return false;
    memset(column->values, 0, column->values_size);
    memset(column->validity, 0, column->validity_size);
    return true;
}

bool dfv_add_error(ErrorColumn *errors, int64_t row, const char *text) {
    size_t size = strlen(text);
    char *view = (char *)errors->column.values + row * VIEW_BYTES;
    ((uint8_t *)errors->column.validity)[row / 8] |= (uint8_t)(1 << (row % 8));
    errors->count++;
    for (int i = 0; i < RECENT_ERRORS; i++) {
        const RecentError *recent = errors->recent + i;
        if (!recent->text || recent->size != size || memcmp(recent->text, text, size)) continue;
        memcpy(view, recent->view, VIEW_BYTES);
        return true;
    }
    const char *written = dfv_append(errors->column.data, view, text, size);
    if (!written) return false;
    RecentError *oldest = errors->recent + errors->written++ % RECENT_ERRORS;
    *oldest = (RecentError){.text = written, .size = size};
    memcpy(oldest->view, view, VIEW_BYTES);
    return true;
}
