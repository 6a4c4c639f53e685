/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hooks.h"

#include <string.h>

#include "support/engine.h"
#include "support/test.h"

#define EVENT STR("webinar.created.single")

static const struct walltime start = {INT64_C(1710496800000000)};

struct fixture {
    struct engine *engine;
    struct arena arena;
    struct error error;
};

static void
setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->engine = test_engine_open();
    arena_init(&f->arena, REQUEST_ARENA_BYTES_MAX);
}

static void
teardown(struct fixture *f)
{
    arena_done(&f->arena);
    engine_close(f->engine);
}

static struct hook
sample(uint8_t number)
{
    struct hook hook = hook_defaults();

    hook.account_pk = 1;
    hook.id = (struct id){{9, number}};
    hook.url = STR("https://example.com/h");
    hook.user_info = STR("user:pass");
    hook.event = EVENT;
    hook.webinar_id = (struct id){{1, 2, 3}};
    hook.description = STR("for the CRM");
    hook.headers[0] = (struct hook_header){STR("Authorization"), STR("Bearer \"t\"")};
    hook.headers[1] = (struct hook_header){STR("x-empty"), STR("")};
    hook.header_count = 2;
    hook.phone_format = PHONE_STRING;
    hook.secret = STR("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    hook.rate_limit = 0.1;
    hook.max_in_flight = 3;
    hook.created = start;
    hook.updated = start;
    return hook;
}

static int64_t
insert(struct fixture *f, const struct hook *hook)
{
    int64_t pk = 0;

    if (hook_insert(f->engine, hook, &f->arena, &pk, &f->error) != OK)
        fail_msg("%s", f->error.text);
    assert_true(pk > 0);
    return pk;
}

static void
must_run(struct fixture *f, const char *sql)
{
    if (engine_exec(f->engine, sql, &f->error) != OK)
        fail_msg("%s", f->error.text);
}

static int64_t
count(struct fixture *f, const char *sql)
{
    int64_t ret = -1;

    assert_int_equal(engine_get_int(f->engine, &ret, &f->error, sql, v_null()), OK);
    return ret;
}

static void
assert_str(struct str is, const char *wanted)
{
    if (!str_equals(is, str_from(wanted)))
        fail_msg("is \"%.*s\", wanted \"%s\"", STR_FMT(is), wanted);
}

static void
a_hook_comes_back_as_it_was_put_in(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook found = {0};

    (void)state;
    setup(&f);
    hook.pk = insert(&f, &hook);
    assert_int_equal(hook_get(f.engine, 1, hook.id, &f.arena, &found, &f.error), OK);
    assert_int_equal(found.pk, hook.pk);
    assert_true(id_equals(found.id, hook.id));
    assert_str(found.url, "https://example.com/h");
    assert_str(found.user_info, "user:pass");
    assert_str(found.event, "webinar.created.single");
    assert_true(id_equals(found.webinar_id, hook.webinar_id));
    assert_true(id_is_zero(found.mango_id));
    assert_str(found.description, "for the CRM");
    assert_int_equal(found.header_count, 2);
    assert_str(found.headers[0].name, "Authorization");
    assert_str(found.headers[0].value, "Bearer \"t\"");
    assert_str(found.headers[1].value, "");
    assert_int_equal(found.phone_format, PHONE_STRING);
    assert_int_equal(found.signature, HOOK_SIGNATURE_V1);
    assert_true(str_equals(found.secret, hook.secret));
    assert_null(found.old_secret.ptr);
    assert_true(found.rate_limit > 0.0999 && found.rate_limit < 0.1001);
    assert_int_equal(found.max_in_flight, 3);
    assert_int_equal(found.status, HOOK_ENABLED);
    assert_null(found.disabled_by.ptr);
    assert_true(found.created.us == start.us && found.updated.us == start.us);

    memset(&found, 0, sizeof(found));
    assert_int_equal(hook_get_pk(f.engine, hook.pk, &f.arena, &found, &f.error), OK);
    assert_true(id_equals(found.id, hook.id));
    teardown(&f);
}

static void
secrets_do_not_lie_in_the_rows(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);

    (void)state;
    setup(&f);
    (void)insert(&f, &hook);
    assert_int_equal(count(&f,
                         "SELECT count(*) FROM hook WHERE ?1 IS NULL AND (instr(secret_sealed,"
                         " CAST('whsec' AS BLOB)) > 0 OR instr(headers_sealed, CAST('Bearer' "
                         "AS BLOB)) > 0 OR instr(user_info_sealed, CAST('pass' AS BLOB)) > 0)"),
        0);
    teardown(&f);
}

