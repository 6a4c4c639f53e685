/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/field_path.h"

#include <string.h>

#include "base/check.h"
#include "base/moment.h"
#include "domain/decimal.h"

enum condition_operator {
    CONDITION_EQUALS,
    CONDITION_DIFFERS,
    CONDITION_STARTS,
    CONDITION_HOLDS,
    CONDITION_BELOW,
    CONDITION_ABOVE,
    CONDITION_EXISTS,
    CONDITION_ABSENT,
};

static const struct {
    struct str text;
    enum condition_operator is;
} operators[] = {
    {{"!=", 2}, CONDITION_DIFFERS},
    {{"^=", 2}, CONDITION_STARTS},
    {{"*=", 2}, CONDITION_HOLDS},
    {{"=", 1}, CONDITION_EQUALS},
    {{"<", 1}, CONDITION_BELOW},
    {{">", 1}, CONDITION_ABOVE},
};

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_TIME, VALUE_TRUE, VALUE_FALSE, VALUE_NULL };

struct field_condition {
    struct field_path path;
    enum condition_operator is;
    enum value_kind kind;
    struct str text; /* without its quotes */
    struct decimal number;
    struct walltime time;
};

static bool
is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The next step off *rest, its escapes undone in place of the copy that it lies in. False when it
 * is empty or ends in a backslash. */
static bool
take_step(char **rest, const char *end, struct str *ret)
{
    char *at = *rest;
    char *out = at;
    const char *from = at;
    bool is_star = end - at > 0 && *at == '*' && (end - at == 1 || at[1] == '.');

    for (; at < end && *at != '.'; at++) {
        if (*at == '\\' && ++at == end)
            return false;
        *out++ = *at;
    }
    *rest = at;
    *ret = is_star ? (struct str){NULL, 0} : (struct str){from, (size_t)(out - from)};
    return out > from;
}

enum err
field_path_parse(struct str text, struct arena *arena, struct field_path *ret, struct error *reterr)
{
    char *rest = arena_alloc(arena, text.len);
    struct field_path path = {0};
    const char *end;

    if (rest == NULL)
        return error_set(reterr, ERR_NOMEM, "a path: out of memory");
    end = rest + text.len;
    if (text.len > 0)
        memcpy(rest, text.ptr, text.len);
    for (;;) {
        if (path.step_count == FIELD_PATH_STEPS_MAX)
            return error_set(reterr, ERR_INVALID, "the path \"%.*s\" has more than %d steps",
                STR_FMT(text), FIELD_PATH_STEPS_MAX);
        if (!take_step(&rest, end, &path.steps[path.step_count]))
            return error_set(reterr, ERR_INVALID,
                "the path \"%.*s\" has an empty step: it is written like callList.0.webinarId",
                STR_FMT(text));
        path.step_count++;
        if (rest == end)
            break;
        rest++;
    }
    *ret = path;
    return OK;
}

static bool
is_index(struct str step, size_t index)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    return str_equals(step, (struct str){digits + at, sizeof(digits) - at});
}

bool
field_path_leads(const struct field_path *path, size_t step, const struct json *parent,
    const struct json *child, size_t index)
{
    struct str text = path->steps[step];

    CHECK(step < path->step_count);
    if (text.ptr == NULL)
        return true;
    return parent->kind == JSON_OBJECT ? str_equals(text, child->name) : is_index(text, index);
}

static bool
walk(const struct field_path *path, size_t step, const struct json *at,
    bool (*on_place)(const struct json *place, void *arg), void *arg)
{
    size_t index = 0;

    if (step == path->step_count)
        return on_place(at, arg);
    for (const struct json *child = at->first; child != NULL; child = child->next) {
        if (field_path_leads(path, step, at, child, index++) &&
            !walk(path, step + 1, child, on_place, arg))
            return false;
    }
    return true;
}

void
field_path_walk(const struct field_path *path, const struct json *body,
    bool (*on_place)(const struct json *place, void *arg), void *arg)
{
    (void)walk(path, 0, body, on_place, arg);
}

/* Where the path in front ends: at white space, or where an operator begins. A star that is a whole
 * step belongs to the path, also where '=' follows. */
static size_t
path_end(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_step_start = i == 0 || text.ptr[i - 1] == '.';

        if (c == '\\') {
            i++;
            continue;
        }
        if (is_space(c) || c == '=' || c == '<' || c == '>')
            return i;
        if ((c == '!' || c == '^' || (c == '*' && !is_step_start)) && i + 1 < text.len &&
            text.ptr[i + 1] == '=')
            return i;
    }
    return text.len;
}

/* `exists` and `absent` take no value. */
static bool
take_word(struct str rest, struct field_condition *condition)
{
    if (str_equals(rest, STR("exists")))
        condition->is = CONDITION_EXISTS;
    else if (str_equals(rest, STR("absent")))
        condition->is = CONDITION_ABSENT;
    else
        return false;
    return true;
}

static bool
take_operator(struct str *rest, enum condition_operator *ret)
{
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (str_starts(*rest, operators[i].text)) {
            *ret = operators[i].is;
            *rest = str_trim(str_slice(*rest, operators[i].text.len, rest->len));
            return true;
        }
    }
    return false;
}

static bool
is_quoted(struct str value)
{
    return value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') &&
           value.ptr[value.len - 1] == value.ptr[0];
}

/* What the value means where it stands without quotes. */
static enum value_kind
plain_kind(struct str value, struct decimal *ret_number)
{
    if (str_equals(value, STR("true")))
        return VALUE_TRUE;
    if (str_equals(value, STR("false")))
        return VALUE_FALSE;
    if (str_equals(value, STR("null")))
        return VALUE_NULL;
    return decimal_parse(value, ret_number) == OK ? VALUE_NUMBER : VALUE_TEXT;
}

