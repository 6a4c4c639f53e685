/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/template.h"

#include "base/check.h"

/* More than a text of the greatest length that a person would write has. */
#define PARTS_MAX 4096

/* What decides whether a section is shown. */
#define VALUE_BYTES_MAX (1024 * 1024)

enum part_kind {
    PART_TEXT,
    PART_VALUE,
    PART_SECTION,  /* {{#name}}; other: its end */
    PART_INVERTED, /* {{^name}} */
    PART_SESSIONS, /* {{#sessions}} */
    PART_END,      /* {{/name}}; other: its beginning */
};

struct part {
    enum part_kind kind;
    struct str text; /* or the name */
    size_t other;
};

struct template
{
    struct part *parts;
    size_t count;
};

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
    struct str text;
    size_t at;
    bool (*is_known)(struct str name);
    struct part *parts; /* the arena's */
    size_t count;
    size_t open[TEMPLATE_DEPTH_MAX]; /* sections that are not closed yet */
    size_t depth;
    bool is_in_sessions;
    struct error *reterr;
};

static size_t
line_of(const struct reading *reading, size_t at)
{
    size_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += reading->text.ptr[i] == '\n' ? 1 : 0;
    return line;
}

static enum err
refuse(const struct reading *reading, size_t at, const char *before, struct str name,
    const char *after)
{
    return error_set(reading->reterr, ERR_INVALID, "line %zu: %s%.*s%s", line_of(reading, at),
        before, STR_FMT(name), after);
}

static enum err
part_add(struct reading *reading, struct part part)
{
    if (reading->count == PARTS_MAX)
        return refuse(reading, reading->at, "more than 4096 places for values", STR(""), "");
    reading->parts[reading->count++] = part;
    return OK;
}

static enum err
text_add(struct reading *reading, size_t from, size_t to)
{
    if (from >= to)
        return OK;
    return part_add(reading,
        (struct part){.kind = PART_TEXT, .text = str_slice(reading->text, from, to)});
}

static enum err
section_open(struct reading *reading, size_t at, struct part part)
{
    if (part.kind == PART_SECTION && str_equals(part.text, STR("sessions")))
        part.kind = PART_SESSIONS;
    else if (!reading->is_known(part.text))
        return refuse(reading, at, "there is no value \"", part.text, "\"");
    if (part.kind == PART_SESSIONS && reading->is_in_sessions)
        return refuse(reading, at, "{{#", part.text, "}} stands inside of itself");
    if (reading->depth == TEMPLATE_DEPTH_MAX)
        return refuse(reading, at, "too many sections inside of one another at {{#", part.text,
            "}}");
    reading->is_in_sessions |= part.kind == PART_SESSIONS;
    reading->open[reading->depth++] = reading->count;
    return part_add(reading, part);
}

static enum err
section_close(struct reading *reading, size_t at, struct str name)
{
    struct part *opened = NULL;

    if (reading->depth > 0)
        opened = &reading->parts[reading->open[reading->depth - 1]];
    if (opened == NULL || !str_equals(opened->text, name))
        return refuse(reading, at, "{{/", name, "}} closes what is not open there");
    opened->other = reading->count;
    reading->depth--;
    if (opened->kind == PART_SESSIONS)
        reading->is_in_sessions = false;
    return part_add(reading,
        (struct part){.kind = PART_END, .text = name, .other = reading->open[reading->depth]});
}

