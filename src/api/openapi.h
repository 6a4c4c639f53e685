/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's own description: openapi.json, built into the program and served at /openapi.json.
 *
 * It is written by hand and is the contract; a test compares it with the route tables, and the
 * tests of the whole program hold each answer against it.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "base/str.h"

struct str openapi_text(void);

#endif
