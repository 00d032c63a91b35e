/* Why rows fail, as a column of text: null where a row went well. There are few different texts, as many as a
   kernel has ways to fail: each is stored once, and rows refer to it.

   Source: Arrow columnar format, "Variable-size Binary View Layout". */

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

#define INLINE 12 /* bytes of a text that its view holds by itself */

/* A text: its size, and its bytes or else where they are. */
typedef struct {
    int32_t size;
    char start[4];
    int32_t buffer, offset;
} View;

bool dfv_open_errors(ErrorColumn *errors, int64_t rows) {
    errors->views_size = (size_t)rows * sizeof(View);
    errors->validity_size = (size_t)(rows + 7) / 8;
    errors->views = dfv_allocate(errors->views_size);
    errors->validity = dfv_allocate(errors->validity_size);
    if (!errors->views || !errors->validity) return false;
    memset(errors->views, 0, errors->views_size);
    memset(errors->validity, 0, errors->validity_size);
    return true;
}

void dfv_drop_errors(ErrorColumn *errors) {
    dfv_free(errors->views, errors->views_size);
    dfv_free(errors->validity, errors->validity_size);
    free(errors->texts);
    memset(errors, 0, sizeof *errors);
}

/* Where a text is among those that rows have failed with, at its end if it is new; -1 without memory. */
static int64_t place_of(ErrorColumn *errors, const char *text, int32_t size) {
    int64_t place = 0;
    while (place < errors->texts_size) {
        const char *known = errors->texts + place;
        int64_t length = (int64_t)strlen(known);
        if (length == size && !memcmp(known, text, (size_t)size)) return place;
        place += length + 1;
    }
    if (place + size >= INT32_MAX) return -1;
    char *texts = realloc(errors->texts, (size_t)(place + size + 1));
    if (!texts) return -1;
    memcpy(texts + place, text, (size_t)size + 1);
    errors->texts = texts;
    errors->texts_size = place + size + 1;
    return place;
}

bool dfv_add_error(ErrorColumn *errors, int64_t row, const char *text) {
    View view = {(int32_t)strlen(text), "", 0, 0};
    if (view.size <= INLINE) {
        memcpy((char *)&view + sizeof view.size, text, (size_t)view.size);
    } else {
        int64_t place = place_of(errors, text, view.size);
        if (place < 0) return false;
        memcpy(view.start, text, sizeof view.start);
        view.offset = (int32_t)place;
    }
    ((View *)errors->views)[row] = view;
    errors->validity[row / 8] |= (uint8_t)(1 << (row % 8));
    errors->count++;
    return true;
}

typedef struct {
    const void *buffers[4];
    ErrorColumn errors;
} Owned;

static void release_array(ArrowArray *array) {
    Owned *owned = array->private_data;
    dfv_drop_errors(&owned->errors);
    free(owned);
    array->release = NULL;
}

bool dfv_export_errors(ErrorColumn *errors, int64_t rows, ArrowArray *array) {
    Owned *owned = calloc(1, sizeof *owned);
    if (!owned) return false;
    owned->errors = *errors;
    memset(errors, 0, sizeof *errors); /* it is the array's now */
    bool has_texts = owned->errors.texts_size > 0;
    owned->buffers[0] = owned->errors.validity;
    owned->buffers[1] = owned->errors.views;
    if (has_texts) owned->buffers[2] = owned->errors.texts;
    owned->buffers[2 + has_texts] = &owned->errors.texts_size; /* the last one has the sizes of those of texts */
    *array = (ArrowArray){.length = rows,
                          .null_count = rows - owned->errors.count,
                          .n_buffers = 3 + has_texts,
                          .buffers = owned->buffers,
                          .release = release_array,
                          .private_data = owned};
    return true;
}
