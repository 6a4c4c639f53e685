/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/command.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/scratch.h"
#include "support/test.h"

static struct arena arena;
static struct scratch scratch;

static int
start(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    scratch_init(&scratch);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    scratch_done(&scratch);
    arena_done(&arena);
    return 0;
}

/* Each word in angles. */
static const char *
shown(const struct command *command)
{
    static char text[512];
    size_t len = 0;

    for (size_t i = 0; i < command->count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "<%s>", command->words[i]);
    assert_null(command->words[command->count]);
    return text;
}

static void
a_command_is_split_as_a_shell_would(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"true", "<true>"},
        {"  /bin/cp   -a\tx  ", "</bin/cp><-a><x>"},
        {"say 'Ann Lee' \"Ben  Ott\"", "<say><Ann Lee><Ben  Ott>"},
        {"a'b c'\"d e\"f", "<ab cd ef>"},
        {"a '' \"\" b", "<a><><><b>"},
        {"sh -c 'cat | tr a-z A-Z > /tmp/x; echo $HOME'",
            "<sh><-c><cat | tr a-z A-Z > /tmp/x; echo $HOME>"},
        {"a\\ b \\\"c\\' \\\\ \\$x", "<a b><\"c'><\\><$x>"},
        {"\"a\\\"b\\\\c\\$d\\`e\\nf\"", "<a\"b\\c$d`e\\nf>"},
        {"'a\\'b", "<a\\b>"},
        {"x --key=a~b#c {d} !e %f ^g =h", "<x><--key=a~b#c><{d}><!e><%f><^g><=h>"},
        {"\"it's\" 'a \"b\"'", "<it's><a \"b\">"},
        {"caf\xc3\xa9 '\xe2\x82\xac'", "<caf\xc3\xa9><\xe2\x82\xac>"},
        {"a 'two\nlines'", "<a><two\nlines>"},
        {"a '*' \\* \"[?]\" '~' \\#", "<a><*><*><[?]><~><#>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct command command = {0};
        struct error error = {0};

        if (command_split(str_from(cases[i].text), &arena, &command, &error) != OK)
            fail_msg("%s: %s", cases[i].text, error.text);
        assert_string_equal(shown(&command), cases[i].words);
    }
}

static void
what_only_a_shell_understands_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "names no program"},
        {" \t ", "names no program"},
        {"'' x", "names no program"},
        {"a 'b", "single quote at character 3"},
        {"a 'b'c'", "single quote at character 7"},
        {"a \"b'", "double quote at character 3"},
        {"a \"b\\\"", "double quote at character 3"},
        {"a \\", "backslash"},
        {"cat | sh", "character 5, |,"},
        {"a>b", "character 2, >,"},
        {"a <b", "character 3, <,"},
        {"a&", "character 2, &,"},
        {"a;b", "character 2, ;,"},
        {"(a)", "character 1, (,"},
        {"a b)", "character 4, ),"},
        {"a $HOME", "character 3, $,"},
        {"a \"$HOME\"", "character 4, $,"},
        {"a `b`", "character 3, `,"},
        {"a \"`b`\"", "character 4, `,"},
        {"a *.txt", "character 3, *,"},
        {"a x?", "character 4, ?,"},
        {"a [b]", "character 3, [,"},
        {"a # why", "character 3, #,"},
        {"~/bin/a", "character 1, ~,"},
        {"a\nb", "character 2, \\n,"},
        {"a\r", "character 2, \\r,"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct command command = {.count = 77};
        struct error error = {0};

        assert_int_equal(command_split(str_from(cases[i].text), &arena, &command, &error),
            ERR_INVALID);
        assert_int_equal(command.count, 77);
        assert_null(command.words);
        if (strstr(error.text, cases[i].says) == NULL)
            fail_msg("%s: \"%s\" does not speak of \"%s\"", cases[i].text, error.text,
                cases[i].says);
    }
}

