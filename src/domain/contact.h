/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blanking a person's email and phone in a text that somebody else wrote and that is kept: what an
 * endpoint answered may repeat what it was sent, and must not outlive an erasure. Pure.
 *
 * It finds them as they are written, not in other words or encodings.
 */
#ifndef DOMAIN_CONTACT_H
#define DOMAIN_CONTACT_H

#include "base/str.h"

/* A phone of fewer digits is no phone but any number. */
#define CONTACT_DIGITS_MIN 6

/* Asterisks over each occurrence: of the email in any case (ASCII), of the phone's digits however
 * they are set apart. Also of one that the text's end cuts off, but for its first few characters.
 * Both may be absent. */
void contact_blank(char *text, size_t len, struct str email, struct str phone);

#endif
