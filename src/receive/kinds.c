/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "receive/handler.h"

const struct handler_kind *const handler_kinds[] = {
    &handler_exec,
    &handler_http,
    &handler_sql,
    &handler_mail,
};
const size_t handler_kind_count = COUNT_OF(handler_kinds);
