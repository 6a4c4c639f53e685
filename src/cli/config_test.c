/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cmd.h"
#include "support/scratch.h"
#include "support/test.h"

#define TEXT_BYTES_MAX (1 << 20)

static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const char *no_environment[] = {NULL};

static void
init(struct config *config)
{
    struct error error = {0};

    if (config_init(config, &error) != OK)
        fail_msg("%s", error.text);
}

static void
defaults_are_what_the_table_says(void **state)
{
    struct config config;

    (void)state;
    init(&config);
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_string_equal(config_db_path(&config), "usher.db");
    assert_null(config.admin_listen);
    assert_int_equal(config.attempt_timeout_ms, 30000);
    assert_false(config.allow_private_hooks);
    assert_int_equal(config.allow_hook_cidr.count, 0);
    assert_int_equal(config_delays_us(&config, NULL, 0), 0);
    assert_null(config.file);
    config_done(&config);
}

static void
a_file_sets_what_it_names(void **state)
{
    const struct str text = STR("\xef\xbb\xbf# our settings\n"
                                "\n"
                                "listen = 0.0.0.0:80\r\n"
                                "   attempts-max=3\n"
                                "; another comment\n"
                                "allow-private-hooks = Yes\n"
                                "allow-hook-cidr = 10.0.0.0/8, 192.168.0.0/16\n"
                                "allow-hook-cidr = ::1\n"
                                "retry-delays = 0.1, 2, 3.000001 ; quick\n"
                                "db = sqlite:/var/lib/usher/usher.db");
    struct error error = {0};
    struct config config;
    int64_t delays[2] = {0};

    (void)state;
    init(&config);
    assert_int_equal(config_read_text(&config, "usher.conf", text, &error), OK);
    assert_string_equal(config.listen, "0.0.0.0:80");
    assert_int_equal(config.attempts_max, 3);
    assert_true(config.allow_private_hooks);
    assert_int_equal(config.allow_hook_cidr.count, 3);
    assert_string_equal(config.allow_hook_cidr.items[1], "192.168.0.0/16");
    assert_string_equal(config.allow_hook_cidr.items[2], "::1");
    assert_string_equal(config_db_path(&config), "/var/lib/usher/usher.db");
    assert_int_equal(config_delays_us(&config, delays, 2), 3);
    assert_int_equal(delays[0], 100000);
    assert_int_equal(delays[1], 2000000);
    assert_int_equal(config.origins[CONFIG_listen], CONFIG_FILE);
    assert_int_equal(config.origins[CONFIG_threads], CONFIG_DEFAULT);
    config_done(&config);
}

struct mistake {
    const char *text;
    const char *expected;
};

static void
assert_mistake(const struct mistake *mistake)
{
    struct error error = {0};
    struct config config;

    init(&config);
    assert_int_equal(config_read_text(&config, "f", str_from(mistake->text), &error), ERR_INVALID);
    assert_string_equal(error.text, mistake->expected);
    config_done(&config);
}

