/* The keyword arguments of a call, as Polars passes them: a dict that Python has pickled (protocol 5). So much of
   the format is read here as plain values need, and those of `datetime` and `decimal`; what else there is becomes
   a value of no kind that a constant has.

   Source: CPython, Lib/pickletools.py; Modules/_datetimemodule.c on what these classes are made of. */

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

#define MOST_VALUES 1024

typedef struct {
    const uint8_t *at, *end;
    TakeOption take;
    void *taker;
    bool is_refused;
    Value stack[MOST_VALUES], memo[MOST_VALUES], items[MOST_VALUES]; /* items: of tuples */
    int depth, memorised, item_count;
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

static bool push_kind(Reader *reader, Kind kind) { return push(reader, (Value){.kind = kind}); }

static bool push_text(Reader *reader, Kind kind, uint64_t size) {
    if ((uint64_t)(reader->end - reader->at) < size) return false;
    Value value = {.kind = kind, .text = (const char *)reader->at, .size = (size_t)size};
    reader->at += size;
    return push(reader, value);
}

static bool push_whole(Reader *reader, int64_t whole) {
    return push(reader, (Value){.kind = INTEGER, .whole = whole});
}

static bool push_long(Reader *reader) {
    uint64_t bytes = little(reader, 1);
    if ((uint64_t)(reader->end - reader->at) < bytes) return false;
    if (bytes > 8) { /* no column or constant holds it */
        reader->at += bytes;
        return push_kind(reader, OTHER);
    }
    uint64_t value = little(reader, (int)bytes);
    if (bytes && bytes < 8 && value >> (8 * bytes - 1)) value |= ~(uint64_t)0 << (8 * bytes);
    return push_whole(reader, (int64_t)value);
}

static bool push_real(Reader *reader) {
    uint64_t bits = __builtin_bswap64(little(reader, 8));
    Value value = {.kind = FLOAT};
    memcpy(&value.real, &bits, 8);
    return push(reader, value);
}

static bool push_remembered(Reader *reader, uint64_t index) {
    return index < (uint64_t)reader->memorised && push(reader, reader->memo[index]);
}

/* -- objects ---------------------------------------------------------------------------------------------- */

/* Takes the topmost values from the stack, and puts a tuple of them there. */
static bool push_tuple(Reader *reader, int count) {
    if (reader->depth < count || reader->item_count + count > MOST_VALUES) return false;
    Value value = {.kind = TUPLE, .whole = reader->item_count, .size = (size_t)count};
    reader->depth -= count;
    memcpy(reader->items + reader->item_count, reader->stack + reader->depth, (size_t)count * sizeof(Value));
    reader->item_count += count;
    return push(reader, value);
}

/* How many values there are above the last mark; -1 without one. */
static int above_mark(const Reader *reader) {
    for (int i = reader->depth; i-- > 0;)
        if (reader->stack[i].kind == MARK) return reader->depth - i - 1;
    return -1;
}

/* Takes what is above the last mark from the stack, and the mark. */
static bool drop_above_mark(Reader *reader) {
    int count = above_mark(reader);
    reader->depth -= count + 1;
    return count >= 0;
}

static bool is_text(const Value *value, const char *text) {
    return value->kind == TEXT && value->size == strlen(text) && !memcmp(value->text, text, value->size);
}

/* A class is known by its module and its name, which are on the stack. */
static bool push_class(Reader *reader) {
    static const struct {
        const char *module, *name;
        Kind kind;
    } classes[] = {{"datetime", "date", DATE},
                   {"datetime", "datetime", DATETIME},
                   {"datetime", "time", TIME},
                   {"datetime", "timedelta", TIMEDELTA},
                   {"decimal", "Decimal", DECIMAL}};
    if (reader->depth < 2) return false;
    const Value *module = reader->stack + reader->depth - 2, *name = module + 1;
    Value found = {.kind = OTHER};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (is_text(module, classes[i].module) && is_text(name, classes[i].name))
            found = (Value){.kind = CLASS, .whole = classes[i].kind};
    reader->depth -= 2;
    return push(reader, found);
}

/* Days since 1970 of a date of the proleptic Gregorian calendar. Source: H. Hinnant, "chrono-Compatible Low-Level
   Date Algorithms", days_from_civil. */
static int64_t days_of(int year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t microseconds_of_day(const uint8_t *state) { /* hour, minute, second, and three bytes of the rest */
    int64_t seconds = ((state[0] & 0x7f) * 60 + state[1]) * 60 + state[2];
    return seconds * 1000000 + (state[3] << 16 | state[4] << 8 | state[5]);
}

/* From the bytes that an instant is pickled as: a date, of ten a datetime, of six a time. */
static Value instant_of(Kind kind, const Value *argument) {
    static const size_t sizes[] = {[DATE] = 4, [DATETIME] = 10, [TIME] = 6};
    const uint8_t *state = (const uint8_t *)argument->text;
    if (argument->kind != BYTES || argument->size != sizes[kind]) return (Value){.kind = OTHER};
    if (kind != DATE && state[kind == TIME ? 0 : 2] > 0x7f) return (Value){.kind = OTHER}; /* the second of two alike */
    Value value = {.kind = kind};
    if (kind != TIME) value.whole = days_of(state[0] << 8 | state[1], state[2], state[3]);
    if (kind == DATETIME) value.whole = value.whole * 86400000000 + microseconds_of_day(state + 4);
    if (kind == TIME) value.whole = microseconds_of_day(state);
    return value;
}

static Value span_of(const Value *arguments) { /* days, seconds, microseconds */
    Value value = {.kind = TIMEDELTA};
    for (int i = 0; i < 3; i++)
        if (arguments[i].kind != INTEGER) return (Value){.kind = OTHER};
    int64_t rest = arguments[1].whole * 1000000 + arguments[2].whole;
    if (__builtin_mul_overflow(arguments[0].whole, 86400000000, &value.whole) ||
        __builtin_add_overflow(value.whole, rest, &value.whole) || value.whole == INT64_MIN)
        value.kind = OTHER;
    return value;
}

/* From the text of a decimal: its digits as an integer, and how many of them are behind the point. */
static Value decimal_of(const Value *text) {
    const Value other = {.kind = OTHER};
    if (text->kind != TEXT || !text->size || text->size > 100) return other;
    char copy[101], *at = copy;
    memcpy(copy, text->text, text->size);
    copy[text->size] = '\0';
    bool negative = *at == '-', behind = false;
    int64_t digits = 0, scale = 0;
    for (at += *at == '-' || *at == '+'; (*at >= '0' && *at <= '9') || *at == '.'; at++) {
        if (*at == '.') {
            behind = true;
            continue;
        }
        int digit = negative ? '0' - *at : *at - '0';
        if (__builtin_mul_overflow(digits, 10, &digits) || __builtin_add_overflow(digits, digit, &digits)) return other;
        scale += behind;
    }
    if (*at == 'E') scale -= strtol(at + 1, &at, 10);
    if (*at) return other; /* infinities, and what is no number */
    for (; scale < 0; scale++)
        if (scale < -100 || __builtin_mul_overflow(digits, 10, &digits)) return other;
    return (Value){.kind = DECIMAL, .whole = digits, .size = (size_t)scale};
}

/* Calls a class with a tuple of arguments, both on the stack. */
static bool reduce(Reader *reader) {
    if (reader->depth < 2) return false;
    const Value *class = reader->stack + reader->depth - 2, *given = class + 1;
    const Value *arguments = reader->items + given->whole;
    Value made = {.kind = OTHER};
    if (class->kind == CLASS && given->kind == TUPLE) {
        Kind kind = (Kind)class->whole;
        if (kind == TIMEDELTA && given->size == 3) made = span_of(arguments);
        if (kind == DECIMAL && given->size == 1) made = decimal_of(arguments);
        if (kind != TIMEDELTA && kind != DECIMAL && given->size == 1) made = instant_of(kind, arguments);
    }
    reader->depth -= 2;
    return push(reader, made);
}

/* -- instructions ----------------------------------------------------------------------------------------- */

/* Takes names and values from the stack, and hands them on if they are of the outermost dict. */
static bool set_items(Reader *reader, int count, bool has_mark) {
    int below = reader->depth - count - has_mark;
    if (count < 0 || count % 2 || below < 1) return false;
    const Value *pairs = reader->stack + reader->depth - count;
    for (int i = 0; below == 1 && i < count && !reader->is_refused; i += 2)
        reader->is_refused = !reader->take(reader->taker, pairs + i, pairs + i + 1);
    reader->depth = below;
    return !reader->is_refused;
}

static bool memorise(Reader *reader) {
    if (reader->memorised == MOST_VALUES || !reader->depth) return false;
    reader->memo[reader->memorised++] = reader->stack[reader->depth - 1];
    return true;
}

static bool drop(Reader *reader, int count) {
    if (reader->depth < count) return false;
    reader->depth -= count;
    return true;
}

static bool push_value(Reader *reader, uint8_t code) {
    switch (code) {
    case 'N': return push_kind(reader, NONE);
    case 0x88: return push(reader, (Value){.kind = BOOLEAN, .whole = 1});  /* NEWTRUE */
    case 0x89: return push(reader, (Value){.kind = BOOLEAN, .whole = 0});  /* NEWFALSE */
    case 'K': return push_whole(reader, (int64_t)little(reader, 1));       /* BININT1 */
    case 'M': return push_whole(reader, (int64_t)little(reader, 2));       /* BININT2 */
    case 'J': return push_whole(reader, (int32_t)little(reader, 4));       /* BININT */
    case 0x8a: return push_long(reader);                                   /* LONG1 */
    case 'G': return push_real(reader);                                    /* BINFLOAT */
    case 0x8c: return push_text(reader, TEXT, little(reader, 1));          /* SHORT_BINUNICODE */
    case 'X': return push_text(reader, TEXT, little(reader, 4));           /* BINUNICODE */
    case 0x8d: return push_text(reader, TEXT, little(reader, 8));          /* BINUNICODE8 */
    case 'C': return push_text(reader, BYTES, little(reader, 1));          /* SHORT_BINBYTES */
    case 'B': return push_text(reader, BYTES, little(reader, 4));          /* BINBYTES */
    case 0x8e: return push_text(reader, BYTES, little(reader, 8));         /* BINBYTES8 */
    case 0x96: return push_text(reader, OTHER, little(reader, 8));         /* BYTEARRAY8 */
    case '}': case ']': case 0x8f: return push_kind(reader, OTHER);        /* EMPTY_DICT, EMPTY_LIST, EMPTY_SET */
    default: return false;
    }
}

static bool step(Reader *reader, uint8_t code) {
    switch (code) {
    case 0x80: little(reader, 1); return true;                             /* PROTO */
    case 0x95: little(reader, 8); return true;                             /* FRAME */
    case 0x94: return memorise(reader);
    case 'h': return push_remembered(reader, little(reader, 1));           /* BINGET */
    case 'j': return push_remembered(reader, little(reader, 4));           /* LONG_BINGET */
    case '(': return push_kind(reader, MARK);
    case 'u': return set_items(reader, above_mark(reader), true);    /* SETITEMS */
    case 's': return set_items(reader, 2, false);                           /* SETITEM */
    case 'e': case 0x90: return drop_above_mark(reader);                   /* APPENDS, ADDITEMS */
    case 'a': case 'b': return drop(reader, 1);                            /* APPEND, BUILD */
    case ')': return push_tuple(reader, 0);
    case 0x85: case 0x86: case 0x87: return push_tuple(reader, code - 0x84); /* TUPLE1 to TUPLE3 */
    case 't': case 0x91: return drop_above_mark(reader) && push_kind(reader, OTHER); /* TUPLE, FROZENSET */
    case 0x93: return push_class(reader);                                  /* STACK_GLOBAL */
    case 'R': case 0x81: return reduce(reader);                            /* REDUCE, NEWOBJ */
    default: return push_value(reader, code);
    }
}

Reading dfv_read_pickle(const uint8_t *pickle, size_t size, TakeOption take, void *taker) {
    Reader own, *reader = &own; /* zeros, or pages of its own, would take longer than all the rest */
    reader->depth = reader->memorised = reader->item_count = 0;
    reader->is_refused = false;
    reader->at = pickle;
    reader->end = pickle + size;
    reader->take = take;
    reader->taker = taker;
    bool read = false;
    while (reader->at < reader->end) {
        uint8_t code = *reader->at++;
        if ((read = code == '.') || !step(reader, code)) break; /* STOP */
    }
    return read ? READ : reader->is_refused ? NOT_TAKEN : UNREADABLE;
}
