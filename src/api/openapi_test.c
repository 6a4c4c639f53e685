/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openapi.h"

#include <ctype.h>
#include <string.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/json.h"
#include "support/test.h"

static struct arena arena;
static struct json *document;

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return json_parse(openapi_text(), &arena, &document, NULL) == OK ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct json *
member(const struct json *object, struct str name)
{
    return object != NULL ? json_find(object, name) : NULL;
}

/* Follows "#/components/parameters/limit"; anything else stands for itself. */
static const struct json *
resolved(const struct json *object)
{
    const struct json *ref = member(object, STR("$ref"));
    const struct json *at = document;
    struct str rest;

    if (ref == NULL)
        return object;
    rest = str_slice(ref->text, 2, ref->text.len);
    while (at != NULL && rest.len > 0) {
        size_t end = str_find(rest, '/', 0);

        end = end == SIZE_MAX ? rest.len : end;
        at = member(at, str_slice(rest, 0, end));
        rest = str_slice(rest, end < rest.len ? end + 1 : end, rest.len);
    }
    assert_non_null(at);
    return at;
}

static const struct json *
operation_of(const struct route *route)
{
    char method[16] = {0};

    for (size_t i = 0; route->method[i] != '\0' && i < sizeof(method) - 1; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    return member(member(member(document, STR("paths")), str_from(route->path)), str_from(method));
}

/* The next of the words that a route's query lists; false at the end. */
static bool
next_word(struct str *rest, struct str *ret)
{
    size_t end;

    *rest = str_trim(*rest);
    if (rest->len == 0)
        return false;
    end = str_find(*rest, ' ', 0);
    end = end == SIZE_MAX ? rest->len : end;
    *ret = str_slice(*rest, 0, end);
    *rest = str_slice(*rest, end, rest->len);
    return true;
}

static bool
has_parameter(const struct json *operation, struct str in, struct str name)
{
    const struct json *parameters = member(operation, STR("parameters"));

    for (const struct json *it = parameters != NULL ? parameters->first : NULL; it != NULL;
         it = it->next) {
        const struct json *parameter = resolved(it);

        if (str_equals(member(parameter, STR("in"))->text, in) &&
            str_equals(member(parameter, STR("name"))->text, name))
            return true;
    }
    return false;
}

static void
see_query(const struct route *route, const struct json *operation)
{
    struct str rest = str_from(route->query != NULL ? route->query : "");
    struct str name;
    size_t listed = 0;
    size_t described = 0;
    const struct json *parameters = member(operation, STR("parameters"));

    for (; next_word(&rest, &name); listed++)
        if (!has_parameter(operation, STR("query"), name))
            fail_msg("%s %s: ?%.*s is not described", route->method, route->path, STR_FMT(name));
    for (const struct json *it = parameters != NULL ? parameters->first : NULL; it != NULL;
         it = it->next)
        described += str_equals(member(resolved(it), STR("in"))->text, STR("query"));
    if (listed != described)
        fail_msg("%s %s: a parameter is described that is not taken", route->method, route->path);
}

static void
see_path(const struct route *route, const struct json *operation)
{
    struct str path = str_from(route->path);

    for (size_t open = str_find(path, '{', 0); open != SIZE_MAX;
         open = str_find(path, '{', open + 1)) {
        struct str name = str_slice(path, open + 1, str_find(path, '}', open));

        if (!has_parameter(operation, STR("path"), name))
            fail_msg("%s %s: {%.*s} is not described", route->method, route->path, STR_FMT(name));
    }
}

static void
see_body(const struct route *route, const struct json *operation)
{
    const struct json *body = member(operation, STR("requestBody"));
    const struct json *required = member(body, STR("required"));
    bool is_required = required != NULL && required->boolean;

    if ((route->body != BODY_NONE) != (body != NULL))
        fail_msg("%s %s: a body is taken or described, not both", route->method, route->path);
    if (body != NULL && is_required != (route->body != BODY_OPTIONAL_JSON))
        fail_msg("%s %s: is its body required?", route->method, route->path);
}

static void
see_key(const struct route *route, const struct json *operation)
{
    const struct json *security = member(operation, STR("security"));
    bool is_open = security != NULL && security->count == 0;

    if (is_open != (route->scope == SCOPE_NONE))
        fail_msg("%s %s: does it ask for a key?", route->method, route->path);
}

static void
every_route_is_described_as_it_is(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < api_tables[t]->count; i++, seen++) {
            const struct route *route = &api_tables[t]->routes[i];
            const struct json *operation = operation_of(route);

            if (operation == NULL)
                fail_msg("%s %s is not described", route->method, route->path);
            see_query(route, operation);
            see_path(route, operation);
            see_body(route, operation);
            see_key(route, operation);
        }
    }
    assert_true(seen > 40);
}

static bool
is_routed(struct str path, struct str method)
{
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < api_tables[t]->count; i++) {
            const struct route *route = &api_tables[t]->routes[i];

            if (str_equals(str_from(route->path), path) &&
                str_equals_nocase(str_from(route->method), method))
                return true;
        }
    }
    return false;
}

static void
what_is_described_is_routed(void **state)
{
    (void)state;
    for (const struct json *path = member(document, STR("paths"))->first; path != NULL;
         path = path->next) {
        for (const struct json *method = path->first; method != NULL; method = method->next)
            if (!is_routed(path->name, method->name))
                fail_msg("%.*s %.*s is described and does not exist", STR_FMT(method->name),
                    STR_FMT(path->name));
    }
}

static void
see_references(const struct json *value)
{
    if (value->kind == JSON_OBJECT)
        (void)resolved(value);
    if (value->kind != JSON_OBJECT && value->kind != JSON_ARRAY)
        return;
    for (const struct json *it = value->first; it != NULL; it = it->next)
        see_references(it);
}

static void
every_reference_leads_somewhere(void **state)
{
    (void)state;
    see_references(document);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described_as_it_is),
        cmocka_unit_test(what_is_described_is_routed),
        cmocka_unit_test(every_reference_leads_somewhere),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