static void
a_mistake_in_a_section_is_named_with_its_line(void **state)
{
    static const struct mistake cases[] = {
        {"[source\n", "f:1: this is no section: [source NAME]"},
        {"[source a]b\n", "f:1: this is no section: [source NAME]"},
        {"[source a] b\n", "f:1: this is no section: [source NAME]"},
        {"[source]\n", "f:1: [source] lacks its name: [source NAME]"},
        {"[handler ]\n", "f:1: [handler] lacks its name: [handler NAME]"},
        {"[Source a]\n",
            "f:1: there is no section [Source a]: there are [source NAME] and [handler NAME]"},
        {"[source a\tb]\n", "f:1: the name holds a control character"},
        {"[source a]\n[handler a]\n\n[source  a ]\n",
            "f:4: [source a] is there a second time: the first is in line 1"},
        {"[source a]\nlisten = 127.0.0.1:80\n",
            "f:2: listen is a setting of the program, not of a source: it stands before the first "
            "section"},
        {"[source a]\nacept = token\n",
            "f:2: a source has no setting \"acept\": did you mean accept?"},
        {"[handler a]\naccept = token\n",
            "f:2: a handler has no setting \"accept\": see usher help --example"},
        {"[handler a]\ncomand = x\n",
            "f:2: a handler has no setting \"comand\": did you mean command?"},
        {"[source a]\nfrobnicate = 1\n",
            "f:2: a source has no setting \"frobnicate\": see usher help --example"},
        {"[source a]\naccept =\n", "f:2: accept: a value is missing"},
        {"[source a]\naccept = a\x01z\n", "f:2: accept: the value holds a control character"},
        {"[source a]\naccept = token ; the old one\n",
            "f:2: accept: a comment needs a line of its own here; if the ; is part of the value, "
            "leave out the blank before it"},
        {"[source a]\naccept\n", "f:2: this is neither \"name = value\" nor a comment"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_mistake(&cases[i]);
}

static void
a_mistake_in_a_file_is_named_with_its_line(void **state)
{
    static const struct mistake cases[] = {
        {"\n\nlisen = 127.0.0.1:80\n", "f:3: there is no setting \"lisen\": did you mean listen?"},
        {"frobnicate = 1\n", "f:1: there is no setting \"frobnicate\": see usher help"},
        {"listen = 127.0.0.1:80\n[part]\ndb = x\n",
            "f:2: there is no section [part]: there are [source NAME] and [handler NAME]"},
        {"listen\n", "f:1: this is neither \"name = value\" nor a comment"},
        {"db = x\nnonsense here\n", "f:2: this is neither \"name = value\" nor a comment"},
        {"db = a\ndb = b\n", "f:2: db is set a second time"},
        {"db =\n", "f:1: db: a value is missing"},
        {"db = ; a comment\n", "f:1: db: a value is missing"},
        {"db = a\tb\n", "f:1: db: the value holds a control character"},
        {"db=;a\n", "f:1: db: the value begins with the mark of a comment"},
        {"db = postgres://x/y\n",
            "f:1: db: this program stores in SQLite: name a file, or sqlite:FILE"},
        {"db = mysql://x/y\n",
            "f:1: db: \"mysql\" is no kind of database known here: name a file, or sqlite:FILE"},
        {"db = sqlite:\n", "f:1: db: sqlite: is followed by the file's name"},
        {"threads = many\n", "f:1: threads: \"many\" is not a number from 0 to 64"},
        {"threads = 65\n", "f:1: threads: \"65\" is not a number from 0 to 64"},
        {"threads = -1\n", "f:1: threads: \"-1\" is not a number from 0 to 64"},
        {"log-level = loud\n", "f:1: log-level: \"loud\" is none of debug|info|warning|error"},
        {"allow-http-hooks = maybe\n", "f:1: allow-http-hooks: \"maybe\" is neither yes nor no"},
        {"retry-delays = 1,,2\n",
            "f:1: retry-delays: \"\" is not a number of seconds from 0 to 2678400"},
        {"retry-delays = 1.x\n",
            "f:1: retry-delays: \"1.x\" is not a number of seconds from 0 to 2678400"},
        {"retry-delays = 1.\n",
            "f:1: retry-delays: \"1.\" is not a number of seconds from 0 to 2678400"},
        {"secret-key = 0123\n", "f:1: secret-key: 64 hex digits are expected"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_mistake(&cases[i]);
}

static void
what_would_be_cut_silently_is_refused(void **state)
{
    struct error error = {0};
    struct config config;
    static char text[CONFIG_LINE_BYTES_MAX + 1];

    (void)state;
    init(&config);
    memset(text, 'x', sizeof(text));
    memcpy(text, "db = ", 5);
    assert_int_equal(config_read_text(&config, "f", (struct str){text, sizeof(text)}, &error),
        ERR_INVALID);
    assert_string_equal(error.text, "f:1: the line is too long");
    assert_int_equal(config_read_text(&config, "f", STR("db = a\0b\n"), &error), ERR_INVALID);
    assert_string_equal(error.text, "f:1: the line holds a NUL");
    assert_string_equal(config.db, "usher.db");
    assert_int_equal(config_read_text(&config, "f", (struct str){text, sizeof(text) - 1}, &error),
        OK);
    config_done(&config);
}

static void
sections_are_collected_in_their_order(void **state)
{
    const struct str text = STR("db = a\n"
                                "[source b]\n"
                                "  accept = token ; not part of this test\n");
    const struct str good = STR("db = a\n"
                                "\n"
                                "[source b] # who calls\n"
                                "accept = token and address\n"
                                "# a comment; and more\n"
                                "  address : 10.0.0.0/8\r\n"
                                "hmac-separator = ;\n"
                                "[ handler  c ]\n"
                                "type = exec\n"
                                "command = sh -c 'a=1; b'\n"
                                "[source a] ; not last\n");
    struct error error = {0};
    const struct config_section *section;
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_read_text(&config, "f", text, &error), ERR_INVALID);
    config_done(&config);

    init(&config);
    assert_int_equal(config_read_text(&config, "f", good, &error), OK);
    assert_string_equal(config.db, "a");
    section = config.sections;
    assert_int_equal(section->kind, SECTION_SOURCE);
    assert_string_equal(section->name.ptr, "b");
    assert_int_equal(section->line, 3);
    assert_string_equal(section->lines->name.ptr, "accept");
    assert_string_equal(section->lines->value.ptr, "token and address");
    assert_string_equal(section->lines->next->value.ptr, "10.0.0.0/8");
    assert_int_equal(section->lines->next->line, 6);
    assert_string_equal(section->lines->next->next->value.ptr, ";");
    assert_null(section->lines->next->next->next);
    section = section->next;
    assert_int_equal(section->kind, SECTION_HANDLER);
    assert_string_equal(section->name.ptr, "c");
    assert_string_equal(section->lines->next->value.ptr, "sh -c 'a=1; b'");
    section = section->next;
    assert_string_equal(section->name.ptr, "a");
    assert_null(section->lines);
    assert_null(section->next);
    config_done(&config);
}

static void
a_command_has_a_file_and_a_listener_of_its_own(void **state)
{
    const char *argv[] = {"--listen", "127.0.0.1:3"};
    struct scratch scratch;
    struct command_line line = {.argc = 0, .argv = argv, .listen = "127.0.0.1:2"};
    struct error error = {0};
    struct config config;
    FILE *file;

    (void)state;
    scratch_init(&scratch);
    line.file = scratch_path(&scratch, "usher.conf");
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), OK);
    assert_string_equal(config.listen, "127.0.0.1:2");
    assert_int_equal(config.origins[CONFIG_listen], CONFIG_DEFAULT);
    assert_null(config.file);
    config_done(&config);

    line.makes_file = true;
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), OK);
    assert_string_equal(config.file, line.file);
    config_done(&config);
    line.makes_file = false;

    file = fopen(line.file, "w");
    assert_non_null(file);
    assert_true(fputs("listen = 127.0.0.1:4\nthreads = 2\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), OK);
    assert_string_equal(config.listen, "127.0.0.1:4");
    assert_string_equal(config.file, line.file);
    config_done(&config);

    line.makes_file = true;
    line.argc = 2;
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), OK);
    assert_string_equal(config.listen, "127.0.0.1:3");
    assert_string_equal(config.file, line.file);
    assert_int_equal(config.threads, 0);
    config_done(&config);
    scratch_done(&scratch);
}

