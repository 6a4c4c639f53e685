/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an authentic call to what is stored of it: JSON read into the model, event, identity and
 * version, and the headers worth keeping. Shared by the gateway and by the quarantine's release.
 */
#ifndef RECEIVE_ARRIVE_H
#define RECEIVE_ARRIVE_H

#include "receive/source.h"
#include "store/inbox.h"

/* ERR_INVALID: the body is no JSON, with the reason; ERR_LIMIT: it takes more than the arena has;
 * ERR_NOMEM. Texts of ret are the arena's or borrowed from the call and the source. What proves the
 * caller is left out of the headers: Authorization, Cookie, keys, the source's own header;
 * signatures stay (they prove nothing later). */
MUST_CHECK enum err arrive(const struct source *source, int64_t source_pk,
    const struct source_call *call, struct arena *arena, struct inbox_arrival *ret,
    struct error *reterr);

/* The same for a body that has been read already. ERR_NOMEM alone. */
MUST_CHECK enum err arrive_parsed(const struct source *source, int64_t source_pk,
    const struct source_call *call, const struct json *json, struct arena *arena,
    struct inbox_arrival *ret);

#endif
