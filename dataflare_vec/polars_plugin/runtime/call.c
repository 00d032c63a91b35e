/* One call of Polars: columns in, loops over their rows, a column out. */

#include "plugin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What loops of unknown length look at: nobody interrupts them here. */
__attribute__((visibility("hidden"))) int64_t dfv_interrupted = 0;

typedef struct {
    const Function *function;
    const Signature *signature;
    Options options;
    InputColumn inputs[MAX_COLUMNS];
    OutputColumn outputs[MAX_COLUMNS];
    ErrorColumn errors;
    int64_t rows;
    bool nulls;
    Loop loop; /* the one that is tried first */
    int64_t arguments[4 * (2 * MAX_COLUMNS) + 2 * MAX_CONSTANTS + 5];
    uint64_t selected[CHUNK / 64], failed[CHUNK / 64];
} Call;

/* -- planning --------------------------------------------------------------------------------------------- */

static bool is_processor_known(const Function *function) {
    if (dfv_processor() >= dfv_needs) return true;
    dfv_say("plugin `%s`: the library `%s` is for %s, which this one isn't", function->name, dfv_library,
            dfv_needs == FIT ? "x86-64-v3 processors (2013 and later)" : "x86-64-v4 processors (with AVX-512)");
    return false;
}

static void say_types(const Function *function, const char *const *formats) {
    char text[80];
    dfv_say("(");
    for (int i = 0; i < function->column_count; i++)
        dfv_say("%s%s: %s", i ? ", " : "", function->columns[i], dfv_dtype(formats[i], text, sizeof text));
    dfv_say(")");
}

static bool begin(const Function *function, size_t count, const uint8_t *pickle, size_t size, Options *options) {
    dfv_clear();
    if (!is_processor_known(function)) return false;
    if (!dfv_has_keys()) {
        dfv_say("plugin `%s`: the process has no thread-specific keys left (pthread_key_create)", function->name);
        return false;
    }
    if (count != (size_t)function->column_count) {
        dfv_say("plugin `%s`: it reads %d columns, got %zu", function->name, function->column_count, count);
        return false;
    }
    return dfv_read_options(function, pickle, size, options);
}

static const Signature *signature_for(const Function *function, const char *const *formats) {
    for (int i = 0; i < function->signature_count; i++) {
        const Signature *signature = function->signatures + i;
        int column = 0;
        while (column < function->column_count && !strcmp(signature->inputs[column], formats[column])) column++;
        if (column == function->column_count) return signature;
    }
    dfv_say("plugin `%s`: it wasn't built for ", function->name);
    say_types(function, formats);
    dfv_say(", but for ");
    for (int i = 0; i < function->signature_count; i++) {
        if (i) dfv_say(", ");
        say_types(function, function->signatures[i].inputs);
    }
    dfv_say("; convert with `.cast(…)`, or have it built for these too (`schema`)");
    return NULL;
}

/* A dictionary's format is that of its codes. */
static const char *format_of(const ArrowSchema *field) { return field->dictionary ? "dictionary" : field->format; }

void dfv_field(const Function *function, const ArrowSchema *fields, size_t count, const uint8_t *pickle,
               size_t size, ArrowSchema *out) {
    Options options;
    const char *formats[MAX_COLUMNS];
    memset(out, 0, sizeof *out);
    if (!begin(function, count, pickle, size, &options)) return;
    for (size_t i = 0; i < count; i++) formats[i] = format_of(fields + i);
    const Signature *signature = signature_for(function, formats);
    if (signature && !dfv_export_schema(signature, options.on_error, fields[0].name, out))
        dfv_say("plugin `%s`: not enough memory", function->name);
}

/* -- columns ---------------------------------------------------------------------------------------------- */

static bool add_validity(Call *call, OutputColumn *column) {
    if (column->validity) return true;
    column->validity_size = (size_t)(call->rows + 7) / 8;
    column->validity = dfv_allocate(column->validity_size);
    if (!column->validity) return false;
    memset(column->validity, 0xff, column->validity_size);
    return true;
}

static bool open_outputs(Call *call) {
    for (int i = 0; i < call->signature->output_count; i++) {
        const Output *output = call->signature->outputs + i;
        OutputColumn *column = call->outputs + i;
        int width = dfv_width(output->format);
        column->values_size = width ? (size_t)call->rows * (size_t)width : (size_t)(call->rows + 7) / 8;
        column->values = dfv_allocate(column->values_size);
        if (!column->values) return false;
        if (dfv_is_view(output->format) && !(column->data = dfv_open_data(call->rows))) return false;
        if (!width) memset(column->values, 0, column->values_size); /* loops write some bits of a byte */
        if ((call->nulls || output->nullable) && !add_validity(call, column)) return false;
    }
    return call->options.on_error != GIVE_STRUCT || dfv_open_errors(&call->errors, call->rows);
}

