/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/setup.h"

#include <stdlib.h>

#include "base/check.h"
#include "store/handlers.h"

/* 256 sources and as many handlers with all their texts are 3 MiB. */
#define SETUP_BYTES_MAX ((size_t)16 * 1024 * 1024)

static enum err
out_of_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for the sources and handlers");
}

enum err
setup_new(struct setup **ret, struct error *reterr)
{
    struct setup *setup = calloc(1, sizeof(*setup));

    if (setup == NULL)
        return out_of_memory(reterr);
    arena_init(&setup->arena, SETUP_BYTES_MAX);
    atomic_init(&setup->holds, 1);
    *ret = setup;
    return OK;
}

struct setup *
setup_hold(struct setup *setup)
{
    unsigned before = atomic_fetch_add_explicit(&setup->holds, 1, memory_order_relaxed);

    CHECK(before > 0);
    return setup;
}

void
setup_drop(struct setup *setup)
{
    unsigned before;

    if (setup == NULL)
        return;
    before = atomic_fetch_sub_explicit(&setup->holds, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < setup->source_count; i++)
        source_wipe(&setup->sources[i]);
    arena_done(&setup->arena);
    free(setup);
}

void
setup_dropp(struct setup **setup)
{
    setup_drop(*setup);
}

/* What a name may be made of: it stands in a path, in a log and as a label of a metric. */
static enum err
name_check(const char *of, struct str name, size_t max, struct error *reterr)
{
    bool is_fine = name.len > 0 && name.len <= max && name.ptr[0] != '.';

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        is_fine &= (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '_' || c == '.';
    }
    if (is_fine)
        return OK;
    return error_set(reterr, ERR_INVALID,
        "\"%.*s\" cannot be the name of a %s: letters, digits, - _ and . are, at most %zu, and no "
        "dot in front",
        STR_FMT(str_slice(name, 0, 64)), of, max);
}

enum err
setup_add_source(struct setup *setup, struct str name, struct source **ret, struct error *reterr)
{
    struct str copy;
    enum err err = name_check("source", name, SOURCE_NAME_BYTES_MAX, reterr);

    if (err != OK)
        return err;
    if (setup_find_source(setup, name) != NULL)
        return error_set(reterr, ERR_CONFLICT, "there is a source \"%.*s\" already", STR_FMT(name));
    if (setup->source_count == SETUP_SOURCES_MAX)
        return error_set(reterr, ERR_LIMIT, "there are %d sources, which is the most",
            SETUP_SOURCES_MAX);
    /* All at once, so that none moves that was given out. */
    if (setup->sources == NULL)
        setup->sources =
            arena_alloc_array(&setup->arena, SETUP_SOURCES_MAX, sizeof(*setup->sources));
    copy = arena_copy(&setup->arena, name);
    if (setup->sources == NULL || copy.ptr == NULL)
        return out_of_memory(reterr);
    *ret = &setup->sources[setup->source_count++];
    source_init(*ret, copy);
    return OK;
}

static const struct handler *
find_handler(const struct setup *setup, struct str name)
{
    for (size_t i = 0; i < setup->handler_count; i++) {
        if (str_equals(setup->handlers[i].name, name))
            return &setup->handlers[i];
    }
    return NULL;
}

enum err
setup_add_handler(struct setup *setup, struct str name, struct handler **ret, struct error *reterr)
{
    struct str copy;
    enum err err = name_check("handler", name, HANDLER_NAME_BYTES_MAX, reterr);

    if (err != OK)
        return err;
    if (find_handler(setup, name) != NULL)
        return error_set(reterr, ERR_CONFLICT, "there is a handler \"%.*s\" already",
            STR_FMT(name));
    if (setup->handler_count == SETUP_HANDLERS_MAX)
        return error_set(reterr, ERR_LIMIT, "there are %d handlers, which is the most",
            SETUP_HANDLERS_MAX);
    if (setup->handlers == NULL)
        setup->handlers =
            arena_alloc_array(&setup->arena, SETUP_HANDLERS_MAX, sizeof(*setup->handlers));
    copy = arena_copy(&setup->arena, name);
    if (setup->handlers == NULL || copy.ptr == NULL)
        return out_of_memory(reterr);
    *ret = &setup->handlers[setup->handler_count++];
    handler_init(*ret, copy);
    return OK;
}

const struct source *
setup_find_source(const struct setup *setup, struct str name)
{
    for (size_t i = 0; i < setup->source_count; i++) {
        if (str_equals(setup->sources[i].name, name))
            return &setup->sources[i];
    }
    return NULL;
}

/* "there are a, b, c" as far as they fit. */
static enum err
no_such_source(const struct setup *setup, struct str name, struct error *reterr)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, 100);
    for (size_t i = 0; i < setup->source_count && !buf_is_full(&names); i++)
        buf_printf(&names, "%s%.*s", i > 0 ? ", " : "", STR_FMT(setup->sources[i].name));
    return error_set(reterr, ERR_INVALID, "there is no source \"%.*s\": there are %.*s%s",
        STR_FMT(str_slice(name, 0, 40)), STR_FMT(buf_str(&names)),
        buf_is_full(&names) ? " and more" : "");
}

static enum err
handler_sources_check(const struct setup *setup, const struct handler *handler,
    struct error *reterr)
{
    for (size_t i = 0; i < handler->source_count; i++) {
        if (setup_find_source(setup, handler->sources[i]) == NULL)
            return no_such_source(setup, handler->sources[i], reterr);
    }
    return OK;
}

enum err
setup_check(const struct setup *setup, struct error *reterr)
{
    if (setup->source_count == 0)
        return error_set(reterr, ERR_INVALID,
            "there is no source: a section [source NAME] says who may call /in/NAME");
    for (size_t i = 0; i < setup->source_count; i++) {
        enum err err = source_check(&setup->sources[i], reterr);

        if (err != OK) {
            error_prefix(reterr, "source %.*s", STR_FMT(setup->sources[i].name));
            return err;
        }
    }
    for (size_t i = 0; i < setup->handler_count; i++) {
        const struct handler *handler = &setup->handlers[i];
        enum err err = handler_check(handler, reterr);

        if (err == OK)
            err = handler_sources_check(setup, handler, reterr);
        if (err != OK) {
            error_prefix(reterr, "handler %.*s", STR_FMT(handler->name));
            return err;
        }
    }
    return OK;
}

enum err
setup_register_sources(struct setup *setup, struct engine *engine, struct error *reterr)
{
    int64_t *source_pks =
        arena_alloc_array(&setup->arena, setup->source_count + 1, sizeof(*source_pks));
    enum err err = OK;

    if (source_pks == NULL)
        return out_of_memory(reterr);
    for (size_t i = 0; err == OK && i < setup->source_count; i++)
        err = source_register(engine, setup->sources[i].name, &source_pks[i], reterr);
    if (err == OK)
        setup->source_pks = source_pks;
    return err;
}

enum err
setup_register(struct setup *setup, struct engine *engine, struct walltime now,
    struct error *reterr)
{
    enum err err = handlers_retire(engine, reterr);

    (void)now; /* what comes from now on is told by the store's own sequence */
    if (err == OK)
        err = setup_register_sources(setup, engine, reterr);
    for (size_t i = 0; err == OK && i < setup->handler_count; i++) {
        struct handler *handler = &setup->handlers[i];

        err = handler_register(engine, handler->name, handler->starts_with_all,
            &handler->handler_pk, reterr);
    }
    return err;
}
