/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fresh database in memory with our schema and a sealing key, for tests of one subject.
 */
#ifndef TEST_SUPPORT_ENGINE_H
#define TEST_SUPPORT_ENGINE_H

#include "store/engine.h"
#include "store/migrate.h"
#include "support/test.h"

static inline struct engine *
test_engine_open(void)
{
    static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3};
    struct engine_options options = {.path = ":memory:", .seal_key = key};
    struct engine *engine = NULL;
    struct error error = {0};

    if (engine_open(&options, &engine, &error) != OK || migrate(engine, "test", &error) != OK)
        fail_msg("%s", error.text);
    return engine;
}

#endif