/* -- rows ------------------------------------------------------------------------------------------------- */

/* Of a column of views `data` is the table of its data buffers, or what a loop writes these through. */
static void put_column(
    int64_t **at, const void *values, int width, const void *data, const void *validity, int64_t row) {
    *(*at)++ = (int64_t)(intptr_t)((const uint8_t *)values + row * width);
    *(*at)++ = width ? (int64_t)(intptr_t)data : row;
    *(*at)++ = (int64_t)(intptr_t)validity;
    *(*at)++ = row;
}

static void put_constant(int64_t **at, Kind kind, const ConstantValue *value) {
    bool is_text = kind == TEXT || kind == BYTES;
    if (kind != NONE) *(*at)++ = is_text ? (int64_t)(intptr_t)value->text : value->bits;
    if (is_text) *(*at)++ = value->size;
}

/* Fills the argument buffer for rows from `row` on; `ahead` rows lie between them and those at hand. */
static int64_t *put_arguments(Call *call, int64_t row, int64_t ahead) {
    const Function *function = call->function;
    int64_t *at = call->arguments;
    for (int i = 0; i < function->column_count + function->constant_count; i++) {
        int which = function->parameters[i];
        if (which < 0) {
            put_constant(&at, function->constants[~which].kind, call->options.constants + ~which);
            continue;
        }
        const InputColumn *column = call->inputs + which;
        put_column(&at, column->values, column->width, column->data, column->validity, column->row + ahead);
    }
    for (int i = 0; i < call->signature->output_count; i++) {
        const OutputColumn *column = call->outputs + i;
        int width = dfv_width(call->signature->outputs[i].format);
        put_column(&at, column->values, width, column->data, column->validity, row + ahead);
    }
    return at; /* where the selection, the failed rows and the reason go */
}

static void put_rest(int64_t *at, const void *selected, const void *failed, const void *reason) {
    *at++ = (int64_t)(intptr_t)selected;
    *at++ = 0;
    *at++ = (int64_t)(intptr_t)failed;
    *at++ = 0;
    *at++ = (int64_t)(intptr_t)reason;
}

static void say_reason(const Call *call, const int64_t *reason) {
    char text[80];
    for (int i = 0; reason[0] && i < dfv_exception_count; i++) {
        const ExceptionText *known = dfv_exceptions + i;
        if (known->size != reason[1] || memcmp(known->pickle, (const void *)(intptr_t)reason[0], (size_t)known->size))
            continue;
        dfv_say("%s", known->text);
        return;
    }
    if (!reason[0] && reason[1])
        dfv_say("OverflowError: the result does not fit %s",
                dfv_dtype(call->signature->outputs[reason[1] - 1].format, text, sizeof text));
    else
        dfv_say("compiled code found no result");
}

/* Runs a row that fails once more, to learn why. */
static void find_reason(Call *call, int64_t row, int64_t ahead, int64_t *reason) {
    uint64_t selected = 1, failed = 0;
    reason[0] = reason[1] = 0;
    put_rest(put_arguments(call, row, ahead), &selected, &failed, reason);
    call->signature->records(call->arguments, 1);
}

static void say_failure(Call *call, int64_t row, int64_t ahead) {
    const Function *function = call->function;
    int64_t reason[2];
    find_reason(call, row, ahead, reason);
    dfv_say("plugin `%s`: row %" PRId64 " of a batch of %" PRId64 " (", function->name, row + ahead, call->rows);
    for (int i = 0; i < function->column_count; i++) {
        dfv_say("%s%s=", i ? ", " : "", function->columns[i]);
        dfv_say_input(call->inputs + i, ahead);
    }
    dfv_say("): ");
    say_reason(call, reason);
    dfv_say("; pass on_error=\"null\" to go on without such rows");
}

/* Puts the reason of a row that fails beside its result, which is null. */
static bool keep_error(Call *call, int64_t row, int64_t ahead) {
    int64_t reason[2];
    find_reason(call, row, ahead, reason);
    say_reason(call, reason);
    bool kept = dfv_add_error(&call->errors, row + ahead, dfv_message());
    dfv_clear();
    return kept;
}

/* Whether loops had room for all that they wrote. */
static bool is_whole(const Call *call) {
    for (int i = 0; i < call->signature->output_count; i++)
        if (!dfv_is_data_whole(call->outputs[i].data)) return false;
    return true;
}

