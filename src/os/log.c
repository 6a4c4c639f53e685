/* SPDX-License-Identifier: Apache-2.0 */
#include "os/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

/* Longer lines are cut: fields are dropped from the end, and the line says so. */
#define LINE_BYTES_MAX 8192
/* A value past this is cut; six times as long when all of it is escaped, it still fits. */
#define VALUE_BYTES_MAX 1024
/* Kept free for what says that fields are missing, and for the end. */
#define ENDING_BYTES 32

struct line {
    size_t len;
    bool full;
    char bytes[LINE_BYTES_MAX];
};

/* Set before threads start, read by all. */
static enum log_level level_lowest = LOG_INFO;
static bool is_json;

void
log_setup(enum log_level lowest, bool json)
{
    level_lowest = lowest;
    is_json = json;
}

bool
log_is_on(enum log_level level)
{
    return level >= level_lowest;
}

static const char *
level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARNING: return "warning";
    case LOG_ERROR: return "error";
    }
    UNREACHABLE;
}

static void
add_bytes(struct line *line, const char *bytes, size_t len)
{
    if (len > sizeof(line->bytes) - ENDING_BYTES - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

PRINTF(2, 3)

static void
add_format(struct line *line, const char *fmt, ...)
{
    char text[256];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        line->full = true;
    else
        add_bytes(line, text, (size_t)len);
}

/* Take the next character off *rest and say which it is, or -1 for a byte that is no UTF-8. */
static int32_t
take_character(struct str *rest, struct str *ret_bytes)
{
    unsigned char lead = (unsigned char)rest->ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    struct str bytes = str_slice(*rest, 0, len);
    int32_t character = lead < 0x80 ? lead : lead & (0xff >> (len + 1));

    if (bytes.len < len || !str_is_utf8(bytes)) {
        bytes.len = 1;
        character = -1;
    }
    for (size_t i = 1; i < bytes.len; i++)
        character = character << 6 | (bytes.ptr[i] & 0x3f);
    *rest = str_slice(*rest, bytes.len, rest->len);
    *ret_bytes = bytes;
    return character;
}

/* What could end the line, start a terminal's escape sequence or turn the reading direction. */
static bool
is_deceptive(int32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) ||
           (character >= 0x200e && character <= 0x200f) ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

static void
add_quoted(struct line *line, struct str value)
{
    add_bytes(line, "\"", 1);
    while (value.len > 0) {
        struct str bytes;
        int32_t character = take_character(&value, &bytes);

        if (character < 0)
            add_format(line, is_json ? "\\ufffd" : "\\x%02x", (unsigned char)bytes.ptr[0]);
        else if (character == '"' || character == '\\')
            add_format(line, "\\%c", (char)character);
        else if (is_deceptive(character))
            add_format(line, "\\u%04" PRIx32, (uint32_t)character);
        else
            add_bytes(line, bytes.ptr, bytes.len);
    }
    add_bytes(line, "\"", 1);
}

static bool
is_plain(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value.len > 0;
}

/* A value that had to be cut ends at a whole character. */
static struct str
cut_value(struct str value)
{
    size_t len = VALUE_BYTES_MAX;

    if (value.len <= VALUE_BYTES_MAX)
        return value;
    while (len > VALUE_BYTES_MAX - 4 && (value.ptr[len] & 0xc0) == 0x80)
        len--;
    return str_slice(value, 0, len);
}

static void
add_field(struct line *line, const struct log_field *field)
{
    size_t before = line->len;
    struct str value = cut_value(field->text);

    if (line->full)
        return;
    add_format(line, is_json ? ",\"%s\":" : " %s=", field->name);
    if (field->kind == LOG_FIELD_INT)
        add_format(line, "%" PRId64, field->number);
    else if (is_json && field->text.ptr == NULL)
        add_bytes(line, "null", 4);
    else if (!is_json && is_plain(value))
        add_bytes(line, value.ptr, value.len);
    else
        add_quoted(line, value);
    if (line->full)
        line->len = before;
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    struct line line;
    char at[WALLTIME_TEXT_BYTES];
    struct str ending = is_json ? STR("}\n") : STR("\n");
    ssize_t put;

    line.len = 0;
    line.full = false;
    walltime_format(clock_walltime(&clock_system), at);
    add_format(&line, is_json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"" : "%s %s %s",
        at, level_name(level), event);
    for (size_t i = 0; i < count; i++)
        add_field(&line, &fields[i]);
    if (line.full)
        ending = is_json ? STR(",\"fields_cut\":1}\n") : STR(" fields_cut=1\n");
    memcpy(line.bytes + line.len, ending.ptr, ending.len);
    line.len += ending.len;

    /* Where standard error is gone there is nobody left to tell. */
    do {
        put = write(STDERR_FILENO, line.bytes, line.len);
    } while (put < 0 && errno == EINTR);
}
