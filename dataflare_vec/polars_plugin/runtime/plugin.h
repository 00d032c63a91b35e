/* What a plugin library is made of: tables, which are written for each library, and the code that reads them.

   Arrow's structures are those of its C data interface. SeriesExport is Polars' own, of version 0.1 of the ABI
   of its plugins: a column of several arrays. */

#ifndef DFV_PLUGIN_H
#define DFV_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
} ArrowSchema;

typedef struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
} ArrowArray;

typedef struct SeriesExport {
    ArrowSchema *field;
    ArrowArray **arrays;
    size_t len;
    void (*release)(struct SeriesExport *);
    void *private_data;
} SeriesExport;

/* A loop over rows: see `compiler.jit.abi.arguments` for the arguments. Not 0 if a row failed. */
typedef int64_t (*Loop)(const int64_t *arguments, int64_t rows);

/* A column as loops read it, or a field of one: those of a struct are behind it, depth first. */
typedef struct {
    const char *format;
    int count;     /* 1, and what its fields take */
    int field;     /* which one of its struct's it is */
    bool nullable; /* the kernel gets None for a field that is null; else its struct counts as null */
} Part;

/* A column that loops write, or a field of one, as `Part`. */
typedef struct {
    const char *name, *format;
    int count;
    bool nullable; /* the kernel may return None for it */
} Output;

/* What a scan or a reduce carries from row to row: a record, whose address is the first argument of its loops.
   These stop at the first row that fails, and return 1 more than the number of rows before it. */
typedef struct {
    int64_t size;           /* of a record */
    const void *first;      /* the one before the first row; NULL for zeros */
    bool has_arrays;        /* a loop that has stopped leaves it as it was some rows before */
    int64_t partition_rows; /* so many rows have a record of their own, and these are merged; 0: all have one */
    Loop merge[2];          /* without and with a reason why it fails */
    Loop finish[3];         /* of a reduce: the loop that is tried first, the general one or NULL, with a reason */
} State;

/* The loops for one set of dtypes. */
typedef struct {
    const char *const *inputs; /* the columns' formats, with those of fields and items */
    const Part *parts;         /* of all columns */
    int part_count;
    const Output *outputs; /* with the fields of all */
    int output_count;
    Loop loops[2];    /* without, and with nulls */
    Loop general;     /* tried where those fail, with or without nulls; NULL where there is none */
    Loop records;     /* says which rows fail */
    Loop notes;       /* the same, with messages that are made when a row fails; NULL where there are none */
    Loop wide[2];     /* `loops` for processors with wider vectors; NULL where there are none */
    const State *state; /* NULL where rows know nothing of each other */
} Signature;

/* What values are that Polars passes as keyword arguments: those of constants, and others. */
typedef enum { NONE, BOOLEAN, INTEGER, FLOAT, TEXT, BYTES, DATE, DATETIME, TIME, TIMEDELTA, DECIMAL,
               TUPLE, CLASS, MARK, OTHER } Kind;

/* A constant as the argument buffer holds it: the bits of a number, address and size of text and bytes. */
typedef struct {
    int64_t bits;
    const char *text;
    int64_t size;
} ConstantValue;

typedef struct {
    const char *name;
    Kind kind;
    ConstantValue value; /* the default */
    int64_t scale;       /* of a decimal */
} ConstantParameter;

/* What the kernel receives: a constant, or one row of a column. */
typedef struct {
    int which;  /* a column's number, or ~ of a constant's */
    int offset; /* of the row, from the one that is computed */
} Parameter;

typedef struct {
    const char *name;
    const char *const *columns;
    int column_count;
    const ConstantParameter *constants;
    int constant_count;
    const Parameter *parameters; /* in the function's order */
    int parameter_count;
    const Signature *signatures;
    int signature_count;
    int threads; /* that share many rows, where something shares them out; see `dfv_share` */
} Function;

/* What is said of an exception that a kernel raises; the loop knows it by its pickle. */
typedef struct {
    const char *pickle;
    int64_t size;
    const char *kind, *message; /* "" if it has none, or makes it when it is raised */
    const char *place, *line;   /* the second for what has no message */
} ExceptionText;

/* Processors of a target: none that a library is for, all that it is for, and those with wide vectors. */
typedef enum { UNFIT, FIT, WIDE } Processor;

/* Tables of the library. */
extern const Processor dfv_needs;
extern const ExceptionText dfv_exceptions[];
extern const int dfv_exception_count;
extern const char dfv_library[];

#define MAX_COLUMNS 64
#define MAX_CONSTANTS 64

/* What becomes of a row that fails: the call does, its result is null, or null with the error beside it. */
typedef enum { RAISE, GIVE_NULL, GIVE_STRUCT } OnError;

/* What a call says beside its columns. */
typedef struct {
    ConstantValue constants[MAX_CONSTANTS];
    bool is_ascii; /* all text among them */
    OnError on_error;
} Options;

/* messages.c */
void dfv_clear(void);
void dfv_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *dfv_message(void);
void dfv_forget_note(void);
const char *dfv_noted(void); /* the message that the last exception has left, "" if it has left none */
void dfv_say_text(const char *text, size_t size, bool is_text); /* or bytes */
void dfv_say_value(const char *format, const void *values, const void *const *data, int64_t row);

/* pickle.c */
typedef struct {
    Kind kind;
    int64_t whole; /* of integers and what is one: days, microseconds, digits; of a tuple its first item */
    double real;
    const char *text;
    size_t size; /* of text, bytes and tuples; of a decimal how many digits are behind the point */
} Value;

