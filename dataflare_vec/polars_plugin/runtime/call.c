/* One call of Polars: columns in, a column out. */

#include "call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_BYTES 1024 /* `MOST_BYTES` of `formats.py` */

/* -- planning --------------------------------------------------------------------------------------------- */

static bool is_processor_known(const Function *function) {
    if (dfv_processor() >= dfv_needs) return true;
    dfv_say("plugin `%s`: the library `%s` is for %s, which this one isn't", function->name, dfv_library,
            dfv_needs == FIT ? "x86-64-v3 processors (2013 and later)" : "x86-64-v4 processors (with AVX-512)");
    return false;
}

static void say_types(const Function *function, const char *const *formats) {
    char text[FORMAT_BYTES];
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

void dfv_field(const Function *function, const ArrowSchema *fields, size_t count, const uint8_t *pickle,
               size_t size, ArrowSchema *out) {
    Options options;
    const char *formats[MAX_COLUMNS];
    char texts[MAX_COLUMNS][FORMAT_BYTES];
    memset(out, 0, sizeof *out);
    if (!begin(function, count, pickle, size, &options)) return;
    for (size_t i = 0; i < count; i++) formats[i] = dfv_format_of(fields + i, texts[i], FORMAT_BYTES);
    const Signature *signature = signature_for(function, formats);
    if (signature && !dfv_export_schema(signature, options.on_error, fields[0].name, out))
        dfv_say_no_memory(function);
}

/* -- the call --------------------------------------------------------------------------------------------- */

static bool open_columns(Call *call, const SeriesExport *inputs) {
    const Function *function = call->function;
    const Signature *signature = call->signature;
    int64_t rows = 1;
    for (int i = 0, part = 0; i < function->column_count; part += signature->parts[part].count, i++) {
        Column *column = call->columns + part;
        call->first[i] = part;
        if (!dfv_open_column(signature->parts + part, inputs + i, column)) return dfv_say_no_memory(function);
        for (size_t piece = 0; piece < column->piece_count; piece++)
            call->nulls |= column->pieces[piece].validity != NULL;
        if (column->rows != 1 && rows != 1 && column->rows != rows) {
            dfv_say("plugin `%s`: column `%s` has %" PRId64 " rows, others have %" PRId64, function->name,
                    function->columns[i], column->rows, rows);
            return false;
        }
        if (column->rows != 1) rows = column->rows;
    }
    call->rows = rows;
    call->result_rows = call->gives_rows ? rows : 1;
    for (int i = 0; rows > 1 && i < signature->part_count; i++)
        if (call->columns[i].rows == 1 && !dfv_repeat(call->columns + i, rows)) return dfv_say_no_memory(function);
    return true;
}

static bool open_inputs(Call *call) {
    const Function *function = call->function;
    int count = 0, others = 0;
    for (int i = 0; i < function->parameter_count; i++) {
        int which = function->parameters[i].which;
        if (which < 0)
            others++;
        else
            count += call->signature->parts[call->first[which]].count;
    }
    size_t words = 6 * (size_t)(count + others + call->signature->output_count) + 9; /* see `put_arguments` */
    call->inputs = malloc((size_t)count * sizeof *call->inputs);
    call->arguments = malloc(words * sizeof *call->arguments);
    if (!call->inputs || !call->arguments) return dfv_say_no_memory(function);
    for (int i = 0; i < function->parameter_count; i++) {
        const Parameter *parameter = function->parameters + i;
        if (parameter->which < 0) continue;
        const Column *columns = call->columns + call->first[parameter->which];
        call->input_count += dfv_open_inputs(columns, parameter->offset, call->inputs + call->input_count);
    }
    return true;
}

static void compute(Call *call, const SeriesExport *inputs, SeriesExport *out) {
    const State *state = call->signature->state;
    call->gives_rows = !state || !state->finish[0];
    if (!open_columns(call, inputs) || !open_inputs(call)) return;
    call->wide = call->signature->wide[0] && dfv_processor() == WIDE;
    if (!dfv_run(call)) return;
    ErrorColumn *errors = call->options.on_error == GIVE_STRUCT ? &call->errors : NULL;
    const char *name = inputs[0].field->name;
    if (!dfv_export_series(call->signature, name, call->outputs, errors, call->result_rows, out))
        dfv_say_no_memory(call->function);
}

static void drop(Call *call) {
    dfv_drop_columns(call->signature, call->outputs);
    dfv_drop_column(&call->errors.column);
    for (int i = 0; i < call->signature->part_count; i++) dfv_close_column(call->columns + i);
    free(call->inputs);
    free(call->arguments);
    dfv_close_state(call);
}

/* The inputs are the plugin's: their arrays, and what holds these. */
void dfv_release_inputs(SeriesExport *inputs, size_t count) {
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
    char texts[MAX_COLUMNS][FORMAT_BYTES];
    Call own, *call = &own;
    memset(out, 0, sizeof *out);
    memset(call, 0, offsetof(Call, selected));
    if (begin(function, count, pickle, size, &call->options)) {
        for (size_t i = 0; i < count; i++) formats[i] = dfv_format_of(inputs[i].field, texts[i], FORMAT_BYTES);
        call->function = function;
        call->signature = signature_for(function, formats);
        if (call->signature) {
            compute(call, inputs, out);
            drop(call);
        }
    }
    dfv_release_inputs(inputs, count);
}

/* -- what Polars asks of any library ---------------------------------------------------------------------- */

DFV_EXPORT uint32_t _polars_plugin_get_version(void) { return 0 << 16 | 1; }

DFV_EXPORT const char *_polars_plugin_get_last_error_message(void) { return dfv_message(); }
