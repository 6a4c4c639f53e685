/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/test.h"
#include "support/testdata.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

static const char *testdata;

static struct json *
parse(struct arena *arena, const char *text)
{
    struct json *tree = NULL;
    struct error error;

    if (json_parse(str_from(text), arena, &tree, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    return tree;
}

static void
a_document_becomes_a_tree(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *tree;
    const struct json *list;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    tree = parse(&arena, " {\"name\":\"John \\\"D\\\"\",\"phone\":1234567890,\"list\":[1,null,{}],"
                         "\"yes\":true,\"no\":false,\"\":\"\"} ");
    assert_int_equal(tree->kind, JSON_OBJECT);
    assert_int_equal(tree->count, 6);
    assert_null(tree->next);
    assert_true(str_equals(json_find(tree, STR("name"))->text, STR("John \"D\"")));
    assert_true(str_equals(json_find(tree, STR("phone"))->text, STR("1234567890")));
    assert_true(json_find(tree, STR("yes"))->boolean);
    assert_false(json_find(tree, STR("no"))->boolean);
    assert_non_null(json_find(tree, STR(""))->text.ptr);
    assert_null(json_find(tree, STR("nam")));

    list = json_find(tree, STR("list"));
    assert_int_equal(list->kind, JSON_ARRAY);
    assert_int_equal(list->count, 3);
    assert_null(list->first->name.ptr);
    assert_int_equal(list->first->next->kind, JSON_NULL);
    assert_int_equal(list->first->next->next->kind, JSON_OBJECT);
    assert_int_equal(list->first->next->next->count, 0);
    assert_null(list->first->next->next->next);
    assert_null(json_find(list, STR("name")));
}

static void
the_tree_does_not_need_the_text(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    char *text = strdup("{\"name\":[\"plain\",\"esc\\u0061ped\",12.50]}");
    struct json *tree;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    tree = parse(&arena, text);
    memset(text, 'x', strlen(text));
    free(text);
    assert_true(str_equals(tree->first->name, STR("name")));
    assert_string_equal(tree->first->first->text.ptr, "plain");
    assert_string_equal(tree->first->first->next->text.ptr, "escaped");
    assert_string_equal(tree->first->first->next->next->text.ptr, "12.50");
}

static void
escapes_are_decoded(void **state)
{
    static const struct {
        const char *text;
        struct str decoded;
    } cases[] = {
        {"\"\"", {"", 0}},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
        {"\"a\\u0000b\"", {"a\0b", 3}},
        {"\"\\u00e9\\u20ac\"", {"\xc3\xa9\xe2\x82\xac", 5}},
        {"\"\\uD83D\\ude00\"", {"\xf0\x9f\x98\x80", 4}},
        {"\"\\uDBFF\\uDFFF\"", {"\xf4\x8f\xbf\xbf", 4}},
        {"\"\\\\ud800\"", {"\\ud800", 6}},
        {"\"\xf0\x9f\x98\x80\x7f\"", {"\xf0\x9f\x98\x80\x7f", 5}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(arena_done) struct arena arena;

        arena_init(&arena, ARENA_BYTES);
        assert_true(str_equals(parse(&arena, cases[i].text)->text, cases[i].decoded));
    }
}

static void
a_long_string_full_of_escapes_is_decoded(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf buf;
    const struct json *tree;

    (void)state;
    buf_init(&buf, 100000);
    buf_append_char(&buf, '"');
    for (int i = 0; i < 10000; i++)
        buf_printf(&buf, "%c\\n", 'a' + i % 26);
    buf_append_char(&buf, '"');
    arena_init(&arena, ARENA_BYTES);
    tree = parse(&arena, buf_str(&buf).ptr);
    assert_int_equal(tree->text.len, 20000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(tree->text.ptr[2 * i], 'a' + i % 26);
        assert_int_equal(tree->text.ptr[2 * i + 1], '\n');
    }
}

static void
what_is_not_json_is_refused_with_a_reason(void **state)
{
    static const struct {
        struct str text;
        const char *reason;
        bool is_well_formed; /* by the grammar alone */
    } refused[] = {
        {{NULL, 0}, "there is no text"},
        {{"  ", 2}, "ends at byte 2"},
        {{"[1", 2}, "ends at byte 2"},
        {{"\"abc", 4}, "ends at byte 4"},
        {{"tru", 3}, "ends at byte 3"},
        {{"[1,]", 4}, "near byte 4"},
        {{"{} x", 4}, "near byte 4"},
        {{"1 2", 3}, "near byte 3"},
        {{"{}{}", 4}, "near byte 3"},
        {{"\"\"\"", 3}, "near byte 3: more after"},
        {{"{\"a\":1}\"", 8}, "near byte 8: more after"},
        {{"1\0", 2}, "near byte"},
        {{"01", 2}, "near byte"},
        {{"+1", 2}, "near byte"},
        {{"NaN", 3}, "near byte"},
        {{"'a'", 3}, "near byte"},
        {{"/**/1", 5}, "near byte"},
        {{"\xef\xbb\xbf{}", 5}, "near byte"},
        {{"\"a\nb\"", 5}, "near byte"},
        {{"[\f1]", 4}, "near byte 1: a form feed"},
        {{"\"\\ud800\"", 8}, "near byte 1: half of a surrogate pair", true},
        {{"\"\\udc00\"", 8}, "half of a surrogate pair", true},
        {{"\"\\ud800\\u0041\"", 14}, "half of a surrogate pair", true},
        {{"\"\\ud800\\\\udc00\"", 15}, "half of a surrogate pair", true},
        {{"\"\\ud83d\\ude00\\ud83d\"", 20}, "near byte 13: half of a surrogate pair", true},
        {{"\"\\ud8", 5}, "ends at byte"},
        {{"\"\xc0\x80\"", 4}, "UTF-8"},
        {{"\"\xed\xa0\x80\"", 5}, "UTF-8"},
        {{"{\"a\":1,\"b\":2,\"a\":3}", 19}, "the name \"a\" stands twice", true},
        {{"{\"a\":1,\"\\u0061\":3}", 18}, "the name \"a\" stands twice", true},
        {{"[{\"\":1,\"\":3}]", 13}, "the name \"\" stands twice", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        CLEANUP(arena_done) struct arena arena;
        struct json *tree = NULL;
        struct error error = {.text = ""};

        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(json_parse(refused[i].text, &arena, &tree, &error), ERR_INVALID);
        assert_int_equal(json_is_well_formed(refused[i].text), refused[i].is_well_formed);
        assert_null(tree);
        if (strstr(error.text, refused[i].reason) == NULL)
            fail_msg("\"%.*s\": %s", STR_FMT(refused[i].text), error.text);
        assert_null(strchr(error.text, '\n'));
    }
}

static void
depth_has_a_bound(void **state)
{
    (void)state;
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        CLEANUP(arena_done) struct arena arena;
        char text[2 * (JSON_DEPTH_MAX + 1)];
        struct json *tree = NULL;
        struct error error;
        enum err err;

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        arena_init(&arena, ARENA_BYTES);
        err = json_parse((struct str){text, 2 * depth}, &arena, &tree, &error);
        assert_int_equal(err, depth <= JSON_DEPTH_MAX ? OK : ERR_INVALID);
        if (err != OK)
            assert_string_equal(error.text, "JSON, near byte 65: nested more than 64 deep");
    }
}

static void
one_doubled_name_among_thousands_is_found(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 10 * 1024 * 1024);
    for (size_t count = 1; count < 100000; count *= 3) {
        for (int doubled = 0; doubled <= 1; doubled++) {
            CLEANUP(arena_done) struct arena arena;
            struct json *tree = NULL;

            buf_clear(&buf);
            buf_append_char(&buf, '{');
            for (size_t i = 0; i < count; i++)
                buf_printf(&buf, "\"n%zu\":%zu,", i, i);
            buf_printf(&buf, "\"n%zu\":0}", doubled == 1 ? count / 2 : count);
            arena_init(&arena, ARENA_BYTES * 2);
            assert_int_equal(json_parse(buf_str(&buf), &arena, &tree, NULL),
                doubled == 1 ? ERR_INVALID : OK);
        }
    }
}

/* Every size of arena, so that each allocation is once the one that fails. */
static void
a_full_arena_is_an_answer_and_no_crash(void **state)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"x\\u0041y\"],\"b\":{\"c\":null},\"d\":\"unfinished\\n\\n";
    static const char rest[] = "\",\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,"
                               "\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0}";
    char whole[sizeof(text) + sizeof(rest)];
    bool fitted = false;

    (void)state;
    (void)snprintf(whole, sizeof(whole), "%s%s", text, rest);
    for (size_t bytes = 0; !fitted; bytes += 16) {
        CLEANUP(arena_done) struct arena arena;
        struct json *tree = NULL;
        struct error error;
        enum err err;

        arena_init(&arena, bytes);
        err = json_parse(str_from(whole), &arena, &tree, &error);
        fitted = err == OK;
        if (!fitted) {
            assert_int_equal(err, ERR_LIMIT);
            assert_int_equal(error.code, ERR_LIMIT);
            assert_null(tree);
            assert_true(arena_is_full(&arena));
        }
        assert_true(bytes < 100000);
        arena_reset(&arena);
        err = json_parse(str_from(text), &arena, &tree, &error);
        assert_true(err == ERR_LIMIT || err == ERR_INVALID);
    }
}

static void
whole_numbers_are_read(void **state)
{
    static const struct {
        const char *text;
        enum err err;
        int64_t value;
    } cases[] = {
        {"0", OK, 0},
        {"-0", OK, 0},
        {"-12", OK, -12},
        {"9223372036854775807", OK, INT64_MAX},
        {"-9223372036854775808", OK, INT64_MIN},
        {"9223372036854775808", ERR_INVALID, 77},
        {"1.0", ERR_INVALID, 77},
        {"1e2", ERR_INVALID, 77},
        {"\"1\"", ERR_INVALID, 77},
        {"null", ERR_INVALID, 77},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(arena_done) struct arena arena;
        int64_t value = 77;

        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(json_to_int64(parse(&arena, cases[i].text), &value), cases[i].err);
        assert_true(value == cases[i].value);
    }
}

static void
numbers_of_a_sane_size_are_read(void **state)
{
    static const struct {
        const char *text;
        enum err err;
        double value;
    } cases[] = {
        {"0", OK, 0},
        {"-1.5e+2", OK, -150},
        {"0.1", OK, 0.1},
        {"1e-400", OK, 0},
        {"1.7976931348623157e308", OK, 1.7976931348623157e308},
        {"1e400", ERR_INVALID, 77},
        {"-1e400", ERR_INVALID, 77},
        {"0.00000000000000000000000000000000000000000000000000000000000000000001", ERR_INVALID, 77},
        {"true", ERR_INVALID, 77},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(arena_done) struct arena arena;
        double value = 77;

        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(json_to_double(parse(&arena, cases[i].text), &value), cases[i].err);
        assert_true(fabs(value - cases[i].value) <= 0);
    }
}

static void
kinds_have_names_for_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(json_kind_name(JSON_NULL), "null");
    assert_string_equal(json_kind_name(JSON_BOOL), "true or false");
    assert_string_equal(json_kind_name(JSON_NUMBER), "a number");
    assert_string_equal(json_kind_name(JSON_STRING), "a string");
    assert_string_equal(json_kind_name(JSON_ARRAY), "an array");
    assert_string_equal(json_kind_name(JSON_OBJECT), "an object");
}

