/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/template.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_known(struct str name)
{
    return name.len > 0 && str_find(name, '-', 0) == SIZE_MAX;
}

/* What begins with an x has no value; the others' is their name. */
static bool
append(void *arg, struct str name, size_t session, struct buf *buf)
{
    (void)arg;
    (void)session;
    if (name.ptr[0] == 'x')
        return false;
    buf_append_str(buf, name);
    return true;
}

/* With each name for its own value nothing stands in the result that did not stand in the text, in
 * its order; and what has no braces is as it was. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct template_values values = {.append = append, .session_count = 1};
    struct str text = {(const char *)data, size};
    struct template *template = NULL;
    struct arena arena;
    struct buf buf;
    size_t at = 0;

    arena_init(&arena, 1 << 24);
    buf_init(&buf, 1 << 20);
    if (template_parse(text, is_known, &arena, &template, NULL) == OK) {
        template_render(template, &values, &buf);
        CHECK(!buf_is_full(&buf) && buf.len <= size);
        for (size_t i = 0; i < buf.len; i++, at++) {
            while (at < size && data[at] != (uint8_t)buf.ptr[i])
                at++;
            CHECK(at < size);
        }
        CHECK(str_find(text, '{', 0) != SIZE_MAX || buf.len == size);
    }
    buf_done(&buf);
    arena_done(&arena);
    return 0;
}