static void
bad_addresses_and_ranges_are_refused(void **state)
{
    static const char *const texts[] = {"listen = localhost", "listen = 1.2.3.4:99999",
        "admin-listen = :8080", "allow-hook-cidr = 10.0.0.1/8", "allow-hook-cidr = example.com",
        "trusted-proxy = 10.0.0.0/33", "public-url = hooks.example.com",
        "public-url = ftp://hooks.example.com", "public-url = https://me:x@hooks.example.com",
        "public-url = https://hooks.example.com/?a", "public-url = https://hooks.example.com/it's"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error error = {0};
        struct config config;

        init(&config);
        assert_int_equal(config_read_text(&config, "f", str_from(texts[i]), &error), ERR_INVALID);
        assert_int_equal(strncmp(error.text, "f:1: ", 5), 0);
        config_done(&config);
    }
}

static void
the_environment_is_read_and_what_is_unknown_refused(void **state)
{
    const char *good[] = {"HOME=/root", "USHER_LISTEN=127.0.0.1:1", "USHER_ATTEMPT_TIMEOUT_MS=500",
        "USHER_ALLOW_HOOK_CIDR=10.0.0.0/8,::1", "USHER_CONFIG=/ignored/here", "USHER_API_KEY=k",
        "USHERLESS=1", NULL};
    const char *unknown[] = {"USHER_LISEN=127.0.0.1:1", NULL};
    const char *bad[] = {"USHER_THREADS=x", NULL};
    const char *empty[] = {"USHER_DB=", NULL};
    struct error error = {0};
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_read_environment(&config, good, &error), OK);
    assert_string_equal(config.listen, "127.0.0.1:1");
    assert_int_equal(config.attempt_timeout_ms, 500);
    assert_int_equal(config.allow_hook_cidr.count, 2);
    assert_int_equal(config_read_environment(&config, unknown, &error), ERR_INVALID);
    assert_string_equal(error.text,
        "environment: USHER_LISEN: there is no setting \"lisen\": did you mean listen?");
    assert_int_equal(config_read_environment(&config, bad, &error), ERR_INVALID);
    assert_int_equal(config_read_environment(&config, empty, &error), ERR_INVALID);
    assert_string_equal(error.text, "environment: USHER_DB: a value is missing");
    config_done(&config);
}

