/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts on OpenSSL, 1.2 at least, for both ends.
 *
 * The server's certificate is read again on SIGHUP; connections under way keep theirs. Making the
 * first context has SIGPIPE ignored unless it is handled already: OpenSSL cannot avoid it.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "base/str.h"

struct ssl_ctx_st;
struct tls_server; /* shared by all loops; swapped under a lock when reloaded */
struct tls_client; /* shared by all loops; read-only */

MUST_CHECK enum err tls_server_new(const char *certificate_path, const char *key_path,
    struct tls_server **ret, struct error *reterr);
void tls_server_free(struct tls_server *tls);
/* Read both files again; on failure the old certificate stays in use. */
MUST_CHECK enum err tls_server_reload(struct tls_server *tls, struct error *reterr);
/* A counted reference to the present context; drop it with SSL_CTX_free. */
struct ssl_ctx_st *tls_server_ctx(struct tls_server *tls);

/* ca_path: a bundle to trust instead of the system's, or NULL. */
MUST_CHECK enum err tls_client_new(const char *ca_path, struct tls_client **ret,
    struct error *reterr);
void tls_client_free(struct tls_client *tls);
struct ssl_ctx_st *tls_client_ctx(struct tls_client *tls); /* borrowed */

/* The newest OpenSSL error of this thread as a sentence; clears the queue. */
enum err tls_error(struct error *reterr, enum err code, const char *what);

#endif
