/* SPDX-License-Identifier: MIT
 * A row as one entry of the request, straight into msgpack.
 *
 * Why:     a hundred thousand rows a second leave no time for a tree of values.
 * Owns:    nothing.
 * Threads: main.
 * Errors:  NBX_EBAD with file:line:column and the reason; the buffer is then as before.
 */
#ifndef NBX_CLI_IMPORT_VALUE_H
#define NBX_CLI_IMPORT_VALUE_H

#include "engine/base/buf.h"
#include "proto/cli/import_field.h"

struct nbx_import_encoder {
    const struct nbx_import_what *what;
    const struct nbx_import_mapping *mapping;
    const struct nbx_value *types;
    const char *path;        /* for faults */
    const char *file_name;   /* for the ids of events without one */
    unsigned money_scale;    /* decimal places of a price: 0 where it counts minor units */
    struct nbx_arena *arena; /* for JSON in cells; reset by each row */
    struct nbx_buf members, attributes; /* of the row, then put together */
    struct nbx_buf hashed;
};

void nbx_import_encoder_fini(struct nbx_import_encoder *e);

/* Appends the row as a map. */
enum nbx_err nbx_import_encode(struct nbx_import_encoder *e, const struct nbx_row *row,
                               struct nbx_buf *out, struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
