/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mango.h"

#include "domain/object.h"

void
mango_read(struct mango *inout, const struct json *object, bool is_patch, struct faults *faults)
{
    struct field_reader reader;

    field_reader_start(&reader, object, faults);
    object_read_own(&reader, is_patch, &inout->id);
    (void)field_text(&reader, STR("name"), NAME_BYTES_MAX, &inout->name);
    field_require(&reader, STR("name"), inout->name);
    field_reader_end(&reader);
}
