/* SPDX-License-Identifier: MIT
 * The fields an import can fill, and which column fills which.
 *
 * Why:     nbx's own headers and the usual foreign ones are known, the rest is said by --map.
 * Owns:    a mapping owns its rows; names are borrowed.
 * Threads: main.
 * Errors:  NBX_EBAD with the option as the field.
 *
 * Names are compared without case, blanks and punctuation; RecBole's type behind a colon
 * (user_id:token, genres:token_seq) is taken off.
 */
#ifndef NBX_CLI_IMPORT_FIELD_H
#define NBX_CLI_IMPORT_FIELD_H

#include "engine/base/err.h"
#include "engine/base/timestamp.h"
#include "engine/base/value.h"
#include "proto/cli/import_source.h"

enum nbx_import_kind {
    NBX_IMPORT_TEXT,
    NBX_IMPORT_TYPE, /* an event's type, by its usual names too */
    NBX_IMPORT_TIME,
    NBX_IMPORT_NUMBER,
    NBX_IMPORT_MONEY,
    NBX_IMPORT_BOOL,
    NBX_IMPORT_LIST,      /* texts between separators */
    NBX_IMPORT_JSON,      /* a list or map: of JSON lines, or JSON in the cell */
    NBX_IMPORT_ATTRIBUTE, /* a member of `attributes`: text, number or bool as it looks */
};

struct nbx_import_field {
    const char *name;    /* of the protocol */
    const char *aliases; /* names in lower case without punctuation, between and around blanks */
    enum nbx_import_kind kind;
};

struct nbx_import_what {
    const char *op, *list;                 /* "observe", "events" */
    const char *required;                  /* a field without which no row makes sense */
    const struct nbx_import_field *fields; /* (n_fields) */
    uint32_t n_fields, batch_rows, window;
};

extern const struct nbx_import_what nbx_import_items, nbx_import_events;

/* What a column fills. */
struct nbx_import_target {
    const struct nbx_import_field *field; /* NULL: nothing */
    struct nbx_str attribute;             /* of NBX_IMPORT_ATTRIBUTE */
    const char *separator;                /* of NBX_IMPORT_LIST */
    enum nbx_time_unit time_unit;
    bool quiet; /* unmapped by wish: not worth a note */
};

struct nbx_import_options {
    const struct nbx_value *map, *defaults, *types; /* lists of "left=right", or NULL */
    enum nbx_time_unit time_unit;
    bool time_unit_given;
    bool google;
};

struct nbx_import_mapping;

enum nbx_err nbx_import_mapping_new(struct nbx_import_mapping **out,
                                    const struct nbx_import_what *what,
                                    const struct nbx_import_options *options,
                                    struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_import_mapping_destroy(struct nbx_import_mapping **mapping);

/* Learns the columns the source has got since the last call. */
enum nbx_err nbx_import_mapping_learn(struct nbx_import_mapping *mapping,
                                      const struct nbx_source *source) NBX_MUST_CHECK;
/* Of a learnt column. */
const struct nbx_import_target *nbx_import_mapping_target(const struct nbx_import_mapping *mapping,
                                                          uint32_t column);
/* Is the field filled by a column or a default? */
bool nbx_import_mapping_fills(const struct nbx_import_mapping *mapping, const char *field);
/* The value for field f where a row has none, or empty. */
struct nbx_str nbx_import_mapping_default(const struct nbx_import_mapping *mapping, uint32_t f);
/* Refuses a --map of a column that never came. */
enum nbx_err nbx_import_mapping_check(const struct nbx_import_mapping *mapping,
                                      struct nbx_fault *fault) NBX_MUST_CHECK;
/* Names of columns that fill nothing, for a note; "" where there are none. */
void nbx_import_mapping_unused(const struct nbx_import_mapping *mapping,
                               const struct nbx_source *source, char *out, size_t out_bytes);

/* Lower case letters and digits only, NUL-terminated; the length. */
size_t nbx_import_simplify(char *out, size_t out_bytes, struct nbx_str text);

/* An event's type by its usual names: "addtocart" is cart. --type FROM=TO goes first. */
struct nbx_str nbx_import_type(struct nbx_str text, const struct nbx_value *types);

#endif
