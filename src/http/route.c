/* SPDX-License-Identifier: Apache-2.0 */
#include "http/route.h"

#include <string.h>

#include "base/check.h"

static bool
is_param(struct str segment)
{
    return segment.len >= 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

/* An empty piece is no parameter: "/mangoes/" names nothing. */
static bool
path_matches(struct str pattern, struct str path, struct str params[ROUTE_PARAMS_MAX])
{
    struct str wanted;
    struct str given;
    size_t param = 0;

    while (str_split(&pattern, '/', &wanted)) {
        if (!str_split(&path, '/', &given))
            return false;
        if (is_param(wanted)) {
            if (given.len == 0)
                return false;
            CHECK(param < ROUTE_PARAMS_MAX);
            params[param++] = given;
        } else if (!str_equals(wanted, given)) {
            return false;
        }
    }
    return path.ptr == NULL;
}

static bool
method_matches(const struct route *route, struct str method)
{
    if (str_equals(str_from(route->method), method))
        return true;
    return str_equals(method, STR("HEAD")) && strcmp(route->method, "GET") == 0;
}

/* Add a method to "GET, HEAD, POST", once. */
static void
allow_add(char text[ROUTE_ALLOW_BYTES], const char *method)
{
    size_t len = strlen(text);
    size_t method_len = strlen(method);

    if (strstr(text, method) != NULL)
        return;
    CHECK(len + 2 + method_len < ROUTE_ALLOW_BYTES);
    if (len > 0) {
        memcpy(text + len, ", ", 2);
        len += 2;
    }
    memcpy(text + len, method, method_len + 1);
}

enum route_match
route_find(const struct route_table *tables, size_t table_count, const struct route_question *ask,
    const struct route **ret, struct str params[ROUTE_PARAMS_MAX],
    char ret_allow[ROUTE_ALLOW_BYTES])
{
    char allow[ROUTE_ALLOW_BYTES] = "";

    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const struct route *route = &tables[i].routes[j];
            struct str found[ROUTE_PARAMS_MAX] = {0};

            if (!path_matches(str_from(route->path), ask->path, found))
                continue;
            if (method_matches(route, ask->method)) {
                memcpy(params, found, sizeof(found));
                *ret = route;
                return ROUTE_FOUND;
            }
            allow_add(allow, route->method);
            if (strcmp(route->method, "GET") == 0)
                allow_add(allow, "HEAD");
        }
    }
    if (allow[0] == '\0')
        return ROUTE_UNKNOWN;
    memcpy(ret_allow, allow, sizeof(allow));
    return ROUTE_OTHER_METHOD;
}
