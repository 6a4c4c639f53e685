/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include "base/encode.h"

struct str
query_find(const struct query *query, struct str name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (str_equals(query->list[i].name, name))
            return query->list[i].value;
    }
    return (struct str){NULL, 0};
}

struct str
query_pointer(struct arena *arena, struct str name)
{
    struct str pointer = arena_printf(arena, "?%.*s", STR_FMT(name));

    return pointer.ptr != NULL ? pointer : STR("?");
}

static bool
is_allowed(const char *names, struct str name)
{
    struct str rest = str_from(names);
    struct str allowed;

    while (str_split(&rest, ' ', &allowed)) {
        if (allowed.len > 0 && str_equals(allowed, name))
            return true;
    }
    return false;
}

/* Decoded, in the arena; false when it is no percent-encoded UTF-8. */
static bool
decode(struct str text, struct arena *arena, struct str *ret)
{
    struct buf buf;
    struct str decoded;
    bool is_right;

    buf_init(&buf, text.len);
    is_right = percent_decode(text, &buf) == OK && !buf_is_full(&buf) && str_is_utf8(buf_str(&buf));
    if (is_right) {
        decoded = arena_copy(arena, buf_str(&buf));
        is_right = decoded.ptr != NULL;
        if (is_right)
            *ret = decoded;
    }
    buf_done(&buf);
    return is_right;
}

static void
unknown_add(struct faults *faults, const char *names, struct str name)
{
    struct str pointer = query_pointer(faults->arena, name);

    if (names == NULL || names[0] == '\0')
        fault_add(faults, pointer, "is not known: this route takes no query parameters");
    else
        fault_add(faults, pointer, "is not known here; known are: %s", names);
}

void
query_parse(struct str text, const char *names, struct faults *faults, struct query *ret)
{
    struct str piece;

    ret->count = 0;
    while (str_split(&text, '&', &piece)) {
        size_t equals = str_find(piece, '=', 0);
        struct str name = str_slice(piece, 0, equals);
        struct str value = str_slice(piece, equals < piece.len ? equals + 1 : piece.len, piece.len);
        struct str decoded;

        if (piece.len == 0)
            continue; /* "a=1&" and "?" alone are harmless */
        if (!decode(name, faults->arena, &name)) {
            fault_add(faults, STR("?"), "a parameter's name is not percent-encoded UTF-8");
        } else if (!is_allowed(names, name)) {
            unknown_add(faults, names, name);
        } else if (query_find(ret, name).ptr != NULL) {
            fault_add(faults, query_pointer(faults->arena, name), "is given twice");
        } else if (!decode(value, faults->arena, &decoded)) {
            fault_add(faults, query_pointer(faults->arena, name),
                "is not percent-encoded UTF-8: write %%25 for a percent sign");
        } else if (ret->count < QUERY_PARAMETERS_MAX) {
            ret->list[ret->count++] = (struct query_parameter){name, decoded};
        }
    }
}
