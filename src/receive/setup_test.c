/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/setup.h"

#include <stdio.h>
#include <string.h>

#include "store/handlers.h"
#include "support/engine.h"

static struct setup *
setup_of(void)
{
    struct setup *setup = NULL;

    assert_int_equal(setup_new(&setup, NULL), OK);
    return setup;
}

static void
add_source(struct setup *setup, const char *name)
{
    struct source *source = NULL;
    struct error error = {0};

    if (setup_add_source(setup, str_from(name), &source, &error) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(source_set(source, &setup->arena, STR("accept"), STR("none"), NULL), OK);
}

static struct handler *
add_handler(struct setup *setup, const char *name)
{
    struct handler *handler = NULL;
    struct error error = {0};

    if (setup_add_handler(setup, str_from(name), &handler, &error) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(handler_set(handler, &setup->arena, STR("type"), STR("exec"), NULL), OK);
    assert_int_equal(handler_set(handler, &setup->arena, STR("command"), STR("/bin/true"), NULL),
        OK);
    return handler;
}

static void
what_was_added_is_found(void **state)
{
    struct setup *setup = setup_of();
    char name[16];

    for (int i = 0; i < SETUP_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "s.%d_-Z", i);
        add_source(setup, name);
        (void)snprintf(name, sizeof(name), "h%d", i);
        add_handler(setup, name);
    }
    for (int i = 0; i < SETUP_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "s.%d_-Z", i);
        assert_ptr_equal(setup_find_source(setup, str_from(name)), &setup->sources[i]);
        assert_true(str_equals(setup->sources[i].name, str_from(name)));
    }
    assert_null(setup_find_source(setup, STR("s.0")));
    assert_null(setup_find_source(setup, (struct str){NULL, 0}));
    assert_int_equal(setup_check(setup, NULL), OK);
    setup_drop(setup);
    (void)state;
}

static void
there_is_a_most_of_each(void **state)
{
    struct setup *setup = setup_of();
    struct source *source = NULL;
    struct handler *handler = NULL;
    char name[16];

    for (int i = 0; i < SETUP_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        add_source(setup, name);
        add_handler(setup, name);
    }
    assert_int_equal(setup_add_source(setup, STR("one-more"), &source, NULL), ERR_LIMIT);
    assert_int_equal(setup_add_handler(setup, STR("one-more"), &handler, NULL), ERR_LIMIT);
    assert_null(source);
    assert_null(handler);
    setup_drop(setup);
    (void)state;
}

static void
a_name_must_be_able_to_stand_in_a_path(void **state)
{
    static const char *const names[] = {"", "a/b", "a b", ".", "..", ".a", "a%20", "a?",
        "caf\xc3\xa9", "a\n", "a:b",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    struct setup *setup = setup_of();

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct source *source = NULL;
        struct handler *handler = NULL;
        struct error error = {0};

        assert_int_equal(setup_add_source(setup, str_from(names[i]), &source, &error), ERR_INVALID);
        assert_non_null(strstr(error.text, "letters, digits"));
        assert_int_equal(setup_add_handler(setup, str_from(names[i]), &handler, &error),
            ERR_INVALID);
        assert_null(source);
        assert_null(handler);
    }
    add_source(setup, "0123456789012345678901234567890123456789012345678901234567890123");
    assert_int_equal(setup->source_count, 1);
    assert_int_equal(setup->handler_count, 0);
    setup_drop(setup);
    (void)state;
}

static void
a_name_is_given_once(void **state)
{
    struct setup *setup = setup_of();
    struct source *source = NULL;
    struct handler *handler = NULL;

    add_source(setup, "shop");
    add_handler(setup, "shop");
    assert_int_equal(setup_add_source(setup, STR("shop"), &source, NULL), ERR_CONFLICT);
    assert_int_equal(setup_add_handler(setup, STR("shop"), &handler, NULL), ERR_CONFLICT);
    assert_null(source);
    assert_null(handler);
    setup_drop(setup);
    (void)state;
}

