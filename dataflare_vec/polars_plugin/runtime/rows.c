/* Loops over the rows of a call, and what happens to rows that fail. */

#include "call.h"

#include <inttypes.h>
#include <string.h>

/* What loops of unknown length look at: nobody interrupts them here. */
__attribute__((visibility("hidden"))) int64_t dfv_interrupted = 0;

__attribute__((visibility("hidden"))) Loop (*dfv_obtain)(const Signature *signature, WhichLoop which) = NULL;
__attribute__((visibility("hidden"))) bool (*dfv_share)(Call *call) = NULL;

bool dfv_say_no_memory(const Function *function) {
    dfv_say("plugin `%s`: not enough memory", function->name);
    return false;
}

/* -- results ---------------------------------------------------------------------------------------------- */

static bool add_validity(Call *call, OutputColumn *column) {
    if (column->validity) return true;
    column->validity_size = (size_t)(call->result_rows + 7) / 8;
    column->validity = dfv_allocate(column->validity_size);
    if (!column->validity) return false;
    memset(column->validity, 0xff, column->validity_size);
    return true;
}

static bool open_outputs(Call *call, bool nulls) {
    for (int i = 0; i < call->signature->output_count; i++) {
        const Output *output = call->signature->outputs + i;
        OutputColumn *column = call->outputs + i;
        if ((nulls || output->nullable) && !add_validity(call, column)) return false;
        if (dfv_is_struct(output->format)) continue;
        size_t width = (size_t)dfv_width(output->format), rows = (size_t)call->result_rows;
        column->values_size = width ? rows * width : (rows + 7) / 8;
        column->values = dfv_allocate(column->values_size);
        if (!column->values) return false;
        if (dfv_has_data(output->format) && !(column->data = dfv_open_data(call->result_rows))) return false;
        if (!width) memset(column->values, 0, column->values_size); /* loops write some bits of a byte */
    }
    return call->options.on_error != GIVE_STRUCT || dfv_open_errors(&call->errors, call->result_rows);
}

bool dfv_add_validity(Call *call) {
    for (int i = 0; i < call->signature->output_count; i++)
        if (!add_validity(call, call->outputs + i)) return dfv_say_no_memory(call->function);
    return true;
}

bool dfv_is_whole(const Call *call) {
    for (int i = 0; i < call->signature->output_count; i++)
        if (!dfv_is_data_whole(call->outputs[i].data)) return false;
    return true;
}

/* -- the argument buffer ---------------------------------------------------------------------------------- */

/* Of a column of views `data` is the table of its data buffers, or what a loop writes these through. */
static void put_column(
    int64_t **at, const void *values, int width, const void *data, const void *validity, int64_t row) {
    *(*at)++ = (int64_t)(intptr_t)values + row * width;
    *(*at)++ = width ? (int64_t)(intptr_t)data : row;
    *(*at)++ = (int64_t)(intptr_t)validity;
    *(*at)++ = row;
}

void dfv_put_outputs(Call *call, int64_t **at, int64_t row) {
    for (int i = 0; i < call->signature->output_count; i++) {
        const OutputColumn *column = call->outputs + i;
        int width = dfv_width(call->signature->outputs[i].format);
        put_column(at, column->values, width, column->data, column->validity, row);
    }
}

void dfv_put_rest(int64_t *at, const void *selected, const void *failed, const void *reason) {
    *at++ = (int64_t)(intptr_t)selected;
    *at++ = 0;
    *at++ = (int64_t)(intptr_t)failed;
    *at++ = 0;
    *at++ = (int64_t)(intptr_t)reason;
}

static void put_constant(int64_t **at, Kind kind, const ConstantValue *value) {
    bool is_text = kind == TEXT || kind == BYTES;
    if (kind != NONE) *(*at)++ = is_text ? (int64_t)(intptr_t)value->text : value->bits;
    if (is_text) *(*at)++ = value->size;
}

static void put_input(int64_t **at, const Input *input, int64_t ahead) {
    put_column(at, input->values, input->column->width, input->data, input->validity, input->row + ahead);
    if (!dfv_is_text_list(input->column->format)) return;
    *(*at)++ = (int64_t)(intptr_t)(input->piece ? input->piece->items : NULL);
    *(*at)++ = (int64_t)(intptr_t)(input->piece ? input->piece->item_data : NULL);
}

