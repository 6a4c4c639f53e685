/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <string.h>

#include "base/check.h"

/* Beyond, what is shown may be a line longer than what may be read. */
#define LINE_BYTES_MAX 150

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

/* Settings that were taken from a file, shown and read again, are the same settings. */
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
