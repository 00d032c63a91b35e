/* A library whose functions are in memory: expressions that a process has compiled, for Polars to call without
   Python. It is the same for all of them, and so it is built once for each machine. What is called, a site, is
   said by the keyword arguments, with a number that only this process knows. A plan that was sent here from
   another one says a site of that process: Python tells which one it is here, if it has unpickled the plan. */

#include "call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const Processor dfv_needs = UNFIT; /* loops are compiled for the processor at hand */
const char dfv_library[] = "bridge";
const ExceptionText dfv_exceptions[] = {{0}};
const int dfv_exception_count = 0;

/* What is compiled of a site for columns of some formats. Entries are added, and stay as long as the process. */
typedef struct Entry {
    const struct Entry *next;
    const Function *function; /* of one signature */
} Entry;

typedef struct {
    const Entry *_Atomic entries;
} Site;

#define USE_BYTES 16

/* What is pickled, as bytes. */
typedef struct {
    char mark[8];
    int64_t process;
    int64_t site; /* where it is in the memory of that process */
    char use[USE_BYTES];
} Said;

static const char mark[8] = "dfv site";

/* What Python does, and how it is told apart from other processes; nothing before it has said so. */
static struct {
    int64_t process;
    /* Whether a use of a site may run what is compiled for some formats: compiled now if it wasn't before. */
    int64_t (*plan)(const char *use, const char *const *formats, int64_t count);
    int64_t (*site_of)(const char *use);                          /* 0 if there is none */
    int64_t (*obtain)(const Signature *signature, int64_t which); /* 0 if there is none */
} python;

static Loop obtain(const Signature *signature, WhichLoop which) {
    return (Loop)(intptr_t)python.obtain(signature, which);
}

/* -- many rows, over threads ------------------------------------------------------------------------------ */

#define MANY_ROWS (1 << 17) /* more than the streaming engine passes at once: its threads are busy anyway */
#define STEP (1 << 16)
#define MAX_THREADS 256

typedef struct {
    const Call *call;
    bool only_first;
    atomic_int_fast64_t next;
    atomic_bool failed;
} Shared;

static void skip(Call *call, int64_t rows) {
    for (Input *input = call->inputs; input < call->inputs + call->input_count; input++) {
        if (input->column->repeats) continue;
        for (int64_t left = rows; left > 0;) {
            dfv_seek(input);
            int64_t some = input->left < left ? input->left : left;
            dfv_move(input, some);
            left -= some;
        }
    }
}

/* Takes rows until there are none left. Inputs and arguments are this thread's own. */
static void take_rows(Shared *shared, Call *own) {
    for (int64_t at = 0; !atomic_load(&shared->failed);) {
        int64_t row = atomic_fetch_add(&shared->next, STEP), stop = row + STEP;
        if (row >= own->rows) return;
        if (stop > own->rows) stop = own->rows;
        skip(own, row - at);
        if (!dfv_run_rows(own, row, stop)) atomic_store(&shared->failed, true);
        at = stop;
    }
}

static void *work(void *about) {
    Shared *shared = about;
    const Call *call = shared->call;
    size_t inputs = (size_t)call->input_count * sizeof *call->inputs;
    size_t words = (6 * (size_t)(call->function->parameter_count + call->signature->output_count) + 9) * sizeof(int64_t);
    Call *own = malloc(sizeof *own);
    void *memory = malloc(inputs + words);
    if (own && memory) {
        memcpy(own, call, sizeof *own);
        own->only_first = shared->only_first;
        own->inputs = memcpy(memory, call->inputs, inputs);
        own->arguments = (int64_t *)((char *)memory + inputs);
        take_rows(shared, own);
    } else {
        atomic_store(&shared->failed, true);
    }
    free(own);
    free(memory);
    return NULL;
}

static bool run_shared(const Call *call, bool only_first) {
    Shared shared = {.call = call, .only_first = only_first};
    pthread_t others[MAX_THREADS];
    int64_t most = (call->rows + STEP - 1) / STEP;
    int threads = call->function->threads, count = 0;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    if (threads > most) threads = (int)most;
    while (count < threads - 1 && !pthread_create(others + count, NULL, work, &shared)) count++;
    work(&shared);
    while (count) pthread_join(others[--count], NULL);
    return !shared.failed;
}

static bool share(Call *call) {
    if (call->rows < MANY_ROWS || call->function->threads < 2) return dfv_run_rows(call, 0, call->rows);
    if (run_shared(call, true)) return true;
    /* The general loop writes the validity, which there is one of for all threads. */
    if (!dfv_add_validity(call)) return false;
    if (run_shared(call, false)) return true;
    dfv_clear();
    dfv_say("plugin `%s`: its loop couldn't be run", call->function->name);
    return false;
}

/* -- sites ------------------------------------------------------------------------------------------------ */

/* Called by Python with what it does; `process` is told from others by it. Returns the sizes of structures that
   it fills. */
DFV_EXPORT int64_t dfv_bridge_open(int64_t process, void *plan, void *site_of, void *obtain_loop) {
    python.plan = (int64_t(*)(const char *, const char *const *, int64_t))plan;
    python.site_of = (int64_t(*)(const char *))site_of;
    python.obtain = (int64_t(*)(const Signature *, int64_t))obtain_loop;
    python.process = process;
    dfv_obtain = obtain;
    dfv_share = share;
    dfv_most_kept = (size_t)512 << 20;
    return (int64_t)(sizeof(Function) << 16 | sizeof(Signature));
}