static void
a_sealed_column_of_another_row_does_not_open(void **state)
{
    struct fixture f;
    struct hook a = sample(1);
    struct hook b = sample(2);
    struct hook found = {.pk = 77};

    (void)state;
    setup(&f);
    b.url = STR("https://example.com/b");
    (void)insert(&f, &a);
    (void)insert(&f, &b);
    must_run(&f,
        "UPDATE hook SET secret_sealed = (SELECT secret_sealed FROM hook WHERE hook_pk = 1)"
        " WHERE hook_pk = 2");
    assert_int_equal(hook_get(f.engine, 1, b.id, &f.arena, &found, &f.error), ERR_DENIED);
    assert_int_equal(found.pk, 77);
    teardown(&f);
}

static void
nobody_finds_anothers_hook(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook found = {.pk = 77};

    (void)state;
    setup(&f);
    (void)insert(&f, &hook);
    assert_int_equal(hook_get(f.engine, 2, hook.id, &f.arena, &found, &f.error), ERR_NOT_FOUND);
    assert_int_equal(hook_get(f.engine, 1, (struct id){{8}}, &f.arena, &found, &f.error),
        ERR_NOT_FOUND);
    assert_int_equal(hook_get_pk(f.engine, 99, &f.arena, &found, &f.error), ERR_NOT_FOUND);
    assert_int_equal(found.pk, 77);
    teardown(&f);
}

static void
an_update_is_seen_and_disabling_is_dated(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook found;

    (void)state;
    setup(&f);
    hook.pk = insert(&f, &hook);
    hook.url = STR("https://example.com/new");
    hook.user_info = (struct str){NULL, 0};
    hook.webinar_id = (struct id){0};
    hook.mango_id = (struct id){{5}};
    hook.description = STR("");
    hook.header_count = 0;
    hook.old_secret = hook.secret;
    hook.old_secret_until = (struct walltime){start.us + 5};
    hook.secret = STR("whsec_BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    hook.rate_limit = 0;
    hook.updated.us++;
    hook_move(&hook, HOOK_DISABLED);
    hook.disabled_by = STR("owner");
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(hook_get_pk(f.engine, hook.pk, &f.arena, &found, &f.error), OK);
    assert_str(found.url, "https://example.com/new");
    assert_null(found.user_info.ptr);
    assert_true(id_is_zero(found.webinar_id));
    assert_true(id_equals(found.mango_id, hook.mango_id));
    assert_int_equal(found.header_count, 0);
    assert_true(str_equals(found.secret, hook.secret));
    assert_true(str_equals(found.old_secret, hook.old_secret));
    assert_true(found.old_secret_until.us == start.us + 5);
    assert_true(found.rate_limit <= 0);
    assert_int_equal(found.status, HOOK_DISABLED);
    assert_str(found.disabled_by, "owner");
    assert_true(found.updated.us == start.us + 1);
    assert_true(count(&f, "SELECT disabled_us FROM hook WHERE ?1 IS NULL") == start.us + 1);

    /* Another change while disabled keeps since when. */
    hook.updated.us++;
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_true(count(&f, "SELECT disabled_us FROM hook WHERE ?1 IS NULL") == start.us + 1);

    hook_move(&hook, HOOK_ENABLED);
    hook.disabled_by = (struct str){NULL, 0};
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(count(&f, "SELECT count(*) FROM hook WHERE ?1 IS NULL AND disabled_us IS NULL"
                               " AND status = 'enabled'"),
        1);
    hook.pk = 99;
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), ERR_NOT_FOUND);
    teardown(&f);
}

static void
a_list_is_filtered_and_goes_on_where_it_stopped(void **state)
{
    struct fixture f;
    struct hook_query query = {.account_pk = 1, .before_pk = INT64_MAX, .limit = 10};
    struct hook *hooks = NULL;
    size_t n = 0;

    (void)state;
    setup(&f);
    for (uint8_t i = 1; i <= 5; i++) {
        struct hook hook = sample(i);

        hook.account_pk = i == 5 ? 2 : 1;
        hook.created.us = start.us + i;
        hook.webinar_id = (struct id){{i}};
        (void)insert(&f, &hook);
    }
    must_run(&f, "UPDATE hook SET status = 'disabled', disabled_by = 'gone' WHERE hook_pk = 2");

    assert_int_equal(hook_list(f.engine, &query, &f.arena, &hooks, &n, &f.error), OK);
    assert_int_equal(n, 4);
    assert_int_equal(hooks[0].pk, 4);
    assert_int_equal(hooks[3].pk, 1);

    query.limit = 2;
    query.before_pk = 4;
    assert_int_equal(hook_list(f.engine, &query, &f.arena, &hooks, &n, &f.error), OK);
    assert_int_equal(n, 2);
    assert_int_equal(hooks[0].pk, 3);
    assert_int_equal(hooks[1].pk, 2);

    query = (struct hook_query){.account_pk = 1,
        .before_pk = INT64_MAX,
        .limit = 10,
        .status = STR("disabled"),
        .event = EVENT};
    assert_int_equal(hook_list(f.engine, &query, &f.arena, &hooks, &n, &f.error), OK);
    assert_int_equal(n, 1);
    assert_str(hooks[0].disabled_by, "gone");

    query = (struct hook_query){.account_pk = 1,
        .before_pk = INT64_MAX,
        .limit = 10,
        .after = {start.us + 2},
        .before = {start.us + 4}};
    assert_int_equal(hook_list(f.engine, &query, &f.arena, &hooks, &n, &f.error), OK);
    assert_int_equal(n, 2);

    query = (struct hook_query){.account_pk = 1,
        .before_pk = INT64_MAX,
        .limit = 10,
        .webinar_id = {{3}}};
    assert_int_equal(hook_list(f.engine, &query, &f.arena, &hooks, &n, &f.error), OK);
    assert_int_equal(n, 1);
    assert_int_equal(hooks[0].pk, 3);
    teardown(&f);
}