/* Runs rows of which some fail: they become null, or the first of them is what the call fails with. */
static bool record(Call *call, int64_t row, int64_t count) {
    OnError on_error = call->options.on_error;
    bool has_memory = true;
    for (int i = 0; has_memory && i < call->signature->output_count; i++)
        has_memory = add_validity(call, call->outputs + i);
    if (has_memory) {
        memset(call->selected, 0xff, sizeof call->selected);
        memset(call->failed, 0, sizeof call->failed);
        put_rest(put_arguments(call, row, 0), call->selected, call->failed, NULL);
        call->signature->records(call->arguments, count);
        if (!is_whole(call)) return false;
    }
    for (int64_t i = 0; has_memory && on_error != GIVE_NULL && i < count; i++) {
        if (!(call->failed[i / 64] >> (i % 64) & 1)) continue;
        if (on_error == RAISE) {
            say_failure(call, row, i);
            return false;
        }
        has_memory = keep_error(call, row, i);
    }
    if (!has_memory) dfv_say("plugin `%s`: not enough memory", call->function->name);
    return has_memory;
}

static bool run(Call *call, int64_t row, int64_t count) {
    const Signature *signature = call->signature;
    put_rest(put_arguments(call, row, 0), NULL, NULL, NULL);
    /* The first loop takes text for ASCII. */
    if (call->options.is_ascii && !call->loop(call->arguments, count)) return is_whole(call);
    Loop general = signature->general[call->nulls];
    if (general && !general(call->arguments, count)) return is_whole(call);
    return is_whole(call) && record(call, row, count);
}

static bool run_all(Call *call) {
    int columns = call->function->column_count;
    for (int64_t row = 0, count; row < call->rows; row += count) {
        count = call->rows - row < CHUNK ? call->rows - row : CHUNK;
        for (int i = 0; i < columns; i++) {
            int64_t left = dfv_left(call->inputs + i);
            if (left < count) count = left;
        }
        if (!run(call, row, count)) return false;
        for (int i = 0; i < columns; i++) dfv_advance(call->inputs + i, count);
    }
    return true;
}

static void compute(Call *call, const SeriesExport *inputs, SeriesExport *out) {
    call->rows = dfv_open_inputs(call->function, call->signature, inputs, call->inputs, &call->nulls);
    if (call->rows < 0) return;
    if (!open_outputs(call)) {
        dfv_say("plugin `%s`: not enough memory", call->function->name);
        return;
    }
    bool wide = call->signature->wide[0] && dfv_processor() == WIDE;
    call->loop = (wide ? call->signature->wide : call->signature->loops)[call->nulls];
    if (!run_all(call)) return;
    ErrorColumn *errors = call->options.on_error == GIVE_STRUCT ? &call->errors : NULL;
    if (!dfv_export_series(call->signature, inputs[0].field->name, call->outputs, errors, call->rows, out))
        dfv_say("plugin `%s`: not enough memory", call->function->name);
}

/* The inputs are the plugin's: their arrays, and what holds these. */
static void release_inputs(SeriesExport *inputs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t part = 0; part < inputs[i].len; part++) {
            ArrowArray *array = inputs[i].arrays[part];
            if (array->release) array->release(array);
        }
        if (inputs[i].release) inputs[i].release(inputs + i);
    }
}

void dfv_call(const Function *function, SeriesExport *inputs, size_t count, const uint8_t *pickle, size_t size,
              SeriesExport *out) {
    const char *formats[MAX_COLUMNS];
    Call *call = calloc(1, sizeof *call);
    memset(out, 0, sizeof *out);
    dfv_clear();
    if (!call) dfv_say("plugin `%s`: not enough memory", function->name);
    if (call && begin(function, count, pickle, size, &call->options)) {
        for (size_t i = 0; i < count; i++) formats[i] = format_of(inputs[i].field);
        call->function = function;
        call->signature = signature_for(function, formats);
        if (call->signature) {
            compute(call, inputs, out);
            dfv_drop_columns(call->signature, call->outputs);
            dfv_drop_errors(&call->errors);
        }
        dfv_close_inputs(function, call->inputs);
    }
    free(call);
    release_inputs(inputs, count);
}

/* -- what Polars asks of any library ---------------------------------------------------------------------- */

DFV_EXPORT uint32_t _polars_plugin_get_version(void) { return 0 << 16 | 1; }

DFV_EXPORT const char *_polars_plugin_get_last_error_message(void) { return dfv_message(); }
