/* SPDX-License-Identifier: Apache-2.0 */
#include "support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define DAY_S (24L * 60 * 60)

struct certificate_plan {
    const char *name;
    const char *alternatives; /* subjectAltName, or NULL: an authority */
    long days_from;
    long days_to;
};

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    CHECK(extension != NULL);
    CHECK(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: signed by itself. */
static X509 *
certificate_make(const struct certificate_plan *plan, X509 *issuer, EVP_PKEY *key,
    EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *certificate = X509_new();

    CHECK(certificate != NULL);
    CHECK(X509_set_version(certificate, 2) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate), plan->days_from * DAY_S) != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate), plan->days_to * DAY_S) != NULL);
    CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
              (const unsigned char *)plan->name, -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(certificate,
              X509_get_subject_name(issuer != NULL ? issuer : certificate)) == 1);
    CHECK(X509_set_pubkey(certificate, key) == 1);
    if (plan->alternatives != NULL)
        add_extension(certificate, NID_subject_alt_name, plan->alternatives);
    add_extension(certificate, NID_basic_constraints,
        plan->alternatives != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE");
    CHECK(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
    return certificate;
}

static FILE *
file_create(const char *folder, const char *name, char *ret_path)
{
    CHECK(snprintf(ret_path, CERTIFICATES_PATH_BYTES, "%s/%s.pem", folder, name) <
          CERTIFICATES_PATH_BYTES);
    FILE *file = fopen(ret_path, "we");
    CHECK(file != NULL);
    return file;
}

static void
certificate_write(X509 *certificate, const char *folder, const char *name, char *ret_path)
{
    FILE *file = file_create(folder, name, ret_path);

    CHECK(PEM_write_X509(file, certificate) == 1);
    CHECK(fclose(file) == 0);
}

void
certificates_make(struct certificates *certificates)
{
    static const struct certificate_plan authority = {"Test authority", NULL, -10, 10};
    static const struct certificate_plan good = {"localhost", "DNS:localhost,IP:127.0.0.1,IP:::1",
        -10, 10};
    static const struct certificate_plan other_host = {"other.example",
        "DNS:other.example,IP:192.0.2.1", -10, 10};
    static const struct certificate_plan expired = {"localhost",
        "DNS:localhost,IP:127.0.0.1,IP:::1", -10, -1};
    static const struct certificate_plan self_signed = {"localhost",
        "DNS:localhost,IP:127.0.0.1,IP:::1", -10, 10};

    const struct {
        const struct certificate_plan *plan;
        const char *name;
        char *path;
    } signed_ones[] = {
        {&good, "good", certificates->good},
        {&other_host, "other-host", certificates->other_host},
        {&expired, "expired", certificates->expired},
        {&self_signed, "self-signed", certificates->self_signed},
    };

    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");

    CHECK(key != NULL && ca_key != NULL);
    (void)snprintf(certificates->folder, sizeof(certificates->folder), "/tmp/certificates-XXXXXX");
    CHECK(mkdtemp(certificates->folder) != NULL);

    FILE *file = file_create(certificates->folder, "key", certificates->key);
    CHECK(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fclose(file) == 0);

    X509 *ca = certificate_make(&authority, NULL, ca_key, ca_key);
    certificate_write(ca, certificates->folder, "ca", certificates->ca);
    for (size_t i = 0; i < COUNT_OF(signed_ones); i++) {
        bool is_self_signed = signed_ones[i].plan == &self_signed;
        X509 *certificate = certificate_make(signed_ones[i].plan, is_self_signed ? NULL : ca, key,
            is_self_signed ? key : ca_key);

        certificate_write(certificate, certificates->folder, signed_ones[i].name,
            signed_ones[i].path);
        X509_free(certificate);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

void
certificates_remove(struct certificates *certificates)
{
    (void)unlink(certificates->ca);
    (void)unlink(certificates->key);
    (void)unlink(certificates->good);
    (void)unlink(certificates->other_host);
    (void)unlink(certificates->expired);
    (void)unlink(certificates->self_signed);
    (void)rmdir(certificates->folder);
}