/* Fills the argument buffer for rows from `row` on; `ahead` rows lie between them and those at hand. */
static int64_t *put_arguments(Call *call, int64_t row, int64_t ahead) {
    const Function *function = call->function;
    int64_t *at = call->arguments;
    const Input *input = call->inputs;
    if (call->record) dfv_put_state(call->record, &at);
    for (int i = 0; i < function->parameter_count; i++) {
        int which = function->parameters[i].which;
        if (which < 0) {
            put_constant(&at, function->constants[~which].kind, call->options.constants + ~which);
            continue;
        }
        const Input *stop = input + input->column->part->count;
        for (; input < stop; input++) put_input(&at, input, ahead);
    }
    if (call->gives_rows) dfv_put_outputs(call, &at, row + ahead);
    return at; /* where the selection, the failed rows and the reason go */
}

/* -- rows that fail --------------------------------------------------------------------------------------- */

/* The format of a result, which are numbered from 1 on. */
static const char *format_of_result(const Call *call, int64_t number) {
    const Output *output = call->signature->outputs;
    while (--number) output += output->count;
    return output->format;
}

void dfv_say_reason(const Call *call, const int64_t *reason) {
    char text[80];
    for (int i = 0; reason[0] && i < dfv_exception_count; i++) {
        const ExceptionText *known = dfv_exceptions + i;
        if (known->size != reason[1] || memcmp(known->pickle, (const void *)(intptr_t)reason[0], (size_t)known->size))
            continue;
        const char *message = *known->message ? known->message : dfv_noted();
        dfv_say(*message ? "%s: %s%s" : "%s%s%s", known->kind, message, *message ? known->place : known->line);
        return;
    }
    if (!reason[0] && reason[1])
        dfv_say("OverflowError: the result does not fit %s", dfv_dtype(format_of_result(call, reason[1]), text, sizeof text));
    else if (call->record)
        dfv_say("the next state isn't like the one before");
    else
        dfv_say("compiled code found no result");
}

/* Runs a row that fails once more, to learn why. */
static void find_reason(Call *call, int64_t row, int64_t ahead, int64_t *reason) {
    uint64_t selected = 1, failed = 0;
    Loop loop = call->signature->notes ? call->signature->notes : call->signature->records;
    reason[0] = reason[1] = 0;
    dfv_forget_note();
    dfv_put_rest(put_arguments(call, row, ahead), &selected, &failed, reason);
    loop(call->arguments, 1);
}

static void say_failure(Call *call, int64_t row, int64_t ahead) {
    const Function *function = call->function;
    const char *before = "";
    int64_t reason[2];
    find_reason(call, row, ahead, reason);
    dfv_say("plugin `%s`: row %" PRId64 " of a batch of %" PRId64 " (", function->name, row + ahead, call->rows);
    const Input *input = call->inputs;
    for (int i = 0; i < function->parameter_count; i++) {
        const Parameter *parameter = function->parameters + i;
        if (parameter->which < 0) continue;
        if (!parameter->offset) {
            dfv_say("%s%s=", before, function->columns[parameter->which]);
            dfv_say_input(input, ahead);
            before = ", ";
        }
        input += input->column->part->count;
    }
    dfv_say("): ");
    dfv_say_reason(call, reason);
    dfv_say("; pass on_error=\"null\" to go on without such rows");
}

bool dfv_keep_error(Call *call, int64_t row) {
    bool kept = dfv_add_error(&call->errors, row, dfv_message());
    dfv_clear();
    return kept || dfv_say_no_memory(call->function);
}

/* Puts the reason of a row that fails beside its result, which is null. Beside that of a reduce is the first. */
static bool keep_reason(Call *call, int64_t row, int64_t ahead) {
    int64_t reason[2];
    if (!call->gives_rows && call->errors.count) return true;
    find_reason(call, row, ahead, reason);
    if (!call->gives_rows) dfv_say("row %" PRId64 ": ", row + ahead);
    dfv_say_reason(call, reason);
    return dfv_keep_error(call, call->gives_rows ? row + ahead : 0);
}

/* Runs rows of which some fail: they become null, or the first of them is what the call fails with. */
static bool record(Call *call, int64_t row, int64_t ahead, int64_t count) {
    OnError on_error = call->options.on_error;
    size_t bytes = (size_t)(count + 63) / 64 * 8;
    if (call->gives_rows && !dfv_add_validity(call)) return false;
    memset(call->selected, 0xff, bytes);
    memset(call->failed, 0, bytes);
    dfv_put_rest(put_arguments(call, row, ahead), call->selected, call->failed, NULL);
    call->signature->records(call->arguments, count);
    if (!dfv_is_whole(call)) return false;
    for (int64_t i = 0; on_error != GIVE_NULL && i < count; i++) {
        if (!(call->failed[i / 64] >> (i % 64) & 1)) continue;
        if (on_error == RAISE) {
            say_failure(call, row, ahead + i);
            return false;
        }
        if (!keep_reason(call, row, ahead + i)) return false;
    }
    return true;
}