/* Is given what has been read; false, and a message, if it isn't taken. */
typedef bool (*TakeOption)(void *taker, const Value *name, const Value *value);

/* How far a pickled dict was read: to its end, to what isn't known here, or to what wasn't taken. */
typedef enum { READ, UNREADABLE, NOT_TAKEN } Reading;
Reading dfv_read_pickle(const uint8_t *pickle, size_t size, TakeOption take, void *taker);

/* options.c: false, and a message, if they can't be read. */
bool dfv_read_options(const Function *function, const uint8_t *pickle, size_t size, Options *options);

/* processor.c: what the processor at hand is. */
Processor dfv_processor(void);

/* threads.c: false if the process has no more keys. */
bool dfv_has_keys(void);

/* memory.c */
extern size_t dfv_most_kept; /* bytes of blocks that nobody has at the moment */
void *dfv_allocate(size_t size);
void dfv_free(void *block, size_t size);

/* views.c */
#define VIEW_BYTES 16
#define INLINE_BYTES 12 /* of a value that its view holds by itself */

typedef struct {
    void *block;
    size_t size;
    int64_t used;
} DataBuffer;

/* What a loop writes strings and bytes through: the first words it knows by their place. */
typedef struct DataBuilder {
    int64_t next, end, start, index; /* of the buffer at hand */
    int64_t restarts;                /* whether each call of a loop starts it over: never here */
    struct DataBuilder *self;
    int64_t (*room)(struct DataBuilder *, int64_t bytes);
    DataBuffer *buffers;
    int64_t count, size; /* of the buffers; bytes of the next one */
    int64_t refused;     /* bytes of a value that there was no room for */
} DataBuilder;

DataBuilder *dfv_open_data(int64_t rows); /* NULL without memory */
bool dfv_is_data_whole(const DataBuilder *builder); /* false, and a message, if there was no room for a value */
int64_t dfv_close_data(DataBuilder *builder); /* how many buffers there are */
void dfv_drop_data(DataBuilder *builder);
/* Writes a value as loops do; returns where its bytes are, NULL without memory. */
const char *dfv_append(DataBuilder *builder, void *view, const char *text, size_t size);
const char *dfv_view(const void *views, const void *const *data, int64_t row, size_t *size);

/* columns.c */
int dfv_width(const char *format); /* bytes of a value as loops write it; 0 for a bit, -1 for what isn't known here */
bool dfv_is_view(const char *format);
bool dfv_is_struct(const char *format);
bool dfv_has_data(const char *format); /* whether loops write it through a data builder */
bool dfv_export_schema(const Signature *signature, OnError on_error, const char *name, ArrowSchema *schema);

typedef struct {
    void *values, *validity; /* no validity: no nulls */
    size_t values_size, validity_size;
    DataBuilder *data; /* of views */
} OutputColumn;

void dfv_drop_column(OutputColumn *column);

/* formats.c */
const char *dfv_format_of(const ArrowSchema *field, char *text, size_t size); /* in `text` if it takes more than one */
const char *dfv_dtype(const char *format, char *text, size_t size);
const char *dfv_unit_of(char letter); /* of time */

/* lists.c */
bool dfv_is_list(const char *format);
const char *dfv_items_of(const char *format);
bool dfv_gather(const char *format, OutputColumn *column, int64_t rows, OutputColumn *lists, OutputColumn *items,
                int64_t *count);

/* errors.c: false without memory. */
#define RECENT_ERRORS 8

typedef struct {
    const char *text;
    size_t size;
    char view[VIEW_BYTES];
} RecentError;

typedef struct {
    OutputColumn column;
    RecentError recent[RECENT_ERRORS];
    int64_t written, count; /* texts, and rows that have one */
} ErrorColumn;

bool dfv_open_errors(ErrorColumn *errors, int64_t rows);
bool dfv_add_error(ErrorColumn *errors, int64_t row, const char *text);

/* With errors it is a struct of value and error. */
bool dfv_export_series(const Signature *signature, const char *name, OutputColumn *columns, ErrorColumn *errors,
                       int64_t rows, SeriesExport *out);
void dfv_drop_columns(const Signature *signature, OutputColumn *columns);

/* call.c */
void dfv_call(const Function *function, SeriesExport *inputs, size_t count, const uint8_t *pickle, size_t size,
              SeriesExport *out);
void dfv_release_inputs(SeriesExport *inputs, size_t count);
void dfv_field(const Function *function, const ArrowSchema *fields, size_t count, const uint8_t *pickle,
               size_t size, ArrowSchema *out);

#ifdef _WIN32
#define DFV_EXPORT __declspec(dllexport)
#else
#define DFV_EXPORT __attribute__((visibility("default")))
#endif

/* The symbols by which Polars finds a function. */
#define DFV_FUNCTION(name)                                                                                     \
    DFV_EXPORT void _polars_plugin_##name(SeriesExport *inputs, size_t count, const uint8_t *pickle,           \
                                          size_t size, SeriesExport *out, const void *context) {               \
        (void)context;                                                                                         \
        dfv_call(&function_##name, inputs, count, pickle, size, out);                                          \
    }                                                                                                          \
    DFV_EXPORT void _polars_plugin_field_##name(const ArrowSchema *fields, size_t count, ArrowSchema *out,     \
                                                const uint8_t *pickle, size_t size) {                          \
        dfv_field(&function_##name, fields, count, pickle, size, out);                                         \
    }

#endif
