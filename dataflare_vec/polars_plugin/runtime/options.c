/* What a call says beside its columns: constants, and what becomes of rows that fail. */

#include "plugin.h"

#include <inttypes.h>
#include <string.h>

typedef struct {
    const Function *function;
    Options *options;
} Taker;

static bool is_named(const Value *value, const char *name) {
    return value->kind == TEXT && value->size == strlen(name) && !memcmp(value->text, name, value->size);
}

static bool is_ascii(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] > 0x7f) return false;
    return true;
}

/* Python's text may have halves of a character, which no column has. */
static bool has_surrogates(const char *text, size_t size) {
    for (size_t i = 1; i < size; i++)
        if ((unsigned char)text[i - 1] == 0xed && (unsigned char)text[i] > 0x9f) return true;
    return false;
}

/* Gives a decimal as many digits behind the point as the constant has that code was compiled for. */
static bool rescale(Value *value, int64_t scale) {
    int64_t more = scale - (int64_t)value->size;
    for (; more > 0; more--)
        if (__builtin_mul_overflow(value->whole, 10, &value->whole)) return false;
    for (; more < 0; more++) {
        if (value->whole % 10) return false;
        value->whole /= 10;
    }
    return true;
}

static bool fits(const ConstantParameter *constant, Value *value) {
    if (constant->kind == FLOAT && value->kind == INTEGER) *value = (Value){.kind = FLOAT, .real = (double)value->whole};
    if (value->kind != constant->kind) return false;
    if (value->kind == DECIMAL) return rescale(value, constant->scale);
    return value->kind != TEXT || !has_surrogates(value->text, value->size);
}

static void say_expected(const ConstantParameter *constant) {
    static const char *const expected[] = {[NONE] = "None",
                                           [BOOLEAN] = "True or False",
                                           [INTEGER] = "an integer of 64 bits",
                                           [FLOAT] = "a number",
                                           [TEXT] = "text",
                                           [BYTES] = "bytes",
                                           [DATE] = "a date",
                                           [DATETIME] = "a datetime without time zone or fold",
                                           [TIME] = "a time without time zone or fold",
                                           [TIMEDELTA] = "a timedelta of 64 bits of microseconds"};
    if (constant->kind == DECIMAL)
        dfv_say("a decimal of 18 digits, at most %" PRId64 " of them behind the point", constant->scale);
    else
        dfv_say("%s", expected[constant->kind]);
}

static void say_plugin(const Function *function) { dfv_say("plugin `%s`: ", function->name); }

static bool set_constant(const Taker *taker, int i, const Value *given) {
    const ConstantParameter *constant = taker->function->constants + i;
    Value value = *given;
    if (!fits(constant, &value)) {
        say_plugin(taker->function);
        dfv_say("constant `%s` must be ", constant->name);
        say_expected(constant);
        return false;
    }
    ConstantValue *set = taker->options->constants + i;
    set->bits = value.whole;
    if (value.kind == FLOAT) memcpy(&set->bits, &value.real, 8);
    set->text = value.text;
    set->size = value.kind == TEXT || value.kind == BYTES ? (int64_t)value.size : 0;
    return true;
}

static bool set_option(void *about, const Value *name, const Value *value) {
    const Taker *taker = about;
    const Function *function = taker->function;
    if (is_named(name, "on_error")) {
        static const char *const known[] = {[RAISE] = "raise", [GIVE_NULL] = "null", [GIVE_STRUCT] = "struct"};
        for (int i = 0; i < 3; i++) {
            taker->options->on_error = (OnError)i;
            if (is_named(value, known[i])) return true;
        }
        say_plugin(function);
        dfv_say("on_error must be \"raise\", \"null\" or \"struct\"");
        return false;
    }
    for (int i = 0; i < function->constant_count; i++)
        if (is_named(name, function->constants[i].name)) return set_constant(taker, i, value);
    say_plugin(function);
    dfv_say("it has no constant `%.*s`; it has", (int)name->size, name->kind == TEXT ? name->text : "");
    for (int i = 0; i < function->constant_count; i++) dfv_say(" `%s`,", function->constants[i].name);
    dfv_say(" `on_error`");
    return false;
}

bool dfv_read_options(const Function *function, const uint8_t *pickle, size_t size, Options *options) {
    Taker taker = {function, options};
    for (int i = 0; i < function->constant_count; i++) options->constants[i] = function->constants[i].value;
    options->on_error = RAISE;
    options->is_ascii = true;
    Reading reading = size ? dfv_read_pickle(pickle, size, set_option, &taker) : READ;
    if (reading == UNREADABLE) {
        say_plugin(function);
        dfv_say("the keyword arguments can't be read, there may be too many");
    }
    if (reading != READ) return false;
    for (int i = 0; i < function->constant_count; i++) {
        const ConstantValue *value = options->constants + i;
        if (function->constants[i].kind == TEXT) options->is_ascii &= is_ascii(value->text, (size_t)value->size);
    }
    return true;
}
