/* The keyword arguments of a call. Polars passes them as Python pickles them (protocol 5), a dict of names to
   plain values: so much of the format is read here.

   Source: CPython, Lib/pickletools.py. */

#include "plugin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NOTHING, OTHER_MARK, NAME, TRUTH, WHOLE, REAL } Kind;

typedef struct {
    Kind kind;
    int64_t whole;
    double real;
    const char *text;
    size_t size;
} Value;

#define MOST_VALUES (4 * MAX_CONSTANTS)

typedef struct {
    const uint8_t *at, *end;
    Value stack[MOST_VALUES], memo[MOST_VALUES];
    int depth, memorised;
} Reader;

static uint64_t little(Reader *reader, int bytes) {
    uint64_t value = 0;
    if (reader->end - reader->at < bytes) {
        reader->at = reader->end;
        return 0;
    }
    for (int i = 0; i < bytes; i++) value |= (uint64_t)*reader->at++ << (8 * i);
    return value;
}

static bool push(Reader *reader, Value value) {
    if (reader->depth == MOST_VALUES) return false;
    reader->stack[reader->depth++] = value;
    return true;
}

static bool push_text(Reader *reader, uint64_t size) {
    if ((uint64_t)(reader->end - reader->at) < size) return false;
    Value value = {NAME, 0, 0, (const char *)reader->at, size};
    reader->at += size;
    return push(reader, value);
}

static bool push_long(Reader *reader) {
    uint64_t bytes = little(reader, 1);
    if (bytes > 8) return false; /* no column or constant holds it */
    uint64_t value = little(reader, (int)bytes);
    if (bytes && bytes < 8 && value >> (8 * bytes - 1)) value |= ~(uint64_t)0 << (8 * bytes);
    return push(reader, (Value){WHOLE, (int64_t)value, 0, NULL, 0});
}

static bool push_real(Reader *reader) {
    uint64_t bits = __builtin_bswap64(little(reader, 8));
    Value value = {REAL, 0, 0, NULL, 0};
    memcpy(&value.real, &bits, 8);
    return push(reader, value);
}

static bool push_remembered(Reader *reader, uint64_t index) {
    return index < (uint64_t)reader->memorised && push(reader, reader->memo[index]);
}

/* Reads one instruction. Below the mark of a dict lies the dict itself; names and values stay on the stack. */
static bool step(Reader *reader, uint8_t code) {
    switch (code) {
    case 0x80: little(reader, 1); return true;                                       /* PROTO */
    case 0x95: little(reader, 8); return true;                                       /* FRAME */
    case '}': case '(': return push(reader, (Value){OTHER_MARK, 0, 0, NULL, 0});     /* EMPTY_DICT, MARK */
    case 'u': case 's': return true;                                                 /* SETITEMS, SETITEM */
    case 0x94:                                                                       /* MEMOIZE */
        if (reader->memorised == MOST_VALUES || !reader->depth) return false;
        reader->memo[reader->memorised++] = reader->stack[reader->depth - 1];
        return true;
    case 'h': return push_remembered(reader, little(reader, 1));                     /* BINGET */
    case 'j': return push_remembered(reader, little(reader, 4));                     /* LONG_BINGET */
    case 0x8c: return push_text(reader, little(reader, 1));                          /* SHORT_BINUNICODE */
    case 'X': return push_text(reader, little(reader, 4));                           /* BINUNICODE */
    case 'N': return push(reader, (Value){NOTHING, 0, 0, NULL, 0});                  /* NONE */
    case 0x88: return push(reader, (Value){TRUTH, 1, 1, NULL, 0});                   /* NEWTRUE */
    case 0x89: return push(reader, (Value){TRUTH, 0, 0, NULL, 0});                   /* NEWFALSE */
    case 'K': return push(reader, (Value){WHOLE, (int64_t)little(reader, 1), 0, NULL, 0});          /* BININT1 */
    case 'M': return push(reader, (Value){WHOLE, (int64_t)little(reader, 2), 0, NULL, 0});          /* BININT2 */
    case 'J': return push(reader, (Value){WHOLE, (int32_t)little(reader, 4), 0, NULL, 0});          /* BININT */
    case 0x8a: return push_long(reader);                                             /* LONG1 */
    case 'G': return push_real(reader);                                              /* BINFLOAT */
    default: return false;
    }
}

static bool is_named(const Value *value, const char *name) {
    return value->kind == NAME && value->size == strlen(name) && !memcmp(value->text, name, value->size);
}

static bool set_constant(const Function *function, int i, const Value *value, Options *options) {
    const ConstantParameter *constant = function->constants + i;
    int64_t *bits = options->constants + i;
    if (constant->kind == FLOAT && (value->kind == REAL || value->kind == WHOLE)) {
        double real = value->kind == REAL ? value->real : (double)value->whole;
        memcpy(bits, &real, 8);
        return true;
    }
    if (value->kind == (constant->kind == BOOLEAN ? TRUTH : WHOLE) && constant->kind != FLOAT) {
        *bits = value->whole;
        return true;
    }
    const char *expected = constant->kind == FLOAT     ? "a number"
                           : constant->kind == BOOLEAN ? "True or False"
                                                       : "an integer of 64 bits";
    dfv_say("plugin `%s`: constant `%s` must be %s", function->name, constant->name, expected);
    return false;
}

static bool set_option(const Function *function, const Value *name, const Value *value, Options *options) {
    if (is_named(name, "on_error")) {
        static const char *const known[] = {[RAISE] = "raise", [GIVE_NULL] = "null", [GIVE_STRUCT] = "struct"};
        for (int i = 0; i < 3; i++) {
            options->on_error = (OnError)i;
            if (is_named(value, known[i])) return true;
        }
        dfv_say("plugin `%s`: on_error must be \"raise\", \"null\" or \"struct\"", function->name);
        return false;
    }
    for (int i = 0; i < function->constant_count; i++)
        if (is_named(name, function->constants[i].name)) return set_constant(function, i, value, options);
    dfv_say("plugin `%s`: it has no constant `%.*s`; it has", function->name, (int)name->size,
            name->kind == NAME ? name->text : "");
    for (int i = 0; i < function->constant_count; i++) dfv_say(" `%s`,", function->constants[i].name);
    dfv_say(" `on_error`");
    return false;
}

bool dfv_read_options(const Function *function, const uint8_t *pickle, size_t size, Options *options) {
    for (int i = 0; i < function->constant_count; i++) options->constants[i] = function->constants[i].bits;
    options->on_error = RAISE;
    if (!size) return true;
    Reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        dfv_say("plugin `%s`: not enough memory", function->name);
        return false;
    }
    reader->at = pickle;
    reader->end = pickle + size;
    bool read = false;
    while (reader->at < reader->end) {
        uint8_t code = *reader->at++;
        if ((read = code == '.') || !step(reader, code)) break; /* STOP */
    }
    if (!read) dfv_say("plugin `%s`: constants are numbers, True or False", function->name);
    Value *pairs = reader->stack, *last = reader->stack + reader->depth;
    while (read && pairs < last) {
        if (pairs->kind == OTHER_MARK) {
            pairs++;
            continue;
        }
        read = pairs + 1 < last && set_option(function, pairs, pairs + 1, options);
        pairs += 2;
    }
    free(reader);
    return read;
}
