/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who called, where trusted proxies stand in between: the last address before them that they name.
 *
 * A proxy adds to the right of X-Forwarded-For or Forwarded (RFC 7239) what it saw; what stands to
 * the left of the first that is not a proxy of ours its caller may have made up. Pure.
 */
#ifndef RECEIVE_PEER_H
#define RECEIVE_PEER_H

#include "net/address.h"
#include "net/http_parse.h"

/* The connection's own address where it is no proxy; the proxy's, where it names nobody, or where
 * both fields are there and disagree, since it has set only one of them. */
struct address peer_find(const struct http_head *head, const struct address *connected,
    const struct cidr *proxies, size_t proxy_count);

#endif