static void
the_same_hook_is_found_again(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook other = sample(2);
    struct id same = {{7}};

    (void)state;
    setup(&f);
    hook.pk = insert(&f, &hook);
    assert_int_equal(hook_find_same(f.engine, &hook, &f.arena, &same, &f.error), ERR_NOT_FOUND);
    assert_int_equal(hook_find_same(f.engine, &other, &f.arena, &same, &f.error), OK);
    assert_true(id_equals(same, hook.id));

    same = (struct id){{7}};
    other.user_info = STR("user:other");
    assert_int_equal(hook_find_same(f.engine, &other, &f.arena, &same, &f.error), ERR_NOT_FOUND);
    other = sample(2);
    other.webinar_id = (struct id){0};
    assert_int_equal(hook_find_same(f.engine, &other, &f.arena, &same, &f.error), ERR_NOT_FOUND);
    other = sample(2);
    other.mango_id = (struct id){{1}};
    assert_int_equal(hook_find_same(f.engine, &other, &f.arena, &same, &f.error), ERR_NOT_FOUND);
    other = sample(2);
    other.account_pk = 2;
    assert_int_equal(hook_find_same(f.engine, &other, &f.arena, &same, &f.error), ERR_NOT_FOUND);
    assert_int_equal(same.bytes[0], 7);
    teardown(&f);
}

static void
a_deleted_hook_is_gone_with_all_that_was_to_be_sent(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook other = sample(2);
    struct hook found = {.pk = 77};
    struct id same = {{7}};

    (void)state;
    setup(&f);
    other.url = STR("https://example.com/other");
    hook.pk = insert(&f, &hook);
    other.pk = insert(&f, &other);
    must_run(&f, "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, status,"
                 " created_us) VALUES (1, 1, 1, 0, 5, 'sending', 0), (2, 1, 1, 0, 5, 'done', 0),"
                 " (1, 2, 1, 0, 5, 'sending', 0);"
                 "INSERT INTO chunk (fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
                 " VALUES (1, 1, 0, 1, 0, 0, x'01'), (3, 2, 0, 1, 0, 0, x'01');");
    assert_int_equal(hook_delete(f.engine, hook.pk, (struct walltime){9}, &f.error), OK);
    assert_int_equal(hook_get(f.engine, 1, hook.id, &f.arena, &found, &f.error), ERR_NOT_FOUND);
    assert_int_equal(hook_get_pk(f.engine, hook.pk, &f.arena, &found, &f.error), ERR_NOT_FOUND);
    assert_int_equal(found.pk, 77);
    assert_int_equal(hook_find_same(f.engine,
                         &(struct hook){.account_pk = 1,
                             .url = hook.url,
                             .user_info = hook.user_info,
                             .event = EVENT,
                             .webinar_id = hook.webinar_id},
                         &f.arena, &same, &f.error),
        ERR_NOT_FOUND);
    assert_int_equal(count(&f, "SELECT count(*) FROM fanout WHERE ?1 IS NULL AND hook_pk = 1 AND"
                               " status = 'cancelled' AND finished_us = 9 AND changed > 0"),
        1);
    assert_int_equal(count(&f, "SELECT count(*) FROM fanout WHERE ?1 IS NULL AND status = 'done'"),
        1);
    assert_int_equal(
        count(&f, "SELECT count(*) FROM fanout WHERE ?1 IS NULL AND status = 'sending'"), 1);
    assert_int_equal(count(&f, "SELECT hook_pk FROM chunk WHERE ?1 IS NULL"), 2);
    assert_int_equal(count(&f, "SELECT count(*) FROM hook WHERE ?1 IS NULL AND hook_pk = 1 AND"
                               " length(secret_sealed) = 0 AND headers_sealed IS NULL AND"
                               " user_info_sealed IS NULL"),
        1);
    assert_int_equal(hook_delete(f.engine, hook.pk, (struct walltime){9}, &f.error), ERR_NOT_FOUND);
    teardown(&f);
}