static void
assert_refused(const struct setup *setup, const char *word)
{
    struct error error = {0};

    assert_int_equal(setup_check(setup, &error), ERR_INVALID);
    if (strstr(error.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, word);
}

static void
a_fault_names_its_section(void **state)
{
    struct setup *setup = setup_of();
    struct source *source = NULL;
    struct handler *handler = NULL;

    assert_refused(setup, "[source NAME]");
    add_source(setup, "shop");
    assert_int_equal(setup_check(setup, NULL), OK);
    assert_int_equal(setup_add_source(setup, STR("open"), &source, NULL), OK);
    assert_refused(setup, "source open: it does not say who may call");
    assert_int_equal(source_set(source, &setup->arena, STR("accept"), STR("none"), NULL), OK);
    assert_int_equal(setup_add_handler(setup, STR("mail"), &handler, NULL), OK);
    assert_refused(setup, "handler mail: ");
    setup_drop(setup);
    (void)state;
}

static void
a_handler_of_a_source_that_is_not_there_is_refused(void **state)
{
    struct setup *setup = setup_of();
    struct handler *handler;
    char name[HANDLER_NAME_BYTES_MAX];

    add_source(setup, "shop");
    add_source(setup, "webinars");
    handler = add_handler(setup, "work");
    assert_int_equal(handler_set(handler, &setup->arena, STR("source"), STR("shop"), NULL), OK);
    assert_int_equal(setup_check(setup, NULL), OK);
    assert_int_equal(handler_set(handler, &setup->arena, STR("source"), STR("shops"), NULL), OK);
    assert_refused(setup, "handler work: there is no source \"shops\": there are shop, webinars");
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof(name), "another-%d", i);
        add_source(setup, name);
    }
    assert_refused(setup, "and more");
    setup_drop(setup);
    (void)state;
}

static void
who_holds_it_keeps_it(void **state)
{
    struct setup *setup = setup_of();

    add_source(setup, "shop");
    assert_ptr_equal(setup_hold(setup), setup);
    setup_drop(setup);
    assert_non_null(setup_find_source(setup, STR("shop")));
    setup_drop(setup);
    setup_drop(NULL);
    (void)state;
}

static void
numbers_of_the_store_are_given_once(void **state)
{
    struct engine *engine = test_engine_open();
    struct setup *first = setup_of();
    struct setup *second = setup_of();
    const struct walltime now = {1};

    add_source(first, "shop");
    add_source(first, "webinars");
    add_handler(first, "work");
    add_handler(first, "mail");
    assert_int_equal(setup_register(first, engine, now, NULL), OK);
    assert_int_not_equal(first->source_pks[0], first->source_pks[1]);
    assert_int_not_equal(first->handlers[0].handler_pk, first->handlers[1].handler_pk);
    assert_int_not_equal(first->handlers[0].handler_pk, 0);

    add_source(second, "webinars");
    add_source(second, "shop");
    add_source(second, "new");
    add_handler(second, "mail");
    assert_int_equal(setup_register(second, engine, now, NULL), OK);
    assert_int_equal(second->source_pks[0], first->source_pks[1]);
    assert_int_equal(second->source_pks[1], first->source_pks[0]);
    assert_int_not_equal(second->source_pks[2], first->source_pks[0]);
    assert_int_not_equal(second->source_pks[2], first->source_pks[1]);
    assert_int_equal(second->handlers[0].handler_pk, first->handlers[1].handler_pk);
    setup_drop(first);
    setup_drop(second);
    engine_close(engine);
    (void)state;
}

static void
a_handler_that_left_the_configuration_owes_nothing(void **state)
{
    struct engine *engine = test_engine_open();
    struct setup *first = setup_of();
    struct setup *second = setup_of();
    struct handler_state *handlers = NULL;
    struct arena arena;
    size_t count = 0;

    arena_init(&arena, 65536);
    add_source(first, "shop");
    add_handler(first, "work");
    add_source(second, "shop");
    assert_int_equal(setup_register(first, engine, (struct walltime){1}, NULL), OK);
    assert_int_equal(setup_register(second, engine, (struct walltime){2}, NULL), OK);
    assert_int_equal(handlers_list(engine, &arena, &handlers, &count, NULL), OK);
    assert_int_equal(count, 1);
    assert_false(handlers[0].is_configured);
    assert_int_equal(setup_register(first, engine, (struct walltime){3}, NULL), OK);
    assert_int_equal(handlers_list(engine, &arena, &handlers, &count, NULL), OK);
    assert_true(handlers[0].is_configured);
    arena_done(&arena);
    setup_drop(first);
    setup_drop(second);
    engine_close(engine);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),
        cmocka_unit_test(there_is_a_most_of_each),
        cmocka_unit_test(a_name_must_be_able_to_stand_in_a_path),
        cmocka_unit_test(a_name_is_given_once),
        cmocka_unit_test(a_fault_names_its_section),
        cmocka_unit_test(a_handler_of_a_source_that_is_not_there_is_refused),
        cmocka_unit_test(who_holds_it_keeps_it),
        cmocka_unit_test(numbers_of_the_store_are_given_once),
        cmocka_unit_test(a_handler_that_left_the_configuration_owes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
