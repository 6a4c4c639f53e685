/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event on standard error: for people as text, for machines as JSON.
 *
 * Event names are noun.past_participle, stable, listed in doc/operations.md. Never a secret, a
 * body or a query string. error: someone must act; warning: we coped; info: a fact of life;
 * debug: for us. Any thread; each line is one write(2).
 *
 * A value cannot forge a line or a field: in text it is quoted unless it is plain, and control
 * characters are escaped. Past 1 KiB a value is cut; a line past 8 KiB loses fields and says
 * fields_cut=1.
 */
#ifndef OS_LOG_H
#define OS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *name;

    enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
    struct str text;
    int64_t number;
};

#define log_str(name, value)  ((struct log_field){(name), LOG_FIELD_STR, (value), 0})
#define log_text(name, value) ((struct log_field){(name), LOG_FIELD_STR, str_from(value), 0})
#define log_int(name, value)  ((struct log_field){(name), LOG_FIELD_INT, {NULL, 0}, (value)})

void log_setup(enum log_level lowest, bool json); /* once, before threads start */
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields,
    size_t count);

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_write((level), (event), log_fields_, sizeof(log_fields_) / sizeof(*log_fields_));  \
        }                                                                                          \
    } while (0)
#define log_error(event, ...)   LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) LOG_AT(LOG_WARNING, event, __VA_ARGS__)
#define log_info(event, ...)    LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)   LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

#endif
