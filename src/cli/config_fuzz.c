/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <string.h>

#include "base/check.h"
#include "cli/config_section.h"

/* Beyond, what is shown may be a line longer than what may be read. */
#define LINE_BYTES_MAX (CONFIG_LINE_BYTES_MAX - 100)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has_long_line(struct str text)
{
    struct str line = {NULL, 0};

    while (str_split(&text, '\n', &line)) {
        if (line.len > LINE_BYTES_MAX)
            return true;
    }
    return false;
}

/* Lines of sections, but for those that are hidden. */
static const struct config_line *
next_shown(const struct config_section *section, const struct config_line *line)
{
    while (line != NULL && section_is_secret(section->kind, line))
        line = line->next;
    return line;
}

static void
check_section(const struct config_section *a, const struct config_section *b)
{
    const struct config_line *line_a = next_shown(a, a->lines);
    const struct config_line *line_b = b->lines;

    CHECK(a->kind == b->kind && str_equals(a->name, b->name));
    for (; line_a != NULL && line_b != NULL; line_b = line_b->next) {
        CHECK(str_equals(line_a->name, line_b->name));
        CHECK(str_equals(line_a->value, line_b->value));
        line_a = next_shown(a, line_a->next);
    }
    CHECK(line_a == NULL && line_b == NULL);
}

static void
check_sections(const struct config *config, const struct config *again)
{
    const struct config_section *a = config->sections;
    const struct config_section *b = again->sections;

    for (; a != NULL && b != NULL; a = a->next) {
        check_section(a, b);
        b = b->next;
    }
    CHECK(a == NULL && b == NULL);
}

/* Settings and sections that were taken from a file, shown and read again, are the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct error error = {.code = OK};
    struct config config;
    struct config again;
    struct buf shown;

    if (size == 0 || has_long_line(text))
        return 0;
    CHECK(config_init(&config, &error) == OK);
    if (config_read_text(&config, "fuzz", text, &error) != OK) {
        CHECK(error.code == ERR_INVALID && strncmp(error.text, "fuzz:", 5) == 0);
        config_done(&config);
        return 0;
    }
    buf_init(&shown, CONFIG_FILE_BYTES_MAX);
    config_show(&config, &shown);
    CHECK(!buf_is_full(&shown));
    CHECK(config_init(&again, &error) == OK);
    CHECK(config_read_text(&again, "shown", buf_str(&shown), &error) == OK);
    check_sections(&config, &again);
    if (config.secret_key == NULL) {
        buf_clear(&shown);
        config_changes(&config, &again, &shown);
        CHECK(shown.len == 0);
    }
    buf_done(&shown);
    config_done(&again);
    config_done(&config);
    return 0;
}
