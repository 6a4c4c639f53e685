/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A text that was cut must not end in half a character: it goes into JSON later. */
static void
drop_half_character(char *text)
{
    size_t len = strlen(text);
    size_t start = len;
    size_t wanted = 1;
    unsigned char lead;

    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    lead = (unsigned char)text[start - 1];
    if (lead >= 0xf0)
        wanted = 4;
    else if (lead >= 0xe0)
        wanted = 3;
    else if (lead >= 0xc0)
        wanted = 2;
    if (len - (start - 1) < wanted)
        text[start - 1] = '\0';
}

enum err
error_set(struct error *reterr, enum err code, const char *fmt, ...)
{
    struct error error = {.code = code};
    va_list args;
    int len;

    if (reterr == NULL)
        return code;

    /* Into a copy: the arguments may point into reterr itself. */
    va_start(args, fmt);
    len = vsnprintf(error.text, sizeof(error.text), fmt, args);
    va_end(args);
    if (len < 0)
        error.text[0] = '\0';
    else if ((size_t)len >= sizeof(error.text))
        drop_half_character(error.text);
    *reterr = error;
    return code;
}

enum err
error_prefix(struct error *reterr, const char *fmt, ...)
{
    char prefix[sizeof(reterr->text)];
    va_list args;
    int len;

    if (reterr == NULL)
        return ERR_IO;

    va_start(args, fmt);
    len = vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    if (len < 0)
        return reterr->code;
    if ((size_t)len >= sizeof(prefix))
        drop_half_character(prefix);
    return error_set(reterr, reterr->code, "%s: %s", prefix, reterr->text);
}
