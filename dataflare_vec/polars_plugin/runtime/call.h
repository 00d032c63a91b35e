/* What one call of Polars works with. */

#ifndef DFV_CALL_H
#define DFV_CALL_H

#include "plugin.h"

/* Rows of a call of a loop: so many at most go once more, through a slower loop, where one of them fails; and
   so often is the value of a column repeated that has one for all rows. A multiple of 64. */
#define CHUNK 16384

#define PIECE_MEMORY 3

/* Rows of a column that lie one after the other. Values of lists are offsets. */
typedef struct {
    const uint8_t *values, *validity; /* no validity: no nulls */
    const void *const *data;          /* of views: where the data buffers lie; of lists the items */
    int64_t offset, rows;             /* how many rows of the buffers are before the first, and how many it has */
    const void *items;                /* of lists of views: these, and where their data buffers lie */
    const void *const *item_data;
    void *memory[PIECE_MEMORY];
} Piece;

typedef struct {
    const Part *part;
    const char *format;
    int width; /* bytes of a value, 0 for a bit */
    Piece *pieces, only;
    size_t piece_count;
    int64_t rows;
    bool repeats; /* its one piece holds the same value in each row, for as many rows as there are */
    void *memory[2];
} Column;

/* Where a code's text lies, as loops look it up; `size` says too if it isn't ASCII. */
typedef struct {
    const char *text;
    int64_t size;
} Category;

/* Where the rows of a column are, or those at some offset from them, while loops go from row to row. */
typedef struct {
    const Column *column;
    bool is_field; /* of a struct, which is before it */
    size_t next; /* the piece after the one at hand */
    const Piece *piece; /* NULL before the first and after the last */
    const uint8_t *values, *validity;
    const void *const *data;
    int64_t row, left; /* the row at hand within the buffers; from it on */
} Input;

typedef struct {
    const Function *function;
    const Signature *signature;
    Options options;
    Column columns[MAX_COLUMNS]; /* with their fields */
    int first[MAX_COLUMNS];      /* where among these a parameter's is */
    Input *inputs; /* of those parameters that are columns, each with its fields */
    int input_count;
    OutputColumn outputs[MAX_COLUMNS];
    ErrorColumn errors;
    int64_t rows, result_rows;
    bool nulls;      /* some column has one */
    bool wide;       /* loops with wider vectors are run */
    bool gives_rows; /* a row of results for each row: it is no reduce */
    bool only_first; /* rows that the loop which is tried first has no result for are left */
    uint8_t *record, *before, *merged; /* the state at hand, before a loop, and of the partitions before */
    bool has_merged;
    int64_t *arguments;
    uint64_t selected[CHUNK / 64], failed[CHUNK / 64];
} Call;

/* inputs.c */
bool dfv_open_column(const Part *part, const SeriesExport *series, Column *columns); /* false without memory */
bool dfv_own_validity(Piece *piece); /* in its first memory; the same */
bool dfv_repeat(Column *column, int64_t rows);
void dfv_close_column(Column *column);
int dfv_open_inputs(const Column *columns, int offset, Input *inputs); /* how many there are, with its fields */
void dfv_seek(Input *input); /* has rows at hand */
void dfv_move(Input *input, int64_t rows);
void dfv_say_input(const Input *input, int64_t ahead);

/* categories.c */
bool dfv_is_category(const char *format);
bool dfv_open_categories(const ArrowArray *array, int width, Piece *piece); /* false without memory */
void dfv_say_category(const Input *input, int64_t row);

/* lists.c */
int dfv_list_width(const char *format); /* bytes by which loops go from row to row */
bool dfv_is_text_list(const char *format);
bool dfv_open_list(const char *format, const ArrowArray *array, Piece *piece); /* false without memory, as these: */
bool dfv_repeat_list(const char *format, Piece *piece, int64_t rows);
void dfv_say_list(const char *format, const Piece *piece, int64_t row);

/* states.c: false, and a message, if it fails. */
bool dfv_open_state(Call *call);
void dfv_close_state(Call *call);
bool dfv_next_partition(Call *call); /* the rows that come next have a state of their own */
bool dfv_finish(Call *call);         /* makes the one row of a reduce */
void dfv_put_state(const uint8_t *record, int64_t **at);

/* rows.c */
bool dfv_say_no_memory(const Function *function); /* false */
void dfv_say_reason(const Call *call, const int64_t *reason);
bool dfv_add_validity(Call *call);
bool dfv_keep_error(Call *call, int64_t row); /* the message goes beside a row's result */
void dfv_put_outputs(Call *call, int64_t **at, int64_t row);
void dfv_put_rest(int64_t *at, const void *selected, const void *failed, const void *reason);
bool dfv_is_whole(const Call *call); /* whether loops had room for all that they wrote; false, and a message */
bool dfv_run(Call *call);            /* false, and a message, if it fails */
bool dfv_run_rows(Call *call, int64_t row, int64_t stop); /* the same, for some rows: its inputs are at the first */

/* What is set where functions aren't those of a library; see `bridge/bridge.c`. */
typedef enum { NO_NULLS, NULLS, GENERAL } WhichLoop;
extern Loop (*dfv_obtain)(const Signature *signature, WhichLoop which); /* a loop that isn't there yet; NULL if there is none */
extern bool (*dfv_share)(Call *call); /* runs all rows, of a row kernel; as `dfv_run` */

#endif
