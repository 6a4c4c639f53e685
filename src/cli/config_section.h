/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in the file's sections: which there are, and the names of their settings, from the
 * tables of receive/.
 */
#ifndef CLI_CONFIG_SECTION_H
#define CLI_CONFIG_SECTION_H

#include "cli/config.h"

const char *section_kind_name(enum config_section_kind kind); /* "source" */

/* What stands between the brackets: "source NAME". ERR_INVALID says what there is; ret_name is
 * borrowed from text. */
MUST_CHECK enum err section_parse(struct str text, enum config_section_kind *ret_kind,
    struct str *ret_name, struct error *reterr);

/* ERR_INVALID where no section of this kind has such a setting: what was probably meant, or that it
 * is one of the program's and stands in the wrong place. */
MUST_CHECK enum err section_check_name(enum config_section_kind kind, struct str name,
    struct error *reterr);

/* Is it kept from who is shown the settings, and must others not read the file? */
bool section_is_secret(enum config_section_kind kind, const struct config_line *line);

/* From the tables: the part of the manual page, and that of the file of defaults. */
void section_manual(struct buf *buf);
void section_example(struct buf *buf);

#endif
