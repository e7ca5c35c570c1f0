/* SPDX-License-Identifier: MIT
 * Tables of fields: a body is checked and stored by walking it once against its table.
 *
 * Why:     every operation's fields stand in one place with their bounds, and all of them are
 *          refused in the same words.
 * Owns:    nothing: strings point into the message, lists and vectors live in the arena.
 * Threads: any.
 * Errors:  NBX_EBAD with the path of the field ("exclude[3]", "attributes.colour") and the
 *          reason with its bounds; NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_PROTO_FIELD_H
#define NBX_PROTO_FIELD_H

#include "proto/message.h"

#include <stddef.h>

/* What one body's readers share. */
struct nbx_decoding {
    struct nbx_arena *arena;
    struct nbx_fault *fault;
    bool nulls;           /* a member may be null, which means: remove it (item.patch) */
    bool names_customers; /* an event may carry its `customer` (an empty key frame) */
};

struct nbx_field;

/* Checks v and stores it at `at`; where `at` is NULL it is only checked. The fault's field is
 * the path below the field itself; nbx_field_map puts the name before it. */
#define NBX_FIELD_READER(name)                                                                     \
    enum nbx_err name(void *at, const struct nbx_value *v, const struct nbx_field *f,              \
                      struct nbx_decoding *d)

#define NBX_FIELD_NOWHERE SIZE_MAX

struct nbx_field {
    struct nbx_str name;
    size_t at; /* offset in the struct; NBX_FIELD_NOWHERE: checked only */
    NBX_FIELD_READER((*read));
    int64_t min, max;         /* of what the reader counts: value, bytes, elements */
    const char *const *words; /* nbx_field_word; ends in NULL */
    bool required;
    bool keyless; /* refused unless nbx_decoding.names_customers */
};

#define NBX_COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

#define NBX_FIELD_NAME(text)          .name = {text, sizeof(text) - 1}
#define NBX_FIELD(text, type, member) NBX_FIELD_NAME(text), .at = offsetof(type, member)
#define NBX_FIELD_CHECKED(text)       NBX_FIELD_NAME(text), .at = NBX_FIELD_NOWHERE

struct nbx_field_table {
    const struct nbx_field *fields; /* (n), n <= 64 */
    uint32_t n;
};

/* Reads map v into the struct `out` (NULL: check only) by its table. Absent fields leave `out` as
 * it is, so the caller puts defaults there. */
enum nbx_err nbx_field_map(void *out, const struct nbx_value *v,
                           const struct nbx_field_table *table, struct nbx_decoding *d);

/* A body: bytes to a map, its `id` to *id (also where a later field is refused), then the
 * table. */
enum nbx_err nbx_field_body(void *out, struct nbx_value *id, struct nbx_body body,
                            const struct nbx_field_table *table, struct nbx_decoding *d);

/* scalars: field.c */
NBX_FIELD_READER(nbx_field_bool);     /* bool */
NBX_FIELD_READER(nbx_field_u32);      /* uint32_t; min..max */
NBX_FIELD_READER(nbx_field_int);      /* int64_t; min..max */
NBX_FIELD_READER(nbx_field_money);    /* int64_t minor units; min..max */
NBX_FIELD_READER(nbx_field_number);   /* double from int or float; min..max */
NBX_FIELD_READER(nbx_field_text);     /* struct nbx_str; min..max bytes, no NUL */
NBX_FIELD_READER(nbx_field_id);       /* struct nbx_str; 1 to 255 bytes, no NUL */
NBX_FIELD_READER(nbx_field_name);     /* struct nbx_str; 1 to 64 of [A-Za-z0-9_.-] */
NBX_FIELD_READER(nbx_field_word);     /* int: the place of the word in `words`, plus min */
NBX_FIELD_READER(nbx_field_currency); /* struct nbx_str; three capitals (ISO 4217) */
NBX_FIELD_READER(nbx_field_decision); /* struct nbx_str; 32 hex digits */
NBX_FIELD_READER(nbx_field_echo);     /* struct nbx_value; int, or string of at most 255 bytes */

/* containers: field_list.c and field_map.c */
NBX_FIELD_READER(nbx_field_ids);               /* struct nbx_strs; min..max ids */
NBX_FIELD_READER(nbx_field_names);             /* struct nbx_strs; min..max names */
NBX_FIELD_READER(nbx_field_new_ids);           /* const struct nbx_strs *; as nbx_field_ids */
NBX_FIELD_READER(nbx_field_floats);            /* struct nbx_vector's p and n, at its beginning */
NBX_FIELD_READER(nbx_field_any_map);           /* const struct nbx_value *; at most max members */
NBX_FIELD_READER(nbx_field_attributes);        /* likewise: name -> scalar or list of strings */
NBX_FIELD_READER(nbx_field_attribute_changes); /* likewise; a null member means removal */
NBX_FIELD_READER(nbx_field_bools);             /* likewise: name -> bool */
NBX_FIELD_READER(nbx_field_id_map);            /* likewise: name -> id */
NBX_FIELD_READER(nbx_field_counts);            /* likewise: id -> int from 0 */
NBX_FIELD_READER(nbx_field_metrics);           /* likewise: label -> int or float */
NBX_FIELD_READER(nbx_field_events); /* struct nbx_events; min..max entries: message_event.c */

/* True for 1 to 64 bytes of [A-Za-z0-9_.-]. */
bool nbx_field_name_valid(struct nbx_str s);

/* The words of `ack`, from NBX_ACK_MEMORY. */
extern const char *const nbx_field_acks[];

/* Is v a list of min..max `what`? */
enum nbx_err nbx_field_entries(const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d, const char *what);
/* Refuses a `space` that stands without its `vector`. */
enum nbx_err nbx_field_check_space(const struct nbx_vector *vector, struct nbx_decoding *d);

/* "out of memory" in the words every reader uses. */
enum nbx_err nbx_field_no_memory(struct nbx_decoding *d);
/* "must be <what>, got <type>". */
enum nbx_err nbx_field_wrong_type(const struct nbx_value *v, struct nbx_decoding *d,
                                  const char *what);

/* Errors of the entries of a list, gathered while the good ones pass. */
struct nbx_entry_errors {
    struct nbx_entry_error *p; /* (n) of (cap) */
    uint32_t n, cap;
};

/* Room for one more; NULL where the arena is out. The caller fills it. */
struct nbx_entry_error *nbx_entry_errors_add(struct nbx_entry_errors *errors,
                                             struct nbx_arena *arena);

#endif
