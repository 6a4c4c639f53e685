/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates that a test makes for itself, in a folder of its own: good ones, and one for each
 * way of being bad.
 */
#ifndef TEST_SUPPORT_CERTIFICATES_H
#define TEST_SUPPORT_CERTIFICATES_H

#define CERTIFICATES_PATH_BYTES 128

struct certificates {
    char folder[CERTIFICATES_PATH_BYTES];
    char ca[CERTIFICATES_PATH_BYTES];          /* who signed all but self_signed */
    char key[CERTIFICATES_PATH_BYTES];         /* of every certificate here */
    char good[CERTIFICATES_PATH_BYTES];        /* localhost, 127.0.0.1 and ::1 */
    char other_host[CERTIFICATES_PATH_BYTES];  /* other.example and 192.0.2.1 */
    char expired[CERTIFICATES_PATH_BYTES];     /* good until yesterday */
    char self_signed[CERTIFICATES_PATH_BYTES]; /* localhost, by nobody else */
};

/* Abort on any trouble: without them there is nothing to test. */
void certificates_make(struct certificates *certificates);
void certificates_remove(struct certificates *certificates);

#endif
