/* Formats: Arrow's, and what tells dtypes apart that have more than one. That of lists has the one of their items
   behind a bar, "+L|g". That of structs has names and formats of all fields: "+s", for each NAME, name, FORMAT,
   format, and END. That of categories has the one of their codes: "*I". */

#include "plugin.h"

#include <stdio.h>
#include <string.h>

#define NAME "\x1f"
#define FORMAT "\x1e"
#define END "\x1d"

typedef struct {
    char *text;
    size_t size, used; /* more than `size` if it has no room */
} Writer;

static void put(Writer *to, const char *text, size_t length) {
    if (to->used + length < to->size) {
        memcpy(to->text + to->used, text, length);
        to->text[to->used + length] = '\0';
    }
    to->used += length;
}

static void put_text(Writer *to, const char *text) { put(to, text, strlen(text)); }

static void put_format(Writer *to, const ArrowSchema *field) {
    if (field->dictionary) {
        put_text(to, strcmp(field->dictionary->format, "vu") ? "dictionary" : "*");
        put_text(to, field->format);
        return;
    }
    put_text(to, field->format);
    if (dfv_is_list(field->format) && field->n_children == 1) {
        put_text(to, "|");
        put_format(to, field->children[0]);
    } else if (dfv_is_struct(field->format)) {
        for (int64_t i = 0; i < field->n_children; i++) {
            put_text(to, NAME);
            put_text(to, field->children[i]->name);
            put_text(to, FORMAT);
            put_format(to, field->children[i]);
        }
        put_text(to, END);
    }
}

/* One that is too long is none that anything is built for. */
const char *dfv_format_of(const ArrowSchema *field, char *text, size_t size) {
    if (!field->dictionary && !field->n_children) return field->format;
    Writer to = {text, size, 0};
    put_format(&to, field);
    return to.used < size ? text : field->format;
}

/* -- as Polars calls them --------------------------------------------------------------------------------- */

const char *dfv_unit_of(char letter) {
    return letter == 's' ? "s" : letter == 'm' ? "ms" : letter == 'u' ? "μs" : "ns";
}

static void put_scalar(Writer *to, const char *format) {
    static const struct {
        const char *format, *name;
    } names[] = {{"c", "Int8"},        {"s", "Int16"},         {"i", "Int32"},   {"l", "Int64"},   {"C", "UInt8"},
                 {"S", "UInt16"},      {"I", "UInt32"},        {"L", "UInt64"},  {"f", "Float32"}, {"g", "Float64"},
                 {"b", "Boolean"},     {"tdD", "Date"},        {"ttn", "Time"},  {"n", "Null"},    {"vu", "String"},
                 {"U", "String"},      {"vz", "Binary"},       {"Z", "Binary"},  {"+s", "Struct"}, {"e", "Float16"},
                 {"_pli128", "Int128"}, {"_plu128", "UInt128"}};
    char text[120];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(format, names[i].format)) continue;
        put_text(to, names[i].name);
        return;
    }
    if (!strncmp(format, "ts", 2) && strlen(format) > 3)
        snprintf(text, sizeof text, format[4] ? "Datetime[%s, %s]" : "Datetime[%s]", dfv_unit_of(format[2]), format + 4);
    else if (!strncmp(format, "tD", 2))
        snprintf(text, sizeof text, "Duration[%s]", dfv_unit_of(format[2]));
    else if (!strncmp(format, "d:", 2))
        snprintf(text, sizeof text, "Decimal[%s]", format + 2);
    else if (*format == '*')
        snprintf(text, sizeof text, "Categorical or Enum with codes of %d bits", 8 * dfv_width(format + 1));
    else
        snprintf(text, sizeof text, "Arrow's `%s`", format);
    put_text(to, text);
}

/* Returns what is behind a format. */
static const char *put_dtype(Writer *to, const char *format) {
    const char *at = dfv_items_of(format);
    if (at) {
        put_text(to, format[1] == 'L' ? "List(" : "Array(");
        at = put_dtype(to, at);
        if (format[1] == 'w') {
            put_text(to, ", ");
            put(to, format + 3, strcspn(format + 3, "|"));
        }
        put_text(to, ")");
        return at;
    }
    if (dfv_is_struct(format) && format[2]) {
        const char *before = "Struct({";
        for (at = format + 2; *at == *NAME; before = ", ") {
            size_t length = strcspn(++at, FORMAT);
            put_text(to, before);
            put(to, at, length);
            put_text(to, ": ");
            at = put_dtype(to, at + length + 1);
        }
        put_text(to, "})");
        return at + 1;
    }
    char scalar[80];
    size_t length = strcspn(format, NAME END);
    snprintf(scalar, sizeof scalar, "%.*s", (int)length, format);
    put_scalar(to, scalar);
    return format + length;
}

const char *dfv_dtype(const char *format, char *text, size_t size) {
    Writer to = {text, size, 0};
    *text = '\0';
    put_dtype(&to, format);
    return text;
}
