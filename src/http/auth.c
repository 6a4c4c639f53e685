/* SPDX-License-Identifier: Apache-2.0 */
#include "http/auth.h"

#include "base/check.h"
#include "store/accounts.h"

struct str
auth_key_text(const struct http_head *head)
{
    struct str key = http_head_field(head, STR("x-api-key"));
    struct str authorization;
    size_t space;

    if (key.ptr != NULL)
        return key;
    authorization = http_head_field(head, STR("authorization"));
    space = str_find(authorization, ' ', 0);
    if (space == SIZE_MAX || !str_equals_nocase(str_slice(authorization, 0, space), STR("Bearer")))
        return (struct str){NULL, 0};
    return str_trim(str_slice(authorization, space, authorization.len));
}

enum err
auth_check(struct call *call, struct engine *engine)
{
    enum scope scope = call->route->scope;
    struct api_key key;
    enum err err;

    if (call->key_text.ptr == NULL)
        return call_problem(call, 401, AUTH_MISSING);
    err = key_find(engine, call->key_text, &call->arena, &key, &call->store_call.error);
    if (err == ERR_NOT_FOUND)
        return call_problem(call, 401,
            "this API key is not known here: check it, or make one with usher key create");
    if (err != OK)
        return err;
    if (key_is_expired(&key, call->now)) {
        char expires[WALLTIME_TEXT_BYTES];

        walltime_format(key.expires, expires);
        return call_problem(call, 401, "this API key has expired (%s): make a new one", expires);
    }
    if (key.account_pk == 0 && scope != SCOPE_ADMIN)
        return call_problem(call, 403,
            "this is an admin key, which belongs to no account: use a key of the account");
    if ((key.scopes & (unsigned)scope) != (unsigned)scope)
        return call_problem(call, 403,
            "this API key lacks the scope \"%s\", which this route needs: use one that has it",
            scope_name(scope));

    call->account_pk = key.account_pk;
    call->scopes = key.scopes;
    return OK;
}
