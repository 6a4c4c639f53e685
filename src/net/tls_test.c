/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/test.h"

static struct certificates certificates;

static int
start(void **state)
{
    (void)state;
    certificates_make(&certificates);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    certificates_remove(&certificates);
    return 0;
}

/* A key that belongs to no certificate; with a passphrase or without. */
static void
key_write(const char *path, const char *passphrase)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "we");

    assert_non_null(key);
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL,
                         (const unsigned char *)passphrase,
                         passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
}

static void
check_refused(const char *certificate, const char *key, const char *reason)
{
    struct tls_server *tls = NULL;
    struct error error = {0};

    assert_int_equal(tls_server_new(certificate, key, &tls, &error), ERR_INVALID);
    assert_null(tls);
    if (strstr(error.text, reason) == NULL)
        fail_msg("%s is not in: %s", reason, error.text);
}

static void
a_server_says_what_is_wrong_with_its_files(void **state)
{
    char key[CERTIFICATES_PATH_BYTES + 16];

    (void)state;
    (void)snprintf(key, sizeof(key), "%s/other-key.pem", certificates.folder);
    check_refused("/nowhere/certificate.pem", certificates.key,
        "the certificate cannot be used: /nowhere/certificate.pem: ");
    check_refused(certificates.key, certificates.key, "the certificate cannot be used");
    check_refused(certificates.good, "/nowhere/key.pem", "the key cannot be used");
    check_refused(certificates.good, certificates.good, "the key cannot be used");
    key_write(key, NULL);
    check_refused(certificates.good, key, "key");
    /* It must not ask at the terminal. */
    key_write(key, "secret");
    check_refused(certificates.good, key, "passphrase");
    assert_int_equal(unlink(key), 0);
}

static void
a_reload_that_fails_keeps_the_old_certificate(void **state)
{
    struct tls_server *tls = NULL;
    struct error error = {0};
    SSL_CTX *before;
    SSL_CTX *after;
    FILE *file;

    (void)state;
    assert_int_equal(tls_server_new(certificates.expired, certificates.key, &tls, &error), OK);
    before = tls_server_ctx(tls);
    /* Whoever runs this may have no terminal to be asked at. */
    assert_true(SSL_CTX_get_default_passwd_cb(before) != NULL);
    assert_int_equal(tls_server_reload(tls, &error), OK);
    after = tls_server_ctx(tls);
    assert_ptr_not_equal(before, after);
    SSL_CTX_free(before);
    SSL_CTX_free(after);

    before = tls_server_ctx(tls);
    file = fopen(certificates.expired, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tls_server_reload(tls, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "the certificate cannot be used"));
    after = tls_server_ctx(tls);
    assert_ptr_equal(before, after);
    SSL_CTX_free(before);
    SSL_CTX_free(after);
    tls_server_free(tls);
    tls_server_free(NULL);
}

static void
a_client_trusts_a_bundle_or_the_system(void **state)
{
    struct tls_client *tls = NULL;
    struct error error = {0};

    (void)state;
    assert_int_equal(tls_client_new(certificates.ca, &tls, &error), OK);
    assert_int_equal(SSL_CTX_get_verify_mode(tls_client_ctx(tls)), SSL_VERIFY_PEER);
    assert_int_equal(SSL_CTX_get_min_proto_version(tls_client_ctx(tls)), TLS1_2_VERSION);
    tls_client_free(tls);
    tls = NULL;
    assert_int_equal(tls_client_new("/nowhere/ca.pem", &tls, &error), ERR_INVALID);
    assert_null(tls);
    assert_non_null(strstr(error.text, "/nowhere/ca.pem"));
    assert_int_equal(tls_client_new(NULL, &tls, &error), OK);
    tls_client_free(tls);
    tls_client_free(NULL);
}

static void
a_peer_that_hangs_up_does_not_kill_us(void **state)
{
    struct tls_client *tls = NULL;
    struct error error = {0};
    struct sigaction action;

    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    assert_int_equal(tls_client_new(NULL, &tls, &error), OK);
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_IGN);
    tls_client_free(tls);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_says_what_is_wrong_with_its_files),
        cmocka_unit_test(a_reload_that_fails_keeps_the_old_certificate),
        cmocka_unit_test(a_client_trusts_a_bundle_or_the_system),
        cmocka_unit_test(a_peer_that_hangs_up_does_not_kill_us),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