static void
arguments_are_read_in_both_forms(void **state)
{
    const char *argv[] = {"--listen", "127.0.0.1:1", "--attempts-max=7", "--allow-private-hooks",
        "--allow-http-hooks=no", "--allow-hook-cidr", "10.0.0.0/8", "--allow-hook-cidr=::1",
        "--account", "acme", "--admin", "--listen", "127.0.0.1:2", "--config", "x"};
    const char *account = NULL;
    bool is_admin = false;
    const struct command_option options[] = {
        {"account", "NAME", "", &account, NULL},
        {"admin", NULL, "", NULL, &is_admin},
    };
    struct command_line line = {.argc = COUNT_OF(argv),
        .argv = argv,
        .options = options,
        .option_count = 2};
    struct error error = {0};
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_read_arguments(&config, &line, &error), OK);
    assert_string_equal(config.listen, "127.0.0.1:2");
    assert_int_equal(config.attempts_max, 7);
    assert_true(config.allow_private_hooks);
    assert_false(config.allow_http_hooks);
    assert_int_equal(config.allow_hook_cidr.count, 2);
    assert_string_equal(account, "acme");
    assert_true(is_admin);
    assert_false(line.asks_help);
    config_done(&config);
}

static void
wrong_arguments_are_refused(void **state)
{
    static const struct {
        const char *argv[3];
        int argc;
        const char *expected;
    } cases[] = {
        {{"--lisen"}, 1, "unknown option --lisen: did you mean --listen?"},
        {{"--acount"}, 1, "unknown option --acount: did you mean --account?"},
        {{"--frobnicate"}, 1, "unknown option --frobnicate: see usher help"},
        {{"--listen"}, 1, "--listen: a value is missing"},
        {{"--config"}, 1, "--config: a value is missing"},
        {{"--db="}, 1, "--db: a value is missing"},
        {{"extra"}, 1, "\"extra\" is not expected here: options begin with --"},
        {{"-l"}, 1, "\"-l\" is not expected here: options begin with --"},
        {{"--"}, 1, "\"--\" is not expected here: options begin with --"},
        {{"--threads", "x"}, 2, "--threads: \"x\" is not a number from 0 to 64"},
        {{"--secret-key", key}, 2,
            "--secret-key: every user of this machine could read it there; set USHER_SECRET_KEY "
            "in the environment"},
        {{"--account=a", "--account=b"}, 2, "--account is given a second time"},
        {{"--admin=yes"}, 1, "--admin takes no value"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *account = NULL;
        bool is_admin = false;
        const struct command_option options[] = {
            {"account", "NAME", "", &account, NULL},
            {"admin", NULL, "", NULL, &is_admin},
        };
        struct error error = {0};
        struct config config;

        struct command_line line = {.argc = cases[i].argc,
            .argv = cases[i].argv,
            .options = options,
            .option_count = 2};
        init(&config);
        assert_int_equal(config_read_arguments(&config, &line, &error), ERR_INVALID);
        assert_string_equal(error.text, cases[i].expected);
        config_done(&config);
    }
}

static void
an_argument_that_may_be_given_again_is_kept_in_order(void **state)
{
    const char *argv[COMMAND_TEXTS_MAX + 1];
    struct command_texts texts = {0};
    const struct command_option options[] = {{"header", "TEXT", "", NULL, NULL, &texts}};
    struct command_line line = {.argc = 2, .argv = argv, .options = options, .option_count = 1};
    struct error error = {0};
    struct config config;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(argv); i++)
        argv[i] = i % 2 == 0 ? "--header=a" : "--header=b";
    init(&config);
    assert_int_equal(config_read_arguments(&config, &line, &error), OK);
    assert_int_equal(texts.count, 2);
    assert_string_equal(texts.texts[0], "a");
    assert_string_equal(texts.texts[1], "b");

    texts.count = 0;
    line.argc = COUNT_OF(argv);
    assert_int_equal(config_read_arguments(&config, &line, &error), ERR_INVALID);
    assert_string_equal(error.text, "--header is given more than 32 times");
    argv[0] = "--header=";
    assert_int_equal(config_read_arguments(&config, &line, &error), ERR_INVALID);
    config_done(&config);
}

