/* Columns of strings and bytes: a view of 16 bytes for each row, and data buffers with what is longer than 12.
   Loops write into these through a data builder: see `compiler.jit.lowering.strings.output`. Nothing that is
   written moves: a full buffer stays, and the loop goes on in another. */

#include "plugin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST INT32_MAX /* of a string, by Arrow's format */
/* The largest size of a buffer doubles with so many of them, up to one that offsets within it allow. */
#define DOUBLES_EACH 64
#define LARGEST ((int64_t)1 << 30)

/* Buffers get larger from one to the next; the first is as large as short strings would need. */
static const int64_t sizes[] = {1 << 8, 1 << 12, 1 << 16, 1 << 20, 1 << 22, 1 << 24};
#define SIZES (int)(sizeof sizes / sizeof *sizes)
#define FIRST_BYTES 32
#define MOST_AT_FIRST (1 << 16)

static int64_t size_after(const DataBuilder *builder) {
    for (int i = 0; i < SIZES; i++)
        if (sizes[i] > builder->size) return sizes[i];
    int64_t size = sizes[SIZES - 1] << (builder->count / DOUBLES_EACH < 6 ? builder->count / DOUBLES_EACH : 6);
    return size < LARGEST ? size : LARGEST;
}

/* Says how much of the buffer at hand holds data. */
static void close_buffer(DataBuilder *builder) {
    if (builder->count) builder->buffers[builder->count - 1].used = builder->next - builder->start;
}

/* Puts another buffer in place of the one at hand; called by loops. 0 if there is room now. */
static int64_t make_room(DataBuilder *builder, int64_t bytes) {
    if (builder->refused) return 1;
    int64_t size = bytes > builder->size ? bytes : builder->size;
    DataBuffer *buffers = bytes > LONGEST ? NULL : realloc(builder->buffers, sizeof *buffers * (builder->count + 1u));
    void *block = NULL;
    if (buffers) {
        builder->buffers = buffers;
        block = dfv_allocate((size_t)size);
    }
    if (!block) {
        builder->refused = bytes;
        return 1;
    }
    close_buffer(builder);
    buffers[builder->count] = (DataBuffer){block, (size_t)size, 0};
    builder->index = builder->count++;
    builder->size = size_after(builder);
    builder->next = builder->start = (int64_t)(intptr_t)block;
    builder->end = builder->start + size;
    return 0;
}

DataBuilder *dfv_open_data(int64_t rows) {
    DataBuilder *builder = calloc(1, sizeof *builder);
    if (!builder) return NULL;
    int64_t wanted = rows < MOST_AT_FIRST / FIRST_BYTES ? rows * FIRST_BYTES : MOST_AT_FIRST;
    while (builder->size < wanted) builder->size = size_after(builder);
    if (!builder->size) builder->size = sizes[0];
    builder->self = builder;
    builder->room = make_room;
    return builder;
}

const char *dfv_append(DataBuilder *builder, void *view, const char *text, size_t size) {
    struct {
        int32_t size;
        char start[4];
        int32_t buffer, offset;
    } made = {(int32_t)size, "", 0, 0};
    if (size <= INLINE_BYTES) {
        memcpy((char *)&made + sizeof made.size, text, size);
        memcpy(view, &made, VIEW_BYTES);
        return (char *)view + sizeof made.size;
    }
    if (builder->end - builder->next < (int64_t)size && make_room(builder, (int64_t)size)) return NULL;
    char *target = (char *)(intptr_t)builder->next;
    memcpy(target, text, size);
    memcpy(made.start, text, sizeof made.start);
    made.buffer = (int32_t)builder->index;
    made.offset = (int32_t)(builder->next - builder->start);
    memcpy(view, &made, VIEW_BYTES);
    builder->next += (int64_t)size;
    return target;
}

bool dfv_is_data_whole(const DataBuilder *builder) {
    if (!builder || !builder->refused) return true;
    if (builder->refused > LONGEST)
        dfv_say("a string of %" PRId64 " bytes doesn't fit a column, the limit is %d", builder->refused, LONGEST);
    else
        dfv_say("not enough memory");
    return false;
}

int64_t dfv_close_data(DataBuilder *builder) {
    close_buffer(builder);
    return builder->count;
}

void dfv_drop_data(DataBuilder *builder) {
    if (!builder) return;
    for (int64_t i = 0; i < builder->count; i++) dfv_free(builder->buffers[i].block, builder->buffers[i].size);
    free(builder->buffers);
    free(builder);
}

/* -- reading ---------------------------------------------------------------------------------------------- */

const char *dfv_view(const void *views, const void *const *data, int64_t row, size_t *size) {
    const char *view = (const char *)views + row * VIEW_BYTES;
    int32_t words[4];
    memcpy(words, view, VIEW_BYTES);
    *size = (size_t)(uint32_t)words[0];
    return *size <= INLINE_BYTES ? view + 4 : (const char *)data[words[2]] + words[3];
}
