/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint for signed calls, as a CGI program:
 * cc -o endpoint endpoint.c $(pkg-config --cflags --libs libusher) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <usher/usher.h>

int
main(void)
{
    static char body[1 << 20];
    size_t len = fread(body, 1, sizeof(body), stdin);
    struct usher_call call = {getenv("HTTP_WEBHOOK_ID"), getenv("HTTP_WEBHOOK_TIMESTAMP"),
        getenv("HTTP_WEBHOOK_SIGNATURE"), body, len};
    struct usher_verifier *verifier = NULL;
    struct usher_payload *payload = NULL;
    int status = 500;

    if (usher_verifier_new(getenv("WEBHOOK_SECRET"), NULL, 300, &verifier) == USHER_OK)
        status = usher_verify(verifier, &call, time(NULL)) != USHER_OK  ? 401
                 : usher_payload_parse(body, len, &payload) != USHER_OK ? 400
                                                                        : 200;
    if (status == 200 && usher_payload_name(payload) != NULL) /* here goes what is to be done */
        fprintf(stderr, "%s is coming\n", usher_payload_name(payload));
    printf("Status: %d\r\nContent-Type: text/plain\r\n\r\n%d\n", status, status);
    usher_payload_free(payload);
    usher_verifier_free(verifier);
    return 0;
}