/* -- all rows --------------------------------------------------------------------------------------------- */

static Loop first_loop(const Call *call, bool nulls) {
    Loop loop = (call->wide ? call->signature->wide : call->signature->loops)[nulls];
    return loop || !dfv_obtain ? loop : dfv_obtain(call->signature, nulls ? NULLS : NO_NULLS);
}

static Loop general_loop(const Call *call) {
    Loop loop = call->signature->general;
    return loop || !dfv_obtain ? loop : dfv_obtain(call->signature, GENERAL);
}

static bool say_no_loop(const Call *call) {
    dfv_say("plugin `%s`: its loop couldn't be compiled", call->function->name);
    return false;
}

/* Goes on with the state from row to row. A row that fails leaves it as it was. */
static bool fold(Call *call, int64_t row, int64_t count, bool nulls) {
    Loop loop = first_loop(call, nulls);
    const State *state = call->signature->state;
    for (int64_t done = 0; done < count;) {
        dfv_put_rest(put_arguments(call, row, done), NULL, NULL, NULL);
        if (state->has_arrays) memcpy(call->before, call->record, (size_t)state->size);
        int64_t stopped = loop(call->arguments, count - done);
        if (!stopped) break;
        if (state->has_arrays) {
            memcpy(call->record, call->before, (size_t)state->size);
            loop(call->arguments, stopped - 1);
        }
        done += stopped;
        if (!record(call, row, done - 1, 1)) return false;
    }
    return dfv_is_whole(call);
}

static bool run_some(Call *call, int64_t row, int64_t count, bool nulls) {
    Loop loop = first_loop(call, nulls), general;
    if (!loop) return say_no_loop(call);
    dfv_put_rest(put_arguments(call, row, 0), NULL, NULL, NULL);
    /* The first loop takes text for ASCII. */
    if (call->options.is_ascii && !loop(call->arguments, count)) return dfv_is_whole(call);
    if (call->only_first) return false;
    if ((general = general_loop(call))) {
        if (!dfv_add_validity(call)) return false; /* which it writes in any case */
        dfv_put_rest(put_arguments(call, row, 0), NULL, NULL, NULL);
        if (!general(call->arguments, count)) return dfv_is_whole(call);
    }
    if (!call->signature->records) return say_no_loop(call);
    return dfv_is_whole(call) && record(call, row, 0, count);
}

/* Returns how many rows can go through a loop at once, and whether some of them may be null. */
static int64_t seek(Call *call, int64_t most, bool *nulls) {
    *nulls = false;
    for (Input *input = call->inputs; input < call->inputs + call->input_count; input++) {
        dfv_seek(input);
        if (input->left < most) most = input->left;
        *nulls |= input->validity && !input->is_field; /* fields have theirs looked at where they may be null */
    }
    return most;
}

static void move(Call *call, int64_t rows) {
    for (int i = 0; i < call->input_count; i++) dfv_move(call->inputs + i, rows);
}

bool dfv_run_rows(Call *call, int64_t row, int64_t stop) {
    bool nulls;
    for (int64_t count; row < stop; row += count) {
        count = seek(call, stop - row < CHUNK ? stop - row : CHUNK, &nulls);
        if (!run_some(call, row, count, nulls)) return false;
        move(call, count);
    }
    return true;
}

bool dfv_run(Call *call) {
    const State *state = call->signature->state;
    int64_t partition = state && state->partition_rows ? state->partition_rows : INT64_MAX;
    bool nulls = call->gives_rows && call->nulls;
    for (int i = 0; i < call->function->parameter_count; i++) nulls |= call->function->parameters[i].offset != 0;
    if (!open_outputs(call, nulls)) return dfv_say_no_memory(call->function);
    if (!state) return dfv_share ? dfv_share(call) : dfv_run_rows(call, 0, call->rows);
    if (!dfv_open_state(call)) return false;
    for (int64_t row = 0, count; row < call->rows; row += count) {
        if (row && row % partition == 0 && !dfv_next_partition(call)) return false;
        int64_t most = partition - row % partition;
        if (call->rows - row < most) most = call->rows - row;
        count = seek(call, most < CHUNK ? most : CHUNK, &nulls);
        if (!fold(call, row, count, nulls)) return false;
        move(call, count);
    }
    return call->gives_rows || dfv_finish(call);
}