static void
a_mango_is_found_in_its_own_account_only(void **state)
{
    struct fixture f;
    bool exists = false;
    struct id id = {{0xab}};

    (void)state;
    setup(&f);
    must_run(&f, "INSERT INTO mango (account_pk, id, name, group_pk, created_us, updated_us)"
                 " VALUES (1, x'ab0000000000000000000000', 'm', 1, 0, 0)");
    assert_int_equal(hook_mango_exists(f.engine, 1, id, &exists, &f.error), OK);
    assert_true(exists);
    assert_int_equal(hook_mango_exists(f.engine, 2, id, &exists, &f.error), OK);
    assert_false(exists);
    teardown(&f);
}

static void
how_its_endpoint_does_is_told(void **state)
{
    struct fixture f;
    struct hook hook = sample(1);
    struct hook found = {0};

    (void)state;
    setup(&f);
    hook.pk = insert(&f, &hook);
    assert_int_equal(hook_get_pk(f.engine, hook.pk, &f.arena, &found, &f.error), OK);
    assert_true(found.account_rate <= 0);
    assert_true(found.learned_rate <= 0);
    assert_int_equal(found.first_failure.us, 0);
    assert_int_equal(found.failing.us, 0);
    must_run(&f, "INSERT INTO account (account_pk, id, name, rate_limit, created_us)"
                 " VALUES (1, x'01', 'a', 2.5, 0);"
                 "UPDATE hook SET first_failure_us = 7, failing_us = 8, learned_rate = 0.5");
    assert_int_equal(hook_get_pk(f.engine, hook.pk, &f.arena, &found, &f.error), OK);
    assert_true(found.account_rate > 2.4 && found.account_rate < 2.6);
    assert_true(found.learned_rate > 0.4 && found.learned_rate < 0.6);
    assert_int_equal(found.first_failure.us, 7);
    assert_int_equal(found.failing.us, 8);
    teardown(&f);
}

static void
its_failures_are_forgotten_when_it_is_enabled_and_not_by_an_edit(void **state)
{
    static const char failing[] =
        "SELECT count(*) FROM hook WHERE first_failure_us = 7 AND failing_us = 8 AND ?1 IS NULL";
    struct fixture f;
    struct hook hook = sample(1);

    (void)state;
    setup(&f);
    hook.pk = insert(&f, &hook);
    must_run(&f, "UPDATE hook SET first_failure_us = 7, failing_us = 8");
    hook.url = STR("https://example.com/other");
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(count(&f, failing), 1);
    hook_move(&hook, HOOK_DISABLED);
    hook.disabled_by = STR("owner");
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(count(&f, failing), 1);
    hook_move(&hook, HOOK_ENABLED);
    hook.disabled_by = (struct str){NULL, 0};
    assert_int_equal(hook_update(f.engine, &hook, &f.arena, &f.error), OK);
    assert_int_equal(
        count(&f, "SELECT count(*) FROM hook WHERE first_failure_us IS NULL AND failing_us IS NULL"
                  " AND ?1 IS NULL"),
        1);

    must_run(&f, "UPDATE hook SET first_failure_us = 7, failing_us = 8");
    assert_int_equal(hook_forgive(f.engine, hook.pk, &f.error), OK);
    assert_int_equal(
        count(&f, "SELECT count(*) FROM hook WHERE first_failure_us IS NULL AND failing_us IS NULL"
                  " AND ?1 IS NULL"),
        1);
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_comes_back_as_it_was_put_in),
        cmocka_unit_test(secrets_do_not_lie_in_the_rows),
        cmocka_unit_test(a_sealed_column_of_another_row_does_not_open),
        cmocka_unit_test(nobody_finds_anothers_hook),
        cmocka_unit_test(an_update_is_seen_and_disabling_is_dated),
        cmocka_unit_test(a_list_is_filtered_and_goes_on_where_it_stopped),
        cmocka_unit_test(the_same_hook_is_found_again),
        cmocka_unit_test(a_deleted_hook_is_gone_with_all_that_was_to_be_sent),
        cmocka_unit_test(a_mango_is_found_in_its_own_account_only),
        cmocka_unit_test(how_its_endpoint_does_is_told),
        cmocka_unit_test(its_failures_are_forgotten_when_it_is_enabled_and_not_by_an_edit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
