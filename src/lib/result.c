/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "lib/inside.h"

const char *
usher_version(void)
{
    return USHER_VERSION;
}

const char *
usher_result_name(enum usher_result result)
{
    switch (result) {
    case USHER_OK: return "ok";
    case USHER_INVALID: return "invalid";
    case USHER_DENIED: return "denied";
    case USHER_LIMIT: return "limit";
    case USHER_NOMEM: return "no memory";
    }
    return "unknown";
}

enum usher_result
result_of(enum err err)
{
    switch (err) {
    case OK: return USHER_OK;
    case ERR_DENIED: return USHER_DENIED;
    case ERR_LIMIT: return USHER_LIMIT;
    case ERR_NOMEM: return USHER_NOMEM;
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_BUSY:
    case ERR_DISK:
    case ERR_IO: return USHER_INVALID;
    }
    UNREACHABLE;
}
