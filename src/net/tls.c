/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct tls_server {
    char *certificate_path; /* owned */
    char *key_path;         /* owned */
    pthread_mutex_t mutex;
    SSL_CTX *ctx; /* guarded by mutex; counted */
};

struct tls_client {
    SSL_CTX *ctx; /* owned */
};

/* The only protocol we speak, in ALPN's form: a length and a name. */
static const unsigned char alpn_http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static void
ssl_ctx_freep(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
}

static void
tls_server_freep(struct tls_server **tls)
{
    tls_server_free(*tls);
}

static void
tls_client_freep(struct tls_client **tls)
{
    tls_client_free(*tls);
}

enum err
tls_error(struct error *reterr, enum err code, const char *what)
{
    unsigned long number = ERR_peek_last_error();
    const char *reason = number != 0 ? ERR_reason_error_string(number) : NULL;

    (void)error_set(reterr, code, "%s: %s", what, reason != NULL ? reason : "no reason given");
    ERR_clear_error();
    return code;
}

/* What both ends share. Sockets are non-blocking, so what is left of a write may lie elsewhere at
 * the next try; and thousands of idle connections must not keep 34 kB of buffers each. */
static void
ctx_setup(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

/* A key with a passphrase would make OpenSSL ask at the terminal, and a daemon hang. */
static int
on_passphrase(char *text, int size, int is_writing, void *arg)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static int
on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *offered,
    unsigned int offered_len, void *arg)
{
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, alpn_http11, sizeof(alpn_http11), offered,
            offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL writes with write(2), which has no MSG_NOSIGNAL: without this a peer that hangs up at the
 * right moment kills the process. A handler that somebody has set stays. */
static void
sigpipe_ignore(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &action, NULL);
    }
}

static enum err
server_ctx_new(const char *certificate_path, const char *key_path, SSL_CTX **ret,
    struct error *reterr)
{
    static const unsigned char session_context[] = "usher";
    CLEANUP(ssl_ctx_freep) SSL_CTX *ctx = NULL;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return tls_error(reterr, ERR_NOMEM, "TLS: new server context");
    ctx_setup(ctx);
    /* Sessions are resumed by tickets alone: no cache, so no lock shared by the loops. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);

    if (SSL_CTX_use_certificate_chain_file(ctx, certificate_path) != 1) {
        (void)tls_error(reterr, ERR_INVALID, certificate_path);
        return error_prefix(reterr, "TLS: the certificate cannot be used");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1) {
        (void)tls_error(reterr, ERR_INVALID, key_path);
        return error_prefix(reterr, "TLS: the key cannot be used; it must be PEM, without a "
                                    "passphrase, and belong to the certificate");
    }
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_error(reterr, ERR_INVALID, "TLS: the key does not belong to the certificate");

    *ret = TAKE(ctx);
    return OK;
}

enum err
tls_server_new(const char *certificate_path, const char *key_path, struct tls_server **ret,
    struct error *reterr)
{
    CLEANUP(tls_server_freep) struct tls_server *tls = calloc(1, sizeof(*tls));
    enum err err;

    if (tls == NULL)
        return error_set(reterr, ERR_NOMEM, "TLS: out of memory");
    sigpipe_ignore();
    CHECK(pthread_mutex_init(&tls->mutex, NULL) == 0);
    tls->certificate_path = strdup(certificate_path);
    tls->key_path = strdup(key_path);
    if (tls->certificate_path == NULL || tls->key_path == NULL)
        return error_set(reterr, ERR_NOMEM, "TLS: out of memory");
    err = server_ctx_new(certificate_path, key_path, &tls->ctx, reterr);
    if (err != OK)
        return err;

    *ret = TAKE(tls);
    return OK;
}

void
tls_server_free(struct tls_server *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    CHECK(pthread_mutex_destroy(&tls->mutex) == 0);
    free(tls->key_path);
    free(tls->certificate_path);
    free(tls);
}

enum err
tls_server_reload(struct tls_server *tls, struct error *reterr)
{
    SSL_CTX *fresh = NULL;
    SSL_CTX *stale;
    enum err err = server_ctx_new(tls->certificate_path, tls->key_path, &fresh, reterr);

    if (err != OK)
        return err;
    CHECK(pthread_mutex_lock(&tls->mutex) == 0);
    stale = tls->ctx;
    tls->ctx = fresh;
    CHECK(pthread_mutex_unlock(&tls->mutex) == 0);
    SSL_CTX_free(stale);
    return OK;
}

SSL_CTX *
tls_server_ctx(struct tls_server *tls)
{
    SSL_CTX *ctx;

    CHECK(pthread_mutex_lock(&tls->mutex) == 0);
    ctx = tls->ctx;
    CHECK(SSL_CTX_up_ref(ctx) == 1);
    CHECK(pthread_mutex_unlock(&tls->mutex) == 0);
    return ctx;
}

enum err
tls_client_new(const char *ca_path, struct tls_client **ret, struct error *reterr)
{
    CLEANUP(tls_client_freep) struct tls_client *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return error_set(reterr, ERR_NOMEM, "TLS: out of memory");
    sigpipe_ignore();
    ERR_clear_error();
    tls->ctx = SSL_CTX_new(TLS_client_method());
    if (tls->ctx == NULL)
        return tls_error(reterr, ERR_NOMEM, "TLS: new client context");
    ctx_setup(tls->ctx);
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    /* Each endpoint keeps its own session; a cache for all would be a lock for all. */
    (void)SSL_CTX_set_session_cache_mode(tls->ctx,
        SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    /* This one call answers 0 when it succeeds. */
    if (SSL_CTX_set_alpn_protos(tls->ctx, alpn_http11, sizeof(alpn_http11)) != 0)
        return tls_error(reterr, ERR_NOMEM, "TLS: new client context");
    if (ca_path != NULL) {
        if (SSL_CTX_load_verify_file(tls->ctx, ca_path) != 1) {
            (void)tls_error(reterr, ERR_INVALID, ca_path);
            return error_prefix(reterr, "TLS: the certificates to trust cannot be read");
        }
    } else if (SSL_CTX_set_default_verify_paths(tls->ctx) != 1) {
        return tls_error(reterr, ERR_IO, "TLS: the system's certificates cannot be read");
    }

    *ret = TAKE(tls);
    return OK;
}

void
tls_client_free(struct tls_client *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}

SSL_CTX *
tls_client_ctx(struct tls_client *tls)
{
    return tls->ctx;
}