static void
a_nul_too_many_words_and_too_little_memory_are_refused(void **state)
{
    struct command command = {.count = 77};
    char many[2 * COMMAND_WORDS_MAX + 2];
    struct arena small;

    (void)state;
    assert_int_equal(command_split((struct str){"a\0b", 3}, &arena, &command, NULL), ERR_INVALID);
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = i % 2 == 0 ? 'a' : ' ';
    assert_int_equal(command_split((struct str){many, sizeof(many)}, &arena, &command, NULL),
        ERR_INVALID);
    arena_init(&small, 16);
    assert_int_equal(command_split(STR("a"), &small, &command, NULL), ERR_NOMEM);
    arena_done(&small);
    assert_int_equal(command.count, 77);
    assert_int_equal(command_split((struct str){many, sizeof(many) - 2}, &arena, &command, NULL),
        OK);
    assert_int_equal(command.count, COMMAND_WORDS_MAX);
}

static void
file_make(const char *name, mode_t mode)
{
    FILE *file = fopen(scratch_path(&scratch, name), "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(scratch.path, mode), 0);
}

static void
a_program_is_found_by_its_path_or_through_the_folders(void **state)
{
    char expected[256];
    char path[512];
    const char *found = NULL;
    struct error error = {0};

    (void)state;
    file_make("runs", 0755);
    file_make("plain", 0644);
    (void)snprintf(expected, sizeof(expected), "%s/runs", scratch.dir);
    assert_int_equal(command_find(str_from(expected), STR(""), &arena, &found, &error), OK);
    assert_string_equal(found, expected);
    found = NULL;
    (void)snprintf(path, sizeof(path), "/nowhere::.:%s:/bin", scratch.dir);
    assert_int_equal(command_find(STR("runs"), str_from(path), &arena, &found, &error), OK);
    assert_string_equal(found, expected);
    assert_int_equal(command_find(STR("sh"), str_from(path), &arena, &found, &error), OK);
    assert_string_equal(found, "/bin/sh");
}

static void
a_program_that_cannot_be_run_is_refused_with_the_reason(void **state)
{
    char path[512];
    struct error error = {0};
    const char *found = NULL;

    (void)state;
    file_make("plain", 0644);
    assert_int_equal(command_find(str_from(scratch.path), STR(""), &arena, &found, &error),
        ERR_INVALID);
    assert_non_null(strstr(error.text, "plain may not be executed"));
    assert_int_equal(command_find(str_from(scratch.dir), STR(""), &arena, &found, &error),
        ERR_INVALID);
    assert_non_null(strstr(error.text, "is no file"));
    assert_int_equal(command_find(STR("/nowhere/x"), STR(""), &arena, &found, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "/nowhere/x is not there"));
    assert_int_equal(command_find(STR("bin/x"), STR("/bin"), &arena, &found, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "relative"));
    (void)snprintf(path, sizeof(path), "/bin:%s", scratch.dir);
    assert_int_equal(command_find(STR("plain"), str_from(path), &arena, &found, &error),
        ERR_INVALID);
    assert_non_null(strstr(error.text, "plain may not be executed"));
    assert_int_equal(
        command_find(STR("no-such-program"), STR("/bin:/usr/bin"), &arena, &found, &error),
        ERR_INVALID);
    assert_string_equal(error.text,
        "there is no program no-such-program in any folder of the PATH /bin:/usr/bin");
    /* Where we happen to be is none of the folders. */
    file_make("runs", 0755);
    assert_int_equal(chdir(scratch.dir), 0);
    assert_int_equal(command_find(STR("runs"), STR(".::/bin:"), &arena, &found, &error),
        ERR_INVALID);
    assert_int_equal(chdir("/"), 0);
    assert_null(found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_split_as_a_shell_would),
        TEST(what_only_a_shell_understands_is_refused_with_its_place),
        TEST(a_nul_too_many_words_and_too_little_memory_are_refused),
        TEST(a_program_is_found_by_its_path_or_through_the_folders),
        TEST(a_program_that_cannot_be_run_is_refused_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
