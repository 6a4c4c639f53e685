/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/source.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Who brings nothing is let in by no section, but for one that lets in everybody, or an address. */
static void
check_empty_call(const struct source *source)
{
    const struct http_head head = {.method = STR("POST")};
    struct source_call call = {.head = &head, .body = STR("{}"), .now = {US_PER_S}};
    struct source_judge *judge = NULL;
    bool may_pass = source->accepts_all || (source_proofs(source) & PROOF_ADDRESS) != 0;

    CHECK(address_parse(STR("192.0.2.7"), &call.peer, NULL) == OK);
    CHECK(source_judge_new(source, &judge, NULL) == OK);
    CHECK(may_pass || source_judge(judge, &call, NULL) == ERR_DENIED);
    source_judge_free(judge);
}

/* A refused line is no setting given; a failure has a sentence. */
static bool
read_line(struct source *source, struct arena *arena, struct str line)
{
    size_t equals = str_find(line, '=', 0);
    uint64_t before = source->given;
    struct error error = {.text = ""};
    struct str name = str_trim(str_slice(line, 0, equals));

    /* It would read whatever file the input names. */
    if (equals == SIZE_MAX || str_equals(name, STR("secret-file")))
        return true;
    if (source_set(source, arena, name, str_slice(line, equals + 1, line.len), &error) == OK) {
        CHECK((source->given & before) == before && source->given != 0);
        return true;
    }
    CHECK(source->given == before && error.text[0] != '\0');
    return false;
}

/* A section of lines "name = value". */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str line;
    struct arena arena;
    struct source source;
    struct error error = {.text = ""};
    bool is_whole = true;

    if (size == 0 || size > 4096)
        return 0;
    arena_init(&arena, (size_t)1024 * 1024);
    source_init(&source, STR("fuzz"));
    while (is_whole && str_split(&rest, '\n', &line))
        is_whole = read_line(&source, &arena, line);
    if (is_whole && source_check(&source, &error) == OK)
        check_empty_call(&source);
    else if (is_whole)
        CHECK(error.text[0] != '\0');
    source_wipe(&source);
    arena_done(&arena);
    return 0;
}
