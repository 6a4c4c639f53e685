/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every bound of the program on one page, each with its reason.
 *
 * What an owner may want to change is a setting (cli/config.def), not a limit.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* HTTP, as server. One request line of 8 KiB carries our longest query with room to spare; 16 KiB
 * and 100 fields are what the common proxies accept. */
#define HTTP_REQUEST_LINE_BYTES_MAX 8192
#define HTTP_HEAD_BYTES_MAX         16384
#define HTTP_FIELDS_MAX             100
#define HTTP_BODY_BYTES_MAX         (1024 * 1024)
/* 4096 is the kernel's own default ceiling (somaxconn); a shorter queue makes the peer resend its
 * SYN after a second when a thousand callers connect at once. */
#define HTTP_LISTEN_BACKLOG 4096

/* What may wait for a reader of an answer that goes on: a slow line catches up with it in seconds,
 * and who stopped reading costs no more. */
#define HTTP_PIECES_WAIT_BYTES_MAX (256 * 1024)

/* HTTP, as client. An endpoint's answer matters by its status; the first 4 KiB are kept for the
 * owner to read, and past 64 KiB we stop reading and close. */
#define HTTP_ANSWER_BYTES_KEPT 4096
#define HTTP_ANSWER_BYTES_MAX  65536

/* Memory that one API request may take for its body, its JSON tree and its answer. */
#define REQUEST_ARENA_BYTES_MAX (16 * 1024 * 1024)

/* JSON deeper than this is nobody's webinar. */
#define JSON_DEPTH_MAX 64

/* Texts a person types: long enough for any real one, short enough for a body below 20 kB. */
#define NAME_BYTES_MAX        512
#define EMAIL_BYTES_MAX       320
#define PHONE_BYTES_MAX       64
#define TITLE_BYTES_MAX       512
#define LINK_BYTES_MAX        2048
#define ZONE_BYTES_MAX        64
#define DESCRIPTION_BYTES_MAX 1024
#define URL_BYTES_MAX         2048

#define HOOK_HEADERS_MAX            20
#define HOOK_HEADER_VALUE_BYTES_MAX 4096
#define WEBINAR_MANGOES_MAX         100
#define WEBINAR_ATTENDEES_MAX       1000 /* named in one POST; more go through the bulk */

/* A summit may last some days. What seems to last longer is a series, or a mistyped year. */
#define WEBINAR_DAYS_MAX 31

/* A refusal names this many faults; a person mends them in one go, not in a hundred. */
#define FAULTS_MAX 100

/* A chunk is about two seconds of its endpoint's own speed, never more than this: with 8 bytes an
 * attempt its record stays a row of one page. */
#define CHUNK_MEMBERS_MAX 1024

/* A line of a bulk upload: all four texts at their longest and every character escaped. */
#define BULK_LINE_BYTES_MAX 16384

/* Lines of a bulk applied in one transaction, at 8 us each: the writer is held for 5 ms at most. */
#define BULK_STEP_LINES 500

/* Exchanges that a loop starts in one turn: with more an API request waits behind connects. */
#define EXCHANGES_STARTED_PER_TURN 32

#endif