/* Finds what is said in the keyword arguments, a pickle, with the site as it is here. */
static bool find_site(const uint8_t *pickle, size_t size, Said *said) {
    dfv_clear();
    for (size_t i = 0; i + sizeof *said <= size; i++) {
        if (memcmp(pickle + i, mark, sizeof mark)) continue;
        memcpy(said, pickle + i, sizeof *said);
        if (python.process && said->process != python.process) said->site = python.site_of(said->use);
        if (python.process && said->site) return true;
        break;
    }
    dfv_say("what `dataflare_vec.fuse` has compiled in one process can't be run in another one; pass on the query as "
            "a pickle, or serialised, and have `dataflare_vec` there");
    return false;
}

#define FORMAT_BYTES 1024

/* The formats of columns, which are there as long as `texts`. */
typedef struct {
    const char *formats[MAX_COLUMNS];
    char texts[MAX_COLUMNS][FORMAT_BYTES];
    size_t count;
} Formats;

static void add_format(const ArrowSchema *field, Formats *all) {
    all->formats[all->count] = dfv_format_of(field, all->texts[all->count], FORMAT_BYTES);
    all->count++;
}

static bool fits(const Function *function, const Formats *columns) {
    size_t i = 0;
    if ((size_t)function->column_count != columns->count) return false;
    while (i < columns->count && !strcmp(function->signatures->inputs[i], columns->formats[i])) i++;
    return i == columns->count;
}

static const Function *function_for(int64_t site, const Formats *columns) {
    const Entry *entry = ((const Site *)(intptr_t)site)->entries;
    while (entry && !fits(entry->function, columns)) entry = entry->next;
    return entry ? entry->function : NULL;
}

/* What this thread was told last: Polars asks several times when it plans a query. A yes stays one. */
static _Thread_local struct {
    char use[USE_BYTES];
    const Function *function;
} told;

/* Returns what Polars may call for columns; NULL if it is to call Python. */
static const Function *planned(const Said *said, const ArrowSchema *fields, size_t count) {
    Formats columns;
    columns.count = 0;
    for (size_t i = 0; i < count && count <= MAX_COLUMNS; i++) add_format(fields + i, &columns);
    if (columns.count != count) return NULL;
    if (told.function && !memcmp(told.use, said->use, USE_BYTES) && fits(told.function, &columns)) return told.function;
    if (!python.plan(said->use, columns.formats, (int64_t)count)) return NULL;
    memcpy(told.use, said->use, USE_BYTES);
    return told.function = function_for(said->site, &columns);
}

static void give_dtype(const char *format, const char *name, ArrowSchema *out) {
    const Output output = {name, format, 1, true};
    const Signature signature = {.outputs = &output, .output_count = 1};
    dfv_export_schema(&signature, RAISE, name, out);
}

/* -- what Polars calls ------------------------------------------------------------------------------------ */

/* The dtype says whether there is a function: Boolean, else UInt8. Nobody asks for values. */
DFV_EXPORT void _polars_plugin_field_is_compiled(const ArrowSchema *fields, size_t count, ArrowSchema *out,
                                                 const uint8_t *pickle, size_t size) {
    Said said;
    memset(out, 0, sizeof *out);
    if (find_site(pickle, size, &said)) give_dtype(planned(&said, fields, count) ? "b" : "C", fields[0].name, out);
}

DFV_EXPORT void _polars_plugin_is_compiled(SeriesExport *inputs, size_t count, const uint8_t *pickle, size_t size,
                                           SeriesExport *out, const void *context) {
    (void)pickle, (void)size, (void)context;
    memset(out, 0, sizeof *out);
    dfv_clear();
    dfv_say("`is_compiled` has a dtype, and no values");
    dfv_release_inputs(inputs, count);
}

/* Where there is no function the dtype is Null, which goes with any other. */
DFV_EXPORT void _polars_plugin_field_compiled(const ArrowSchema *fields, size_t count, ArrowSchema *out,
                                              const uint8_t *pickle, size_t size) {
    Said said;
    memset(out, 0, sizeof *out);
    if (!find_site(pickle, size, &said)) return;
    const Function *function = planned(&said, fields, count);
    if (function)
        dfv_export_schema(function->signatures, RAISE, fields[0].name, out);
    else
        give_dtype("n", fields[0].name, out);
}

static void give_nulls(const SeriesExport *inputs, SeriesExport *out) {
    const Output output = {"", "n", 1, true};
    const Signature signature = {.outputs = &output, .output_count = 1};
    OutputColumn column = {0};
    int64_t rows = 0;
    for (size_t i = 0; i < inputs->len; i++) rows += inputs->arrays[i]->length;
    dfv_export_series(&signature, inputs->field->name, &column, NULL, rows, out);
}

DFV_EXPORT void _polars_plugin_compiled(SeriesExport *inputs, size_t count, const uint8_t *pickle, size_t size,
                                        SeriesExport *out, const void *context) {
    (void)context;
    Said said;
    Formats columns;
    const Function *function = NULL;
    memset(out, 0, sizeof *out);
    columns.count = 0;
    if (find_site(pickle, size, &said)) {
        for (size_t i = 0; i < count && i < MAX_COLUMNS; i++) add_format(inputs[i].field, &columns);
        function = function_for(said.site, &columns);
        if (!function) give_nulls(inputs, out); /* which nobody takes */
    }
    if (function)
        dfv_call(function, inputs, count, NULL, 0, out); /* which lets go of them */
    else
        dfv_release_inputs(inputs, count);
}
