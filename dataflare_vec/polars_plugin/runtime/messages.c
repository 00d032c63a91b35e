/* What went wrong, for Polars to raise: a text for each thread, and how values are written in it. */

#include "plugin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[4096];
static _Thread_local size_t length;

void dfv_clear(void) { message[length = 0] = '\0'; }

void dfv_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(message + length, sizeof message - length, format, arguments);
    va_end(arguments);
    if (count < 0) return;
    length += (size_t)count;
    if (length < sizeof message) return;
    length = sizeof message - 1;
    while (length && ((unsigned char)message[length - 1] & 0xc0) == 0x80) length--; /* whole characters only */
    if (length && (unsigned char)message[length - 1] >= 0xc0) length--;
    message[length] = '\0';
}

const char *dfv_message(void) { return message; }

static _Thread_local char note[1024];

void dfv_forget_note(void) { note[0] = '\0'; }

const char *dfv_noted(void) { return note; }

static void take_note(const char *text, int64_t size) {
    int64_t kept = size < (int64_t)sizeof note ? size : (int64_t)sizeof note - 1;
    while (kept < size && kept && ((unsigned char)text[kept] & 0xc0) == 0x80) kept--; /* whole characters only */
    for (int64_t i = 0; i < kept; i++) note[i] = text[i] ? text[i] : ' ';             /* a text ends at a zero */
    note[kept] = '\0';
}

/* Called by compiled code, with the message of an exception that it is about to raise. */
__attribute__((visibility("hidden"))) void (*dfv_note)(const char *text, int64_t size) = take_note;

/* A date by its days since 1970, in the proleptic Gregorian calendar. Source: H. Hinnant, "chrono-Compatible
   Low-Level Date Algorithms", civil_from_days. */
static void say_date(int64_t days) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153, day = of_year - (153 * shifted + 2) / 5 + 1;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9, year = year_of_era + era * 400 + (month <= 2);
    dfv_say("%04" PRId64 "-%02d-%02d", year, (int)month, (int)day);
}

static int64_t per_second(char unit) {
    return unit == 's' ? 1 : unit == 'm' ? 1000 : unit == 'u' ? 1000000 : 1000000000;
}

static void say_clock(int64_t ticks, int64_t scale) { /* of a day */
    int64_t seconds = ticks / scale, rest = ticks % scale;
    dfv_say("%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
    if (rest) dfv_say(".%0*" PRId64, scale == 1000 ? 3 : scale == 1000000 ? 6 : 9, rest);
}

static void say_float(double value, int digits) {
    char text[40];
    for (int enough = digits - 2; enough <= digits; enough++) { /* the shortest that reads as the same */
        snprintf(text, sizeof text, "%.*g", enough, value);
        double read = strtod(text, NULL);
        if (digits < 17 ? (float)read == (float)value : read == value) break;
    }
    dfv_say(strpbrk(text, ".eni") ? "%s" : "%s.0", text);
}

#define MOST_SHOWN 80 /* bytes of a text */

/* As Python shows it, but in double quotes. */
void dfv_say_text(const char *text, size_t size, bool is_text) {
    size_t shown = size < MOST_SHOWN ? size : MOST_SHOWN;
    while (is_text && shown < size && ((unsigned char)text[shown] & 0xc0) == 0x80) shown--; /* whole characters */
    dfv_say(is_text ? "\"" : "b\"");
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            dfv_say("\\%c", byte);
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            dfv_say("\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
        else if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !is_text))
            dfv_say("\\x%02x", byte);
        else
            dfv_say("%c", byte);
    }
    dfv_say(shown < size ? "\"… (%zu bytes)" : "\"", size);
}

static void say_decimal(const void *values, int64_t row, int scale) {
    char text[48], *at = text + sizeof text;
    __int128 value;
    memcpy(&value, (const char *)values + row * 16, 16);
    unsigned __int128 left = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    *--at = '\0';
    for (int digits = 0; left || digits <= scale; digits++, left /= 10) {
        if (digits && digits == scale) *--at = '.';
        *--at = (char)('0' + (int)(left % 10));
    }
    dfv_say("%s%s", value < 0 ? "-" : "", at);
}

void dfv_say_value(const char *format, const void *values, const void *const *data, int64_t row) {
    if (dfv_is_view(format)) {
        size_t size;
        const char *text = dfv_view(values, data, row, &size);
        dfv_say_text(text, size, format[1] == 'u');
        return;
    }
    if (*format == 'd' || *format == '_') {
        say_decimal(values, row, *format == 'd' ? atoi(strchr(format, ',') + 1) : 0);
        return;
    }
#define AT(type) (((const type *)values)[row])
    int width = dfv_width(format);
    int64_t ticks = width == 8 ? AT(int64_t) : width == 4 ? AT(int32_t) : 0;
    switch (*format) {
    case 'b': dfv_say(AT(uint8_t) ? "true" : "false"); return; /* a bit that was unpacked before */
    case 'c': dfv_say("%d", AT(int8_t)); return;
    case 's': dfv_say("%d", AT(int16_t)); return;
    case 'C': dfv_say("%d", AT(uint8_t)); return;
    case 'S': dfv_say("%d", AT(uint16_t)); return;
    case 'I': dfv_say("%" PRIu32, AT(uint32_t)); return;
    case 'L': dfv_say("%" PRIu64, AT(uint64_t)); return;
    case 'f': say_float(AT(float), 9); return;
    case 'g': say_float(AT(double), 17); return;
    default: break;
    }
#undef AT
    int64_t scale = per_second(format[0] == 't' ? format[2] : 's'), day = 86400 * scale;
    if (!strcmp(format, "tdD")) {
        say_date(ticks);
    } else if (format[0] == 't' && format[1] == 't') {
        say_clock(ticks, scale);
    } else if (format[0] == 't' && format[1] == 's') {
        int64_t of_day = (ticks % day + day) % day;
        say_date((ticks - of_day) / day);
        dfv_say(" ");
        say_clock(of_day, scale);
        if (format[4]) dfv_say(" UTC");
    } else if (format[0] == 't') {
        dfv_say("%" PRId64 " %s", ticks, dfv_unit_of(format[2]));
    } else {
        dfv_say("%" PRId64, ticks);
    }
}
