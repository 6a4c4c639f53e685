/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that were split, each put in single quotes, split again are the same words; and a text
 * without anything that a shell heeds is split at its blanks.
 */
#include "receive/command.h"

#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
append_quoted(struct buf *buf, const char *word)
{
    buf_append_char(buf, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            buf_append_literal(buf, "'\\''");
        else
            buf_append_char(buf, *word);
    }
    buf_append_literal(buf, "' \t");
}

static bool
is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '\0' || strchr("|&;<>()$`*?[\n\r#~'\"\\", c) != NULL)
            return false;
    }
    return true;
}

static void
check_plain(struct str text, const struct command *command)
{
    size_t at = 0;
    size_t count = 0;

    while (at < text.len) {
        size_t len = 0;

        while (at + len < text.len && text.ptr[at + len] != ' ' && text.ptr[at + len] != '\t')
            len++;
        if (len > 0) {
            CHECK(count < command->count && strlen(command->words[count]) == len);
            CHECK(memcmp(command->words[count], text.ptr + at, len) == 0);
            count++;
        }
        at += len + 1;
    }
    CHECK(count == command->count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct command command = {0};
    struct command again = {0};
    struct arena arena;
    struct buf quoted;

    arena_init(&arena, 1 << 20);
    buf_init(&quoted, 1 << 18);
    if (size <= 4096 && command_split(text, &arena, &command, NULL) == OK) {
        CHECK(command.count > 0 && command.count <= COMMAND_WORDS_MAX);
        CHECK(command.words[command.count] == NULL);
        for (size_t i = 0; i < command.count; i++)
            append_quoted(&quoted, command.words[i]);
        CHECK(command_split(buf_str(&quoted), &arena, &again, NULL) == OK);
        CHECK(again.count == command.count);
        for (size_t i = 0; i < command.count; i++)
            CHECK(strcmp(again.words[i], command.words[i]) == 0);
        if (is_plain(text))
            check_plain(text, &command);
    } else {
        CHECK(command.words == NULL);
    }
    buf_done(&quoted);
    arena_done(&arena);
    return 0;
}
