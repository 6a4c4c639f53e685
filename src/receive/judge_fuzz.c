/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "receive/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOKEN "the-token-of-the-fuzzer"

/* Every proof there is, each enough by itself; of the signatures one kind a source. */
static const char *const settings[][2] = {
    {"accept", "token or basic or header or signature"},
    {"token-sha256", "0b2fe3ca3d0df1ba7d4a4e3b7b4a6c3d0e3c1a5f0d6b8f9ce1d2c3b4a5968778"},
    {"basic", "user:a password of the fuzzer"},
    {"header", "X-Key"},
    {"header-value", "a value of the fuzzer"},
};

static const char *const schemes[] = {"svix", "github", "stripe", "shopify", "slack", "zoom"};

static const char *const names[] = {"Authorization", "X-Key", "webhook-id", "webhook-timestamp",
    "webhook-signature", "svix-id", "svix-timestamp", "svix-signature", "X-Hub-Signature-256",
    "Stripe-Signature", "X-Shopify-Hmac-Sha256", "X-Slack-Signature", "X-Slack-Request-Timestamp",
    "x-zm-signature", "x-zm-request-timestamp", "x-usher-event", "x-usher-sequence"};

static void
set(struct source *source, struct arena *arena, const char *name, const char *value)
{
    CHECK(source_set(source, arena, str_from(name), str_from(value), NULL) == OK);
}

/* Nothing that was made up passes, and the same call with the right token does; to have observed it
 * changes nothing. What is told of it is bounded. */
static void
check_call(const struct source *source, struct source_call *call)
{
    struct source_judge *judge = NULL;
    CLEANUP(buf_done) struct buf text;
    struct str token = call->token;

    buf_init(&text, 8192);
    CHECK(source_judge_new(source, &judge, NULL) == OK);
    CHECK(source_judge(judge, call, NULL) == ERR_DENIED);
    source_observe(judge, call, &text);
    CHECK(!buf_is_full(&text));
    call->token = STR(TOKEN);
    CHECK(source_judge(judge, call, NULL) == OK);
    call->token = token;
    CHECK(source_judge(judge, call, NULL) == ERR_DENIED);
    source_judge_free(judge);
}

/* What is read out of a call fits where it is kept. */
static void
check_facts(const struct source *source, const struct source_call *call, struct arena *arena)
{
    struct json *json = NULL;
    struct source_facts facts;

    if (json_parse(call->body, arena, &json, NULL) != OK)
        json = NULL;
    source_facts(source, call, json, arena, &facts);
    CHECK(facts.event.len <= SOURCE_EVENT_BYTES_MAX && str_is_utf8(facts.event));
    CHECK(facts.sender_id.len <= SOURCE_SENDER_ID_BYTES_MAX && str_is_utf8(facts.sender_id));
    CHECK(facts.sender_sequence >= 0);
}

static void
check_scheme(const char *scheme, struct source_call *call)
{
    struct arena arena;
    struct source source;

    arena_init(&arena, (size_t)1024 * 1024);
    source_init(&source, STR("fuzz"));
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        set(&source, &arena, settings[i][0], settings[i][1]);
    CHECK(sha256(STR(TOKEN), source.token_hashes[0]) == OK);
    set(&source, &arena, "signature", scheme);
    set(&source, &arena, "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    CHECK(source_check(&source, NULL) == OK);
    check_call(&source, call);
    check_facts(&source, call, &arena);
    source_wipe(&source);
    arena_done(&arena);
}

/* Lines: the token, the body, then the fields' values in the order of their names. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str value;
    struct http_field fields[COUNT_OF(names)];
    struct http_head head = {.method = STR("POST"), .fields = fields};
    struct source_call call = {.head = &head, .now = {INT64_C(1614265330) * US_PER_S}};

    if (size == 0 || size > 16384)
        return 0;
    CHECK(address_parse(STR("192.0.2.7"), &call.peer, NULL) == OK);
    (void)str_split(&rest, '\n', &call.token);
    (void)str_split(&rest, '\n', &call.body);
    for (size_t i = 0; i < COUNT_OF(names) && str_split(&rest, '\n', &value); i++) {
        if (value.len > 0)
            fields[head.field_count++] = (struct http_field){str_from(names[i]), str_trim(value)};
    }
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        check_scheme(schemes[i], &call);
    return 0;
}