static void
what_a_command_is_about_is_taken_once(void **state)
{
    const char *file = NULL;
    const char *const argv[] = {"--threads", "2", "some.db", "--readers=3"};
    const char *const twice[] = {"some.db", "other.db"};
    const char *const option[] = {"-x"};
    struct command_line line = {.argc = 4, .argv = argv, .operand = "FILE", .ret_operand = &file};
    struct error error = {0};
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_read_arguments(&config, &line, &error), OK);
    assert_string_equal(file, "some.db");
    assert_int_equal(config.threads, 2);
    assert_int_equal(config.readers, 3);

    line.argv = twice;
    line.argc = 2;
    file = NULL;
    assert_int_equal(config_read_arguments(&config, &line, &error), ERR_INVALID);
    assert_string_equal(error.text, "\"other.db\" is not expected here: options begin with --");
    line.argv = option;
    line.argc = 1;
    file = NULL;
    assert_int_equal(config_read_arguments(&config, &line, &error), ERR_INVALID);
    assert_null(file);
    config_done(&config);
}

static void
arguments_go_before_the_environment_and_that_before_the_file(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    struct config config;
    char variable[600];
    const char *environment[] = {"USHER_ATTEMPTS_MAX=2", "USHER_THREADS=2",
        "USHER_ALLOW_HOOK_CIDR=::1", variable, NULL};
    const char *argv[] = {"--attempts-max", "3"};
    struct command_line line = {.argc = 2, .argv = argv};
    FILE *file;

    (void)state;
    scratch_init(&scratch);
    file = fopen(scratch_path(&scratch, "usher.conf"), "w");
    assert_non_null(file);
    assert_true(fputs("attempts-max = 1\nthreads = 1\nreaders = 1\n"
                      "allow-hook-cidr = 10.0.0.0/8\n",
                    file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(variable, sizeof(variable), "USHER_CONFIG=%s", scratch.path);

    init(&config);
    assert_int_equal(config_load(&config, &line, environment, &error), OK);
    assert_int_equal(config.attempts_max, 3);
    assert_int_equal(config.threads, 2);
    assert_int_equal(config.readers, 1);
    assert_int_equal(config.allow_hook_cidr.count, 1);
    assert_string_equal(config.allow_hook_cidr.items[0], "::1");
    assert_string_equal(config.file, scratch.path);
    config_done(&config);
    scratch_done(&scratch);
}

static void
a_file_that_is_not_there_is_refused(void **state)
{
    const char *argv[] = {"--config=/nowhere/usher.conf"};
    struct command_line line = {.argc = 1, .argv = argv};
    struct error error = {0};
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/usher.conf"));
    config_done(&config);
}

static void
settings_that_contradict_each_other_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"tls-cert = a.pem", "tls-cert and tls-key belong together: tls-key is missing"},
        {"tls-key = a.pem", "tls-cert and tls-key belong together: tls-cert is missing"},
        {"listen = 127.0.0.1:1\nadmin-listen = 127.0.0.1:1",
            "admin-listen is the same address as listen: 127.0.0.1:1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        struct config config;

        init(&config);
        assert_int_equal(config_read_text(&config, "f", str_from(cases[i][0]), &error), OK);
        assert_int_equal(config_check(&config, &error), ERR_INVALID);
        assert_string_equal(error.text, cases[i][1]);
        config_done(&config);
    }
}

