/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receive_init.h"

#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/encode.h"
#include "cli/inbox_config.h"
#include "os/files.h"
#include "support/scratch.h"
#include "support/test.h"

#define TEXT_BYTES_MAX 65536

static const char *const environment[] = {NULL};

struct world {
    struct scratch scratch;
    char path[512];
    struct config config;
    struct buf say;
    struct error error;
};

static void
prepare(struct world *world, const char *url)
{
    const char *argv[] = {"--public-url", url};
    struct command_line line = {
        .argc = url != NULL ? 2 : 0,
        .argv = argv,
        .listen = RECEIVE_LISTEN,
        .makes_file = true,
    };

    memset(world, 0, sizeof(*world));
    scratch_init(&world->scratch);
    (void)snprintf(world->path, sizeof(world->path), "%s",
        scratch_path(&world->scratch, "usher.conf"));
    line.file = world->path;
    buf_init(&world->say, TEXT_BYTES_MAX);
    assert_int_equal(config_init(&world->config, &world->error), OK);
    if (config_load(&world->config, &line, environment, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
done(struct world *world)
{
    buf_done(&world->say);
    config_done(&world->config);
    scratch_done(&world->scratch);
}

static void
what_is_written_can_be_used_as_it_is(void **state)
{
    static const char start[] = "    https://hooks.example.com/base/in/webinars/";
    struct world world;
    struct command_line line = {.argc = 0, .listen = RECEIVE_LISTEN};
    struct setup *setup = NULL;
    uint8_t hash[SHA256_BYTES];
    struct config written;
    struct stat status;
    struct buf text;
    const char *token;

    (void)state;
    prepare(&world, "https://hooks.example.com/base/");
    assert_int_equal(receive_init(&world.config, &world.say, &world.error), OK);
    assert_int_equal(stat(world.path, &status), 0);
    assert_int_equal(status.st_mode & 07777U, 0600);

    line.file = world.path;
    assert_int_equal(config_init(&written, &world.error), OK);
    if (config_load(&written, &line, environment, &world.error) != OK)
        fail_msg("%s", world.error.text);
    assert_string_equal(written.listen, "127.0.0.1:8090");
    assert_string_equal(written.db, "inbox.db");
    assert_string_equal(written.public_url, "https://hooks.example.com/base");
    if (inbox_config_setup(&written, &setup, &world.error) != OK)
        fail_msg("%s", world.error.text);
    assert_int_equal(setup->source_count, 1);
    assert_int_equal(setup->handler_count, 1);
    assert_ptr_equal(setup->handlers[0].kind, &handler_sql);

    /* The token is in what is said, and its digest alone in the file. */
    token = strstr(world.say.ptr, start);
    assert_non_null(token);
    token += sizeof(start) - 1;
    assert_int_equal(strcspn(token, "\n'\""), 43);
    assert_int_equal(sha256((struct str){token, 43}, hash), OK);
    assert_memory_equal(setup->sources[0].token_hashes[0], hash, sizeof(hash));
    buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(file_read(world.path, &text, &world.error), OK);
    assert_null(memmem(text.ptr, text.len, token, 43));
    assert_non_null(strstr(world.say.ptr, "-d '{\"hookUrl\":\"https://hooks.example.com/base/in/"));
    assert_non_null(strstr(world.say.ptr, "\"event\":\"webinar.created.single\"}'\n"));
    buf_done(&text);
    setup_drop(setup);
    config_done(&written);
    done(&world);
}

/* What a person makes of the file by taking the mark off each example. */
static void
examples_can_be_used_as_they_are(void **state)
{
    struct world world;
    struct command_line line = {.argc = 0, .listen = RECEIVE_LISTEN};
    struct setup *setup = NULL;
    struct config written;
    struct buf text;
    FILE *file;

    (void)state;
    prepare(&world, "https://hooks.example.com");
    assert_int_equal(receive_init(&world.config, &world.say, &world.error), OK);
    buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(file_read(world.path, &text, &world.error), OK);
    file = fopen(world.path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < text.len; i++) {
        bool is_start = i == 0 || text.ptr[i - 1] == '\n';

        if (!is_start || text.ptr[i] != '#' || text.ptr[i + 1] == ' ' || text.ptr[i + 1] == '\n')
            assert_int_equal(fputc(text.ptr[i], file), (unsigned char)text.ptr[i]);
    }
    assert_int_equal(fclose(file), 0);

    line.file = world.path;
    assert_int_equal(config_init(&written, &world.error), OK);
    if (config_load(&written, &line, environment, &world.error) != OK ||
        inbox_config_setup(&written, &setup, &world.error) != OK)
        fail_msg("%s", world.error.text);
    assert_int_equal(setup->handler_count, 4);
    assert_int_equal(setup->proxy_count, 1);
    setup_drop(setup);
    config_done(&written);
    buf_done(&text);
    done(&world);
}

static void
no_two_tokens_are_alike(void **state)
{
    struct world a;
    struct world b;

    (void)state;
    prepare(&a, "https://a.example.com");
    prepare(&b, "https://a.example.com");
    assert_int_equal(receive_init(&a.config, &a.say, &a.error), OK);
    assert_int_equal(receive_init(&b.config, &b.say, &b.error), OK);
    assert_memory_not_equal(strstr(a.say.ptr, "/in/webinars/"), strstr(b.say.ptr, "/in/webinars/"),
        sizeof("/in/webinars/") - 1 + 43);
    done(&b);
    done(&a);
}

static void
a_file_that_is_there_stays(void **state)
{
    struct world world;
    struct buf text;
    FILE *file;

    (void)state;
    prepare(&world, "https://hooks.example.com");
    file = fopen(world.path, "w");
    assert_non_null(file);
    assert_true(fputs("mine\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(receive_init(&world.config, &world.say, &world.error), ERR_CONFLICT);
    assert_non_null(strstr(world.error.text, "usher.conf is there already, and stays as it is"));
    assert_int_equal(world.say.len, 0);
    buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(file_read(world.path, &text, &world.error), OK);
    assert_string_equal(text.ptr, "mine\n");
    assert_int_equal(scratch_count(&world.scratch, ""), 1);
    buf_done(&text);
    done(&world);
}

static void
without_a_public_url_nothing_is_written(void **state)
{
    struct world world;

    (void)state;
    prepare(&world, NULL);
    assert_int_equal(receive_init(&world.config, &world.say, &world.error), ERR_INVALID);
    assert_string_equal(world.error.text,
        "--init needs --public-url https://HOST, the address that senders can reach");
    assert_int_equal(scratch_count(&world.scratch, ""), 0);
    done(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_can_be_used_as_it_is),
        cmocka_unit_test(examples_can_be_used_as_they_are),
        cmocka_unit_test(no_two_tokens_are_alike),
        cmocka_unit_test(a_file_that_is_there_stays),
        cmocka_unit_test(without_a_public_url_nothing_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
