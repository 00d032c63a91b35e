/* The state that a scan or a reduce carries: a record, merged with others, and what is made of it in the end. */

#include "call.h"

#include <string.h>

static void put_first(const State *state, uint8_t *record) {
    if (state->first)
        memcpy(record, state->first, (size_t)state->size);
    else
        memset(record, 0, (size_t)state->size);
}

bool dfv_open_state(Call *call) {
    const State *state = call->signature->state;
    size_t size = (size_t)state->size;
    call->record = dfv_allocate(size);
    call->before = dfv_allocate(size);
    call->merged = dfv_allocate(size);
    if (!call->record || !call->before || !call->merged) return dfv_say_no_memory(call->function);
    put_first(state, call->record);
    return true;
}

void dfv_close_state(Call *call) {
    size_t size = call->record ? (size_t)call->signature->state->size : 0;
    dfv_free(call->record, size);
    dfv_free(call->before, size);
    dfv_free(call->merged, size);
}

void dfv_put_state(const uint8_t *record, int64_t **at) {
    *(*at)++ = (int64_t)(intptr_t)record;
    for (int i = 0; i < 3; i++) *(*at)++ = 0;
}

/* Has the state of the partitions before take that of the one at hand. */
static bool merge(Call *call) {
    const State *state = call->signature->state;
    int64_t arguments[13], *at = arguments, reason[2] = {0, 0};
    uint64_t selected = 1, failed = 0;
    if (!call->has_merged) {
        memcpy(call->merged, call->record, (size_t)state->size);
        call->has_merged = true;
        return true;
    }
    dfv_put_state(call->merged, &at);
    dfv_put_state(call->record, &at);
    dfv_put_rest(at, NULL, NULL, NULL);
    if (!state->merge[0](arguments, 1)) return true;
    dfv_forget_note();
    dfv_put_rest(at, &selected, &failed, reason);
    state->merge[1](arguments, 1);
    dfv_say("plugin `%s`: `merge` failed: ", call->function->name);
    dfv_say_reason(call, reason);
    return false;
}

bool dfv_next_partition(Call *call) {
    if (!merge(call)) return false;
    put_first(call->signature->state, call->record);
    return true;
}

static int64_t *put_finish(Call *call) {
    int64_t *at = call->arguments;
    dfv_put_state(call->has_merged ? call->merged : call->record, &at);
    dfv_put_outputs(call, &at, 0);
    return at;
}

bool dfv_finish(Call *call) {
    const Loop *finish = call->signature->state->finish;
    int64_t reason[2] = {0, 0};
    uint64_t selected = 1, failed = 0;
    if (call->has_merged && !merge(call)) return false;
    dfv_put_rest(put_finish(call), NULL, NULL, NULL);
    if (!finish[0](call->arguments, 1)) return dfv_is_whole(call);
    if (finish[1] && !finish[1](call->arguments, 1)) return dfv_is_whole(call);
    if (!dfv_is_whole(call)) return false;
    if (!dfv_add_validity(call)) return false;
    dfv_forget_note();
    dfv_put_rest(put_finish(call), &selected, &failed, reason);
    finish[2](call->arguments, 1);
    if (!dfv_is_whole(call)) return false;
    if (call->options.on_error == GIVE_NULL || call->errors.count) return true;
    if (call->options.on_error == RAISE) dfv_say("plugin `%s`: ", call->function->name);
    dfv_say("`finish` failed: ");
    dfv_say_reason(call, reason);
    if (call->options.on_error == GIVE_STRUCT) return dfv_keep_error(call, 0);
    dfv_say("; pass on_error=\"null\" to have null for it");
    return false;
}
