/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program and its arguments on one line: words and quotes as in a shell, and no shell.
 *
 * '…' is literal; in "…" a backslash escapes $ ` " \; outside quotes it escapes anything. What a
 * shell would do more with (variables, pipes, patterns …) is refused where it is not quoted:
 * nothing means less here than it seems to. Words that are split, quoted and split again are the
 * same words.
 */
#ifndef RECEIVE_COMMAND_H
#define RECEIVE_COMMAND_H

#include "base/arena.h"
#include "base/buf.h"

/* Who needs more writes a script. */
#define COMMAND_WORDS_MAX 64
/* Where programs are looked for, and what they find in PATH, unless the owner says otherwise. */
#define COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct command {
    const char **words; /* the program, its arguments, NULL; the arena's */
    size_t count;
};

/* ERR_INVALID says which character is at fault and what to write instead; ERR_NOMEM. */
MUST_CHECK enum err command_split(struct str text, struct arena *arena, struct command *ret,
    struct error *reterr);

/* The absolute path of a program that we may run: the word itself where it is one, else the first
 * of that name in the folders of path ("/usr/bin:/bin"). ERR_INVALID says what is wrong. */
MUST_CHECK enum err command_find(struct str word, struct str path, struct arena *arena,
    const char **ret, struct error *reterr);

#endif