static void
help_ends_the_reading(void **state)
{
    const char *argv[] = {"--threads=1", "--help", "--nonsense"};
    struct command_line line = {.argc = 3, .argv = argv};
    struct error error = {0};
    struct config config;

    (void)state;
    init(&config);
    assert_int_equal(config_load(&config, &line, no_environment, &error), OK);
    assert_true(line.asks_help);
    config_done(&config);
}

static void
show_hides_secrets_and_says_where_from(void **state)
{
    struct error error = {0};
    struct config config;
    char variable[100];
    const char *environment[] = {variable, NULL};
    struct buf text;

    (void)state;
    (void)snprintf(variable, sizeof(variable), "USHER_SECRET_KEY=%s", key);
    init(&config);
    buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(config_read_environment(&config, environment, &error), OK);
    assert_int_equal(config_read_text(&config, "f", STR("threads = 3\n"), &error), OK);
    config_show(&config, &text);
    assert_null(strstr(text.ptr, key));
    assert_non_null(strstr(text.ptr, "# secret-key is set by the environment, and hidden\n"));
    assert_non_null(strstr(text.ptr, "threads = 3 ; file\n"));
    assert_non_null(strstr(text.ptr, "listen = 127.0.0.1:8080 ; default\n"));
    assert_null(strstr(text.ptr, "dns-server"));
    buf_done(&text);
    config_done(&config);
}

static void
secrets_of_sections_are_hidden_too(void **state)
{
    const struct str sections = STR("[source s]\n"
                                    "accept = token or basic or header or signature\n"
                                    "token-sha256 = 00ff\n"
                                    "basic = me:hidden-1\n"
                                    "basic-sha256 = hidden-2\n"
                                    "header = X-Key\n"
                                    "header-value = hidden-3\n"
                                    "secret = hidden-4\n"
                                    "[handler h]\n"
                                    "type = http\n"
                                    "url = https://me:hidden-5@example.com/a\n"
                                    "header = Authorization: hidden-6\n"
                                    "secret = hidden-7\n"
                                    "password = hidden-8\n"
                                    "[handler i]\n"
                                    "url = https://example.com/a@b\n");
    struct error error = {0};
    struct config config;
    struct buf text;

    (void)state;
    init(&config);
    buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(config_read_text(&config, "f", sections, &error), OK);
    config_show(&config, &text);
    assert_null(strstr(text.ptr, "hidden-"));
    assert_non_null(strstr(text.ptr, "\n[source s]\naccept = token or basic or header or "
                                     "signature\ntoken-sha256 = 00ff\n# basic is set, and hidden\n"
                                     "# basic-sha256 is set, and hidden\nheader = X-Key\n"));
    assert_non_null(strstr(text.ptr, "\n[handler h]\ntype = http\n# url is set, and hidden\n"
                                     "# header is set, and hidden\n# secret is set, and hidden\n"
                                     "# password is set, and hidden\n"));
    assert_non_null(strstr(text.ptr, "url = https://example.com/a@b\n"));
    buf_done(&text);
    config_done(&config);
}

