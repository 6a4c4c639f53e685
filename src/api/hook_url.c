/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_url.h"

#include "api/api.h"
#include "base/check.h"
#include "http/service.h"
#include "os/log.h"

#define HTTP_REFUSED                                                                               \
    "must be https: http is taken only if the server was started with --allow-http-hooks, or for " \
    "addresses that --allow-hook-cidr opens"

static bool
is_opened(const struct address_guard *guard, const struct address *address)
{
    for (size_t i = 0; i < guard->count; i++) {
        if (cidr_holds(&guard->allowed[i], address))
            return true;
    }
    return guard->allow_all;
}

static void
bare_format(const struct address *address, char ret[ADDRESS_TEXT_BYTES])
{
    struct address bare = *address;

    address_set_port(&bare, 0);
    address_format(&bare, ret);
}

/* Where a name leads is not told: who asks may be a stranger to the network that we look it up in,
 * and would read its names one by one (doc/decisions/0009-addresses.md). */
static struct str
denied_text(const struct url *url, const struct hook_url_denied *denied, struct arena *arena)
{
    char text[ADDRESS_TEXT_BYTES];

    if (!url->is_host_ipv4 && !url->is_host_ipv6)
        return arena_printf(arena,
            "leads to an address that is not called (%s): the server must be started with "
            "--allow-hook-cidr and that address, which its log names, or with "
            "--allow-private-hooks",
            denied->why);
    bare_format(denied->address, text);
    return arena_printf(arena,
        "is at %s, which is not called (%s): the server must be started with --allow-hook-cidr %s, "
        "or with --allow-private-hooks",
        text, denied->why, text);
}

/* As each connection does: one address that may not be called refuses the whole name. */
struct str
hook_url_judge(const struct url *url, const struct resolved *resolved,
    const struct hook_url_rules *rules, struct arena *arena, struct hook_url_denied *ret_denied)
{
    const struct address_guard *guard = rules->guard;
    struct hook_url_denied denied = {NULL, NULL};
    size_t opened = 0;
    size_t open_to_all = 0;

    *ret_denied = denied;
    if (resolved->err == ERR_NOT_FOUND)
        return arena_printf(arena, "does not lead anywhere: there is no host %.*s; check its name",
            STR_FMT(url->host));

    for (size_t i = 0; resolved->err == OK && i < resolved->count; i++) {
        const struct address *address = &resolved->addresses[i];
        const char *reason = address_denied(guard, address);

        if (reason != NULL && denied.address == NULL)
            denied = (struct hook_url_denied){address, reason};
        opened += reason == NULL && is_opened(guard, address);
        open_to_all += reason == NULL && !is_opened(guard, address);
    }
    *ret_denied = denied;
    if (denied.address != NULL)
        return denied_text(url, &denied, arena);
    if (!url->is_tls && !rules->allow_http && !guard->allow_all && (opened == 0 || open_to_all > 0))
        return STR(HTTP_REFUSED);
    return (struct str){NULL, 0};
}

static void
on_resolved(const struct resolved *resolved, void *arg)
{
    struct call *call = arg;
    struct hook_url *hook_url = call->prepared;
    const struct hook_url_rules rules = {call->api->guard, call->api->allow_http_hooks};
    struct hook_url_denied denied;
    char text[ADDRESS_TEXT_BYTES];

    hook_url->refusal = hook_url_judge(&hook_url->url, resolved, &rules, &call->arena, &denied);
    if (denied.address != NULL) {
        bare_format(denied.address, text);
        log_info("hook.refused", log_str("request", call->request_id),
            log_str("host", hook_url->url.host), log_text("address", text),
            log_text("reason", denied.why));
    }
    call_prepared(call);
}

/* The parts that need no name server; true when they will do. */
static bool
parse(struct call *call, struct str text, struct hook_url *ret)
{
    struct error error = {OK, ""};
    struct buf shown;

    if (url_parse(text, &call->arena, &ret->url, &error) != OK) {
        ret->refusal = arena_copy(&call->arena, str_from(error.text));
        return false;
    }
    buf_init(&shown, URL_BYTES_MAX + 16);
    url_append_public(&ret->url, &shown);
    if (!buf_is_full(&shown))
        ret->shown = arena_copy(&call->arena, buf_str(&shown));
    buf_done(&shown);
    return ret->shown.ptr != NULL;
}

void
hook_url_prepare(struct call *call)
{
    struct hook_url *hook_url = ARENA_NEW(&call->arena, struct hook_url);
    const struct json *value = NULL;
    struct resolving *resolving = NULL;

    if (hook_url == NULL) {
        call_fail(call, 503, "no memory for the request just now: try again in a second");
        return;
    }
    call->prepared = hook_url;
    if (call->body != NULL && call->body->kind == JSON_OBJECT)
        value = json_find(call->body, STR("hookUrl"));
    if (value == NULL || value->kind != JSON_STRING || value->text.len > URL_BYTES_MAX ||
        text_is_wrong(value->text) != NULL) {
        call_prepared(call); /* hook_read names what is wrong */
        return;
    }
    hook_url->is_given = true;
    /* Where all is open there is nothing that an address could change. */
    if (!parse(call, value->text, hook_url) || call->api->guard->allow_all) {
        call_prepared(call);
        return;
    }
    if (resolver_ask(call->api->resolvers[call->loop_index], hook_url->url.host, hook_url->url.port,
            on_resolved, call, &resolving) != OK)
        call_fail(call, 503, "host names cannot be looked up just now: try again in a second");
}