static void
the_writer_sets_commas_and_nothing_else(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    struct json_writer writer;

    (void)state;
    buf_init(&buf, 1000);
    json_start(&writer, &buf);
    json_object_open(&writer);
    json_name(&writer, STR("a"));
    json_int(&writer, -1);
    json_name(&writer, STR("b"));
    json_array_open(&writer);
    json_array_close(&writer);
    json_name(&writer, STR("c"));
    json_array_open(&writer);
    json_object_open(&writer);
    json_object_close(&writer);
    json_bool(&writer, true);
    json_bool(&writer, false);
    json_null(&writer);
    json_string(&writer, STR("\""));
    json_string_or_null(&writer, (struct str){NULL, 0});
    json_string_or_null(&writer, STR(""));
    json_raw(&writer, STR("1.50"));
    json_array_close(&writer);
    json_object_close(&writer);
    assert_string_equal(buf_str(&buf).ptr,
        "{\"a\":-1,\"b\":[],\"c\":[{},true,false,null,\"\\\"\",null,\"\",1.50]}");
}

static void
only_what_must_be_is_escaped(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    json_append_string(&buf, STR("a/\"\\\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
    assert_string_equal(buf_str(&buf).ptr,
        "\"a/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
    buf_clear(&buf);
    json_append_string(&buf, STR("\0x"));
    assert_string_equal(buf_str(&buf).ptr, "\"\\u0000x\"");
    buf_clear(&buf);
    json_append_string(&buf, (struct str){NULL, 0});
    assert_string_equal(buf_str(&buf).ptr, "\"\"");
}

static enum err
parse_file(const char *path, struct buf *buf)
{
    CLEANUP(arena_done) struct arena arena;
    struct json *tree = NULL;
    struct error error;
    enum err err;

    testdata_read(path, buf);
    arena_init(&arena, ARENA_BYTES);
    err = json_parse(buf_str(buf), &arena, &tree, &error);
    assert_true((tree != NULL) == (err == OK));
    assert_true(err == OK || err == ERR_INVALID);
    return err;
}

static void
the_suite_of_documents_is_judged_right(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    char folder[PATH_MAX];
    struct dirent **entries;
    int count =
        scandir(testdata_path(testdata, "json/test_parsing", folder), &entries, NULL, alphasort);
    int judged = 0;

    (void)state;
    buf_init(&buf, 1024 * 1024);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX + 256];
        struct str name = str_from(entries[i]->d_name);

        (void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (str_ends(name, STR(".json"))) {
            bool taken = parse_file(path, &buf) == OK;
            bool is_doubled = str_starts(name, STR("y_object_duplicated_key"));

            if ((name.ptr[0] == 'y' && taken == is_doubled) || (name.ptr[0] == 'n' && taken))
                fail_msg("%s was %s", entries[i]->d_name, taken ? "taken" : "refused");
            if ((name.ptr[0] == 'y' && !json_is_well_formed(buf_str(&buf))) ||
                (name.ptr[0] == 'n' && json_is_well_formed(buf_str(&buf))))
                fail_msg("%s is misjudged by its grammar", entries[i]->d_name);
            judged++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(judged, 318);
}

static void
naughty_strings_come_out_as_they_went_in(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    CLEANUP(arena_done) struct arena arena;
    char path[PATH_MAX];
    const struct json *list;

    (void)state;
    buf_init(&buf, 1024 * 1024);
    arena_init(&arena, ARENA_BYTES);
    testdata_read(testdata_path(testdata, "blns.json", path), &buf);
    list = parse(&arena, buf_str(&buf).ptr);
    assert_int_equal(list->kind, JSON_ARRAY);
    assert_true(list->count > 500);
    for (const struct json *it = list->first; it != NULL; it = it->next) {
        const struct json *again;

        buf_clear(&buf);
        json_append_string(&buf, it->text);
        again = parse(&arena, buf_str(&buf).ptr);
        assert_int_equal(again->kind, JSON_STRING);
        assert_true(str_equals(again->text, it->text));
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_tree),
        cmocka_unit_test(the_tree_does_not_need_the_text),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(a_long_string_full_of_escapes_is_decoded),
        cmocka_unit_test(what_is_not_json_is_refused_with_a_reason),
        cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(one_doubled_name_among_thousands_is_found),
        cmocka_unit_test(a_full_arena_is_an_answer_and_no_crash),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(numbers_of_a_sane_size_are_read),
        cmocka_unit_test(kinds_have_names_for_a_sentence),
        cmocka_unit_test(the_writer_sets_commas_and_nothing_else),
        cmocka_unit_test(only_what_must_be_is_escaped),
        cmocka_unit_test(the_suite_of_documents_is_judged_right),
        cmocka_unit_test(naughty_strings_come_out_as_they_went_in),
    };

    testdata = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
