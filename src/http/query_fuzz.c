/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is accepted is UTF-8, is known by its name, and written out again is the same query.
 */
#include "http/query.h"

#include "base/check.h"
#include "base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_query(const struct query *query, struct buf *buf)
{
    for (size_t i = 0; i < query->count; i++) {
        if (i > 0)
            buf_append_char(buf, '&');
        percent_append(buf, query->list[i].name);
        buf_append_char(buf, '=');
        percent_append(buf, query->list[i].value);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena arena;
    struct faults faults;
    struct query query;
    struct query again;
    struct buf buf;

    arena_init(&arena, REQUEST_ARENA_BYTES_MAX);
    faults_init(&faults, &arena);
    buf_init(&buf, REQUEST_ARENA_BYTES_MAX);
    query_parse(text, "limit cursor email a", &faults, &query);
    if (faults.count_seen == 0) {
        write_query(&query, &buf);
        query_parse(buf_str(&buf), "limit cursor email a", &faults, &again);
        CHECK(faults.count_seen == 0);
        CHECK(query.count == again.count && query.count <= 4);
        for (size_t i = 0; i < query.count; i++) {
            CHECK(str_is_utf8(query.list[i].value));
            CHECK(str_equals(query.list[i].name, again.list[i].name));
            CHECK(str_equals(query.list[i].value, again.list[i].value));
        }
    }
    buf_done(&buf);
    arena_done(&arena);
    return 0;
}