static enum err
tag_add(struct reading *reading, size_t at, struct str tag)
{
    char sign = tag.len > 0 ? tag.ptr[0] : '\0';
    struct str name = str_trim(str_slice(tag, 1, tag.len));

    switch (sign) {
    case '#': return section_open(reading, at, (struct part){.kind = PART_SECTION, .text = name});
    case '^': return section_open(reading, at, (struct part){.kind = PART_INVERTED, .text = name});
    case '/': return section_close(reading, at, name);
    default:
        if (!reading->is_known(tag))
            return refuse(reading, at, "there is no value \"", tag, "\"");
        return part_add(reading, (struct part){.kind = PART_VALUE, .text = tag});
    }
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Does the tag from start to end have its line to itself? Then take in the line. */
static void
widen_to_line(struct str text, size_t *start, size_t *end)
{
    size_t from = *start;
    size_t to = *end;

    while (from > 0 && is_blank(text.ptr[from - 1]))
        from--;
    while (to < text.len && is_blank(text.ptr[to]))
        to++;
    if ((from > 0 && text.ptr[from - 1] != '\n') || (to < text.len && text.ptr[to] != '\n'))
        return;
    *start = from;
    *end = to < text.len ? to + 1 : to;
}

/* The next "{{" or "}}" from there on; the text's length when there is none. */
static size_t
find_braces(struct str text, char brace, size_t from)
{
    for (size_t i = str_find(text, brace, from); i != SIZE_MAX && i + 1 < text.len;
         i = str_find(text, brace, i + 1))
        if (text.ptr[i + 1] == brace)
            return i;
    return text.len;
}

static enum err
read_all(struct reading *reading)
{
    struct str text = reading->text;
    enum err err = OK;

    while (err == OK && reading->at < text.len) {
        size_t start = find_braces(text, '{', reading->at);
        size_t closing = find_braces(text, '}', start);
        size_t shown_to = start;
        size_t end = closing + 2;
        struct str tag;

        if (start == text.len)
            return text_add(reading, reading->at, start);
        if (closing == text.len)
            return refuse(reading, start, "{{ is not closed by }}", STR(""), "");
        tag = str_trim(str_slice(text, start + 2, closing));
        if (tag.len > 0 && (tag.ptr[0] == '#' || tag.ptr[0] == '^' || tag.ptr[0] == '/'))
            widen_to_line(text, &shown_to, &end);
        err = text_add(reading, reading->at, shown_to);
        if (err == OK)
            err = tag_add(reading, start, tag);
        reading->at = end;
    }
    return err;
}

enum err
template_parse(struct str text, bool (*is_known)(struct str name), struct arena *arena,
    struct template **ret, struct error *reterr)
{
    struct reading reading = {.text = text, .is_known = is_known, .reterr = reterr};
    struct template *self = ARENA_NEW(arena, struct template);
    size_t tags = 0;
    enum err err;

    if (text.len > TEMPLATE_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "a template has at most %d bytes",
            TEMPLATE_BYTES_MAX);
    if (!str_is_utf8(text) || str_find(text, '\0', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID, "a template is a text in UTF-8");
    for (size_t i = find_braces(text, '{', 0); i < text.len; i = find_braces(text, '{', i + 2))
        tags++;
    /* Before each tag, and after the last one, there may be a text. */
    reading.parts = arena_alloc_array(arena, 2 * tags + 1, sizeof(*reading.parts));
    if (self == NULL || reading.parts == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a template");
    err = read_all(&reading);
    if (err == OK && reading.depth > 0)
        err = refuse(&reading, text.len, "{{#", reading.parts[reading.open[reading.depth - 1]].text,
            "}} is not closed");
    if (err != OK)
        return err;
    self->parts = reading.parts;
    self->count = reading.count;
    *ret = self;
    return OK;
}

/* --- filling in ------------------------------------------------------------------------------- */

struct rendering {
    const struct template *self;
    const struct template_values *values;
    struct buf *buf;
    struct buf scratch;
    size_t session;
};

static bool
has_value(struct rendering *rendering, struct str name)
{
    buf_clear(&rendering->scratch);
    return rendering->values->append(rendering->values->arg, name, rendering->session,
               &rendering->scratch) &&
           (rendering->scratch.len > 0 || buf_is_full(&rendering->scratch));
}

/* Returns where to go on. */
static size_t
part_render(struct rendering *rendering, size_t at)
{
    const struct part *part = &rendering->self->parts[at];
    const struct template_values *values = rendering->values;

    switch (part->kind) {
    case PART_TEXT: buf_append_str(rendering->buf, part->text); return at + 1;
    case PART_VALUE:
        (void)values->append(values->arg, part->text, rendering->session, rendering->buf);
        return at + 1;
    case PART_SECTION: return has_value(rendering, part->text) ? at + 1 : part->other + 1;
    case PART_INVERTED: return has_value(rendering, part->text) ? part->other + 1 : at + 1;
    case PART_SESSIONS:
        rendering->session = 0;
        return values->session_count > 0 ? at + 1 : part->other + 1;
    case PART_END:
        if (rendering->self->parts[part->other].kind != PART_SESSIONS)
            return at + 1;
        rendering->session++;
        if (rendering->session < values->session_count)
            return part->other + 1;
        rendering->session = 0;
        return at + 1;
    }
    UNREACHABLE;
}

void
template_render(const struct template *self, const struct template_values *values, struct buf *buf)
{
    struct rendering rendering = {.self = self, .values = values, .buf = buf};
    size_t at = 0;

    buf_init(&rendering.scratch, VALUE_BYTES_MAX);
    while (at < self->count && !buf_is_full(buf))
        at = part_render(&rendering, at);
    buf_done(&rendering.scratch);
}