static enum err
value_parse(struct str value, struct field_condition *condition, struct error *reterr)
{
    bool has_order = condition->is == CONDITION_BELOW || condition->is == CONDITION_ABOVE;

    if (value.len == 0)
        return error_set(reterr, ERR_INVALID,
            "a condition lacks its value: the empty text is written \"\"");
    if (value.ptr[0] == '=')
        return error_set(reterr, ERR_INVALID,
            "a value that begins with '=' is written in quotes: \"%.*s\"", STR_FMT(value));
    condition->text = value;
    if (is_quoted(value)) {
        condition->kind = VALUE_TEXT;
        condition->text = str_slice(value, 1, value.len - 1);
    } else if (value.ptr[0] == '"' || value.ptr[0] == '\'') {
        return error_set(reterr, ERR_INVALID, "the value %.*s lacks its closing quote",
            STR_FMT(value));
    } else {
        condition->kind = plain_kind(value, &condition->number);
    }
    if (has_order && condition->kind != VALUE_NUMBER) {
        if (walltime_parse(condition->text, &condition->time) != OK)
            return error_set(reterr, ERR_INVALID,
                "%.*s is neither a number nor a time like 2024-03-15T10:00Z", STR_FMT(value));
        condition->kind = VALUE_TIME;
    }
    return OK;
}

enum err
field_condition_parse(struct str text, struct arena *arena, struct field_condition **ret,
    struct error *reterr)
{
    struct field_condition *condition = ARENA_NEW(arena, struct field_condition);
    struct str copy = arena_copy(arena, str_trim(text.ptr != NULL ? text : STR("")));
    struct str rest;
    size_t end;
    enum err err;

    if (condition == NULL || copy.ptr == NULL)
        return error_set(reterr, ERR_NOMEM, "a condition: out of memory");
    end = path_end(copy);
    err = field_path_parse(str_slice(copy, 0, end), arena, &condition->path, reterr);
    if (err != OK)
        return err;
    rest = str_trim(str_slice(copy, end, copy.len));
    if (!take_word(rest, condition)) {
        if (!take_operator(&rest, &condition->is))
            return error_set(reterr, ERR_INVALID,
                "the condition \"%.*s\" needs one of = != ^= *= < > exists absent after its path",
                STR_FMT(copy));
        err = value_parse(rest, condition, reterr);
        if (err != OK)
            return err;
    }
    *ret = condition;
    return OK;
}

/* A number's value, also of one that came as a text. */
static bool
number_at(const struct json *place, struct decimal *ret)
{
    return (place->kind == JSON_NUMBER || place->kind == JSON_STRING) &&
           decimal_parse(place->text, ret) == OK;
}

static bool
equals(const struct field_condition *condition, const struct json *place)
{
    struct decimal number;

    switch (condition->kind) {
    case VALUE_TRUE: return place->kind == JSON_BOOL && place->boolean;
    case VALUE_FALSE: return place->kind == JSON_BOOL && !place->boolean;
    case VALUE_NULL: return place->kind == JSON_NULL;
    case VALUE_NUMBER:
        if (place->kind == JSON_NUMBER && decimal_parse(place->text, &number) == OK)
            return decimal_compare(&number, &condition->number) == 0;
        break;
    case VALUE_TEXT:
        if (place->kind == JSON_NUMBER)
            return false;
        break;
    case VALUE_TIME: return false;
    }
    return (place->kind == JSON_STRING || place->kind == JSON_NUMBER) &&
           str_equals(place->text, condition->text);
}

/* Below, equal, above; 2 when the two cannot be compared. */
static int
compare(const struct field_condition *condition, const struct json *place)
{
    struct decimal number;
    struct walltime time;

    if (condition->kind == VALUE_NUMBER)
        return number_at(place, &number) ? decimal_compare(&number, &condition->number) : 2;
    if (place->kind != JSON_STRING || walltime_parse(place->text, &time) != OK)
        return 2;
    return (time.us > condition->time.us) - (time.us < condition->time.us);
}

static bool
holds_text(struct str text, struct str piece)
{
    return piece.len == 0 || (text.len > 0 && memmem(text.ptr, text.len, piece.ptr, piece.len));
}

static bool
is_met(const struct field_condition *condition, const struct json *place)
{
    bool has_text = place->kind == JSON_STRING || place->kind == JSON_NUMBER;

    switch (condition->is) {
    case CONDITION_EQUALS: return equals(condition, place);
    case CONDITION_DIFFERS: return !equals(condition, place);
    case CONDITION_STARTS: return has_text && str_starts(place->text, condition->text);
    case CONDITION_HOLDS: return has_text && holds_text(place->text, condition->text);
    case CONDITION_BELOW: return compare(condition, place) == -1;
    case CONDITION_ABOVE: return compare(condition, place) == 1;
    case CONDITION_EXISTS:
    case CONDITION_ABSENT: return true;
    }
    UNREACHABLE;
}

struct search {
    const struct field_condition *condition;
    bool has_place;
    bool is_met;
};

static bool
on_place(const struct json *place, void *arg)
{
    struct search *search = arg;

    search->has_place = true;
    search->is_met = is_met(search->condition, place);
    return !search->is_met;
}

bool
field_condition_holds(const struct field_condition *condition, const struct json *body)
{
    struct search search = {.condition = condition};

    field_path_walk(&condition->path, body, on_place, &search);
    if (condition->is == CONDITION_ABSENT)
        return !search.has_place;
    if (condition->is == CONDITION_DIFFERS && !search.has_place)
        return true;
    return search.is_met;
}
