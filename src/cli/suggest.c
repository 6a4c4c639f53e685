/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/suggest.h"

#include <stdio.h>

#define WORD_BYTES_MAX 40

static unsigned
smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned
suggest_distance(struct str a, struct str b)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before_last = rows[0];
    unsigned *last = rows[1];
    unsigned *row = rows[2];

    if (a.len > WORD_BYTES_MAX || b.len > WORD_BYTES_MAX)
        return 99;
    for (unsigned j = 0; j <= b.len; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *spare = before_last;

        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];

            row[j] = smaller(smaller(row[j - 1] + 1, last[j] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = smaller(row[j], before_last[j - 2] + 1);
        }
        before_last = last;
        last = row;
        row = spare;
    }
    return last[b.len];
}

void
suggest_start(struct suggestion *suggestion, struct str word)
{
    *suggestion = (struct suggestion){.word = word, .distance = 3};
    if (word.len < 4)
        suggestion->distance = 2; /* of three letters two wrong ones are another word */
}

void
suggest_offer(struct suggestion *suggestion, const char *candidate)
{
    unsigned distance = suggest_distance(suggestion->word, str_from(candidate));

    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        (void)snprintf(suggestion->best, sizeof(suggestion->best), "%s", candidate);
    }
}
