/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/counters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"

/* Longer than the names of sources and handlers may be. */
#define NAME_BYTES 80

/* No name of a source has brackets. */
#define NAME_UNKNOWN "(unknown)"
#define NAME_OTHERS  "(others)"

static const char *const result_names[CALL_RESULTS] = {
    [CALL_ACCEPTED] = "accepted",
    [CALL_DUPLICATE] = "duplicate",
    [CALL_STALE] = "stale",
    [CALL_CHALLENGED] = "challenged",
    [CALL_REFUSED] = "refused",
    [CALL_INVALID] = "invalid",
    [CALL_BUSY] = "busy",
    [CALL_LIMITED] = "limited",
};

static const char *const outcome_names[HANDLING_OUTCOMES] = {
    [HANDLED_DONE] = "done",
    [HANDLED_LATER] = "later",
    [HANDLED_FAILED] = "failed",
    [HANDLED_DEAD] = "dead",
    [HANDLED_SUPERSEDED] = "superseded",
    [HANDLED_PASSED_OVER] = "passed_over",
};

/* Whose counts they are. The last place is everybody's who came too late. */
struct names {
    char texts[COUNTERS_NAMES_MAX + 1][NAME_BYTES]; /* guarded by mutex */
    size_t count;                                   /* guarded by mutex */
    bool has_others;                                /* guarded by mutex */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct names source_names;
static struct names handler_names;
static struct source_counts sources[COUNTERS_NAMES_MAX + 1];
static struct handler_counts handlers[COUNTERS_NAMES_MAX + 1];

static size_t
place_of(struct names *names, struct str name)
{
    size_t place = 0;

    CHECK(pthread_mutex_lock(&mutex) == 0);
    while (place < names->count && !str_equals(str_from(names->texts[place]), name))
        place++;
    if (place == names->count && (place >= COUNTERS_NAMES_MAX || name.len >= NAME_BYTES)) {
        place = COUNTERS_NAMES_MAX;
        names->has_others = true;
    } else if (place == names->count) {
        memcpy(names->texts[place], name.ptr, name.len);
        names->texts[place][name.len] = '\0';
        names->count++;
    }
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return place;
}

struct source_counts *
counters_source(struct str name)
{
    return &sources[place_of(&source_names, name)];
}

struct handler_counts *
counters_handler(struct str name)
{
    return &handlers[place_of(&handler_names, name)];
}

struct source_counts *
counters_unknown_source(void)
{
    return counters_source(STR(NAME_UNKNOWN));
}

void
counters_add_call(struct source_counts *counts, enum call_result result)
{
    (void)atomic_fetch_add_explicit(&counts->calls[result], 1, memory_order_relaxed);
}

void
counters_add_handlings(struct handler_counts *counts, enum handling_outcome outcome, int64_t n)
{
    (void)atomic_fetch_add_explicit(&counts->handlings[outcome], n, memory_order_relaxed);
}

void
counters_add_in_hand(struct handler_counts *counts, int64_t n)
{
    (void)atomic_fetch_add_explicit(&counts->in_hand, n, memory_order_relaxed);
}

/* --- the page --------------------------------------------------------------------------------- */

static void
metric_head(struct buf *page, const char *name, const char *kind, const char *help)
{
    buf_printf(page, "# HELP usher_%s %s\n# TYPE usher_%s %s\n", name, help, name, kind);
}

static void
label(struct buf *page, const char *name, const char *value)
{
    buf_printf(page, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            buf_append_char(page, '\\');
        if (*value == '\n')
            buf_append_literal(page, "\\n");
        else
            buf_append_char(page, *value);
    }
    buf_append_char(page, '"');
}

static void
sample(struct buf *page, int64_t value)
{
    buf_append_literal(page, "} ");
    buf_append_int(page, value);
    buf_append_char(page, '\n');
}

static bool
is_shown(const struct names *names, size_t place)
{
    return place < names->count || (place == COUNTERS_NAMES_MAX && names->has_others);
}

static const char *
name_at(const struct names *names, size_t place)
{
    return place < COUNTERS_NAMES_MAX ? names->texts[place] : NAME_OTHERS;
}

static void
format_calls(struct buf *page)
{
    metric_head(page, "source_calls_total", "counter", "Calls by source and what became of them");
    for (size_t place = 0; place <= COUNTERS_NAMES_MAX; place++) {
        if (!is_shown(&source_names, place))
            continue;
        for (unsigned i = 0; i < CALL_RESULTS; i++) {
            buf_append_literal(page, "usher_source_calls_total{");
            label(page, "source", name_at(&source_names, place));
            buf_append_char(page, ',');
            label(page, "result", result_names[i]);
            sample(page, atomic_load_explicit(&sources[place].calls[i], memory_order_relaxed));
        }
    }
}

static void
format_handlings(struct buf *page)
{
    metric_head(page, "handlings_total", "counter", "Handlings by handler and outcome");
    for (size_t place = 0; place <= COUNTERS_NAMES_MAX; place++) {
        if (!is_shown(&handler_names, place))
            continue;
        for (unsigned i = 0; i < HANDLING_OUTCOMES; i++) {
            buf_append_literal(page, "usher_handlings_total{");
            label(page, "handler", name_at(&handler_names, place));
            buf_append_char(page, ',');
            label(page, "outcome", outcome_names[i]);
            sample(page, atomic_load_explicit(&handlers[place].handlings[i], memory_order_relaxed));
        }
    }
    metric_head(page, "handlings_in_hand", "gauge", "Handlings under way by handler");
    for (size_t place = 0; place <= COUNTERS_NAMES_MAX; place++) {
        if (!is_shown(&handler_names, place))
            continue;
        buf_append_literal(page, "usher_handlings_in_hand{");
        label(page, "handler", name_at(&handler_names, place));
        sample(page, atomic_load_explicit(&handlers[place].in_hand, memory_order_relaxed));
    }
}

void
counters_format(struct buf *page)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    format_calls(page);
    format_handlings(page);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
}
