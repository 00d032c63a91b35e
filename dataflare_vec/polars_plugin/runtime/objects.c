/* Memory for arrays and lists that a kernel makes: what the code that Numba compiles asks its runtime for, under
   these names. Whoever uses a block counts in its head; the last one drops it. */

#include "plugin.h"

#include <stdlib.h>

typedef void (*Drop)(void *data, size_t size, void *items);

/* Compiled code reads `users` and `data` by itself. */
typedef struct {
    size_t users;
    Drop drop; /* of what the data refers to, before its memory goes */
    void *items;
    void *data;
    size_t size;
    void *unused;
} Head;

void *NRT_Allocate(size_t size) { return malloc(size ? size : 1); }

void NRT_Free(void *memory) { free(memory); }

void NRT_incref(Head *head) {
    if (head) __atomic_add_fetch(&head->users, 1, __ATOMIC_RELAXED);
}

void *NRT_MemInfo_data_fast(Head *head) { return head->data; }

void NRT_MemInfo_call_dtor(Head *head) {
    if (head->drop) head->drop(head->data, head->size, head->items);
    free(head);
}

void NRT_decref(Head *head) {
    if (head && !__atomic_sub_fetch(&head->users, 1, __ATOMIC_ACQ_REL)) NRT_MemInfo_call_dtor(head);
}

/* The same as LLVM has put it into code for x86-64, which libraries for others are made of, too: counts down, and
   says whether an instruction's condition holds of what is left. Source: Intel SDM, volume 1, appendix B. */
uint8_t dfv_count_down(int64_t *users, int64_t by, int32_t condition) {
    enum { ZERO = 4, NEGATIVE = 8, INVERTED = 1 };
    int64_t left = __atomic_sub_fetch(users, by, __ATOMIC_SEQ_CST);
    bool holds = (condition & ~INVERTED) == ZERO ? !left : left < 0;
    return holds != (condition & INVERTED);
}

/* -- of a fixed size, behind the head --------------------------------------------------------------------- */

Head *NRT_MemInfo_alloc_aligned(size_t size, unsigned align) {
    if (size > SIZE_MAX - sizeof(Head) - align) return NULL;
    Head *head = malloc(sizeof *head + size + align);
    if (!head) return NULL;
    uintptr_t data = (uintptr_t)(head + 1);
    if (align) data = (data + align - 1) / align * align;
    *head = (Head){.users = 1, .data = (void *)data, .size = size};
    return head;
}

Head *NRT_MemInfo_alloc(size_t size) { return NRT_MemInfo_alloc_aligned(size, 0); }

Head *NRT_MemInfo_alloc_dtor(size_t size, Drop drop) {
    Head *head = NRT_MemInfo_alloc(size);
    if (head) head->drop = drop;
    return head;
}

/* -- that grows ------------------------------------------------------------------------------------------- */

static void drop_items(void *data, size_t size, void *items) {
    (void)size;
    if (items) ((void (*)(void *))items)(data);
    free(data);
}

Head *NRT_MemInfo_new_varsize_dtor(size_t size, void *items) {
    void *data = NRT_Allocate(size);
    Head *head = data ? malloc(sizeof *head) : NULL;
    if (!head) {
        free(data);
        return NULL;
    }
    *head = (Head){1, drop_items, items, data, size, NULL};
    return head;
}

Head *NRT_MemInfo_new_varsize(size_t size) { return NRT_MemInfo_new_varsize_dtor(size, NULL); }

static void *replaced(Head *head, void *data, size_t size) {
    if (!data) return NULL;
    head->data = data;
    head->size = size;
    return data;
}

/* The caller frees what was there before. */
void *NRT_MemInfo_varsize_alloc(Head *head, size_t size) { return replaced(head, NRT_Allocate(size), size); }

void *NRT_MemInfo_varsize_realloc(Head *head, size_t size) {
    return replaced(head, realloc(head->data, size ? size : 1), size);
}

void NRT_MemInfo_varsize_free(Head *head, void *data) {
    free(data);
    if (head->data == data) head->data = NULL;
}

/* -- arrays of another shape ------------------------------------------------------------------------------ */

/* Finds the steps, in bytes, by which the items of an array are those of one of another shape: 0 if there are
   none. Axes that follow each other in memory without a gap are one run; each run has to be cut into new axes. */
int numba_attempt_nocopy_reshape(int64_t axes, const int64_t *lengths, const int64_t *steps, int64_t new_axes,
                                 const int64_t *new_lengths, int64_t *new_steps, int64_t item, int is_fortran) {
#define FROM_LAST(i, count) (is_fortran ? (i) : (count) - 1 - (i))
    int64_t done = 0, step = item;
    for (int64_t i = 0; i < axes; i++) {
        if (lengths[i]) continue;
        for (int64_t new = 0; new < new_axes; new++) new_steps[new] = item;
        return 1;
    }
    for (int64_t i = 0; i < axes;) {
        int64_t axis = FROM_LAST(i, axes), run = lengths[axis], cut = 1;
        step = steps[axis];
        if (lengths[axis] == 1) {
            i++;
            continue;
        }
        for (i++; i < axes; i++) {
            axis = FROM_LAST(i, axes);
            if (lengths[axis] != 1 && steps[axis] != step * run) break;
            run *= lengths[axis];
        }
        for (; cut < run && done < new_axes; done++) {
            int64_t new = FROM_LAST(done, new_axes);
            new_steps[new] = step * cut;
            cut *= new_lengths[new];
        }
        if (cut != run) return 0;
        step *= run;
    }
    for (; done < new_axes; done++) new_steps[FROM_LAST(done, new_axes)] = step;
    return 1;
#undef FROM_LAST
}
