/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of the file become sources and handlers.
 */
#ifndef CLI_INBOX_CONFIG_H
#define CLI_INBOX_CONFIG_H

#include "cli/config.h"
#include "receive/setup.h"

/* Everything is checked; a mistake is told with file, line and section. ERR_DENIED: others than its
 * owner may read the file, and there are secrets in it. ERR_NOT_FOUND: there is no section at all,
 * so nothing to receive from. Held once. */
MUST_CHECK enum err inbox_config_setup(const struct config *config, struct setup **ret,
    struct error *reterr);

#endif