static void
changes_name_what_needs_a_restart(void **state)
{
    struct error error = {0};
    struct config before;
    struct config after;
    struct buf text;

    (void)state;
    init(&before);
    init(&after);
    buf_init(&text, TEXT_BYTES_MAX);
    config_changes(&before, &after, &text);
    assert_int_equal(text.len, 0);
    assert_int_equal(config_read_text(&after, "f",
                         STR("threads = 3\ntls-cert = a\ntls-key = b\nallow-http-hooks = yes\n"
                             "allow-hook-cidr = ::1\nadmin-listen = 127.0.0.1:1\n"),
                         &error),
        OK);
    config_changes(&before, &after, &text);
    assert_string_equal(text.ptr, "admin-listen, threads, allow-hook-cidr, allow-http-hooks");
    buf_done(&text);
    config_done(&before);
    config_done(&after);
}

/* The manual and the example lie in the source tree as the program prints them. */
static void
assert_file_is(const char *path, const struct buf *expected)
{
    FILE *file = fopen(path, "rb");
    char *content = malloc(TEXT_BYTES_MAX);
    size_t len;

    assert_non_null(file);
    assert_non_null(content);
    len = fread(content, 1, TEXT_BYTES_MAX, file);
    assert_int_equal(fclose(file), 0);
    if (len != expected->len || memcmp(content, expected->ptr, len) != 0)
        fail_msg("%s is not what \"usher help\" prints: print it anew", path);
    free(content);
}

static void
the_manual_and_the_example_are_as_the_table_says(void **state)
{
    struct error error = {0};
    struct config config;
    struct config defaults;
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_BYTES_MAX);
    manual_page(&text);
    assert_file_is("doc/usher.1", &text);
    buf_clear(&text);
    manual_example(&text);
    assert_file_is("packaging/usher.conf", &text);
    assert_false(buf_is_full(&text));

    /* As it stands the example changes nothing. */
    init(&config);
    init(&defaults);
    assert_int_equal(config_read_text(&config, "packaging/usher.conf", buf_str(&text), &error), OK);
    buf_clear(&text);
    config_changes(&defaults, &config, &text);
    assert_int_equal(text.len, 0);
    config_done(&config);
    config_done(&defaults);
    buf_done(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_what_the_table_says),
        cmocka_unit_test(a_file_sets_what_it_names),
        cmocka_unit_test(a_mistake_in_a_file_is_named_with_its_line),
        cmocka_unit_test(a_mistake_in_a_section_is_named_with_its_line),
        cmocka_unit_test(what_would_be_cut_silently_is_refused),
        cmocka_unit_test(bad_addresses_and_ranges_are_refused),
        cmocka_unit_test(the_environment_is_read_and_what_is_unknown_refused),
        cmocka_unit_test(arguments_are_read_in_both_forms),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(an_argument_that_may_be_given_again_is_kept_in_order),
        cmocka_unit_test(what_a_command_is_about_is_taken_once),
        cmocka_unit_test(arguments_go_before_the_environment_and_that_before_the_file),
        cmocka_unit_test(a_file_that_is_not_there_is_refused),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(help_ends_the_reading),
        cmocka_unit_test(sections_are_collected_in_their_order),
        cmocka_unit_test(a_command_has_a_file_and_a_listener_of_its_own),
        cmocka_unit_test(show_hides_secrets_and_says_where_from),
        cmocka_unit_test(secrets_of_sections_are_hidden_too),
        cmocka_unit_test(changes_name_what_needs_a_restart),
        cmocka_unit_test(the_manual_and_the_example_are_as_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
