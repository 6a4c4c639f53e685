/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inbox_config.h"

#include <string.h>
#include <sys/stat.h>

#include "support/scratch.h"
#include "support/test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct world {
    struct scratch scratch;
    struct config config;
    struct setup *setup;
    struct error error;
};

/* The settings as they are read from a file of this mode. */
static void
read_settings(struct world *world, const char *text, unsigned mode)
{
    static const char *const environment[] = {NULL};
    struct command_line line = {.argc = 0};
    FILE *file;

    memset(world, 0, sizeof(*world));
    scratch_init(&world->scratch);
    line.file = scratch_path(&world->scratch, "usher.conf");
    file = fopen(line.file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(line.file, mode), 0);
    assert_int_equal(config_init(&world->config, &world->error), OK);
    if (config_load(&world->config, &line, environment, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
done(struct world *world)
{
    setup_drop(world->setup);
    config_done(&world->config);
    scratch_done(&world->scratch);
}

static void
sections_become_sources_and_handlers(void **state)
{
    struct world world;

    (void)state;
    read_settings(&world,
        "trusted-proxy = 10.0.0.0/8\n"
        "[source webinars]\n"
        "event = webinar.created.single\n"
        "accept = token\n"
        "token-sha256 = " HASH "\n"
        "[handler copy]\n"
        "type = exec\n"
        "command = /bin/true\n"
        "source = webinars\n"
        "rate = 5\n"
        "[source open]\n"
        "accept = none\n",
        0644);
    if (inbox_config_setup(&world.config, &world.setup, &world.error) != OK)
        fail_msg("%s", world.error.text);
    assert_int_equal(world.setup->source_count, 2);
    assert_true(str_equals(world.setup->sources[0].name, STR("webinars")));
    assert_int_equal(world.setup->sources[0].token_count, 1);
    assert_true(str_equals(world.setup->sources[0].event, STR("webinar.created.single")));
    assert_true(world.setup->sources[1].accepts_all);
    assert_int_equal(world.setup->handler_count, 1);
    assert_true(str_equals(world.setup->handlers[0].name, STR("copy")));
    assert_ptr_equal(world.setup->handlers[0].kind, &handler_exec);
    assert_true(world.setup->handlers[0].rate > 4.9 && world.setup->handlers[0].rate < 5.1);
    assert_int_equal(world.setup->proxy_count, 1);
    done(&world);
}

/* Each text is behind "usher.conf", whose folder is made up by the test. */
static void
a_mistake_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text;
        enum err err;
        const char *expected;
    } cases[] = {
        {"db = a\n", ERR_NOT_FOUND, ": there is no [source NAME], so nobody to receive from"},
        {"[source a/b]\naccept = none\n", ERR_INVALID,
            ":1: [source a/b]: \"a/b\" cannot be the name of a source"},
        {"\n[source a]\nevent = x\n", ERR_INVALID,
            ":2: [source a]: it does not say who may call: set accept = "},
        {"[source a]\naccept = tokn\n", ERR_INVALID,
            ":2: [source a]: accept: \"tokn\" is no proof"},
        {"[source a]\naccept = signature\nsignature = githup\nsecret = x\n", ERR_INVALID,
            ":3: [source a]: signature: \"githup\" is none of standard-webhooks, svix, "},
        {"[source a]\naccept = token\ntoken-sha256 = 12\n", ERR_INVALID, ":3: [source a]: token-"},
        {"[source a]\naccept = none\n[handler b]\ncommand = x\n", ERR_INVALID,
            ":4: [handler b]: \"command\" is no setting that all handlers have, and type"},
        {"[source a]\naccept = none\n[handler b]\ntype = exce\n", ERR_INVALID,
            ":4: [handler b]: type: \"exce\" is none of exec, http, sql, mail"},
        {"[source a]\naccept = none\n[handler b]\ntype = exec\n", ERR_INVALID, ":3: [handler b]: "},
        {"[source a]\naccept = none\n[handler b]\ntype = exec\ncommand = x\nurl = http://a/\n",
            ERR_INVALID, ":6: [handler b]: \"url\" is no setting of exec: there are command"},
        {"[source a]\naccept = none\n[handler b]\n", ERR_INVALID, ":3: [handler b]: "},
        {"[source a]\naccept = none\n[handler b]\ntype = exec\ncommand = x\nsource = c\n",
            ERR_INVALID, ": handler b: there is no source \"c\": there are a"},
        {"[handler b]\ntype = exec\ncommand = x\n", ERR_INVALID, ": there is no source: a section"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world world;
        const char *found;

        read_settings(&world, cases[i].text, 0600);
        assert_int_equal(inbox_config_setup(&world.config, &world.setup, &world.error),
            cases[i].err);
        assert_null(world.setup);
        found = strstr(world.error.text, "usher.conf");
        assert_non_null(found);
        found += strlen("usher.conf");
        if (strncmp(found, cases[i].expected, strlen(cases[i].expected)) != 0)
            fail_msg("\"%s\" is not \"%s\"", found, cases[i].expected);
        done(&world);
    }
}

static void
secrets_are_for_the_owner_alone(void **state)
{
    static const char text[] = "[source a]\n"
                               "accept = basic\n"
                               "basic = me:secret\n";
    static const unsigned modes[] = {0644, 0640, 0602, 0660};
    struct world world;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        read_settings(&world, text, modes[i]);
        assert_int_equal(inbox_config_setup(&world.config, &world.setup, &world.error), ERR_DENIED);
        assert_null(world.setup);
        assert_non_null(strstr(world.error.text, ":3: [source a]: basic: others than its owner"));
        assert_non_null(strstr(world.error.text, "chmod 600 "));
        assert_null(strstr(world.error.text, "me:secret"));
        done(&world);
    }
    read_settings(&world, text, 0600);
    assert_int_equal(inbox_config_setup(&world.config, &world.setup, &world.error), OK);
    done(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_become_sources_and_handlers),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(secrets_are_for_the_owner_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
