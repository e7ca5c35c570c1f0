/* SPDX-License-Identifier: MIT
 * Between the files of the dump: dump.c reads the families in turn, dump_customer.c what is
 * known of one customer; dump_lines.c writes lines, and knows what numbers mean.
 *
 * Threads: one.
 */
#ifndef NBX_CARE_DUMP_INTERNAL_H
#define NBX_CARE_DUMP_INTERNAL_H

#include "engine/care/dump.h"
#include "engine/store/record.h"

/* Names by number. */
struct nbx_numbered {
    struct nbx_str *p; /* (room) empty: no such number */
    size_t room;
};

struct nbx_dump {
    const struct nbx_store *store;
    const struct nbx_dump_options *options;
    struct nbx_arena *names; /* until the end */
    struct nbx_arena *arena; /* of the customer or the item at hand */
    struct nbx_arena *lines; /* of the line at hand */
    struct nbx_numbered items, types, channels;
    struct nbx_buf line;
    struct nbx_buf customer; /* the id of the one at hand */
    enum nbx_err err;        /* the first one ends it */
};

/* Reads all names; sets d->err. */
void nbx_dump__names(struct nbx_dump *d);
/* "?7" where a number has no name. */
struct nbx_str nbx_dump__name(struct nbx_dump *d, const struct nbx_numbered *of, uint64_t no);

/* An object being filled. */
#define NBX_DUMP_MEMBERS 32
struct nbx_object {
    struct nbx_member members[NBX_DUMP_MEMBERS];
    uint32_t n;
};
void nbx_object_int(struct nbx_object *o, const char *key, int64_t v);
/* Not where it is empty. */
void nbx_object_text(struct nbx_object *o, const char *key, struct nbx_str v);
/* Not where it is NULL. */
void nbx_object_value(struct nbx_object *o, const char *key, const struct nbx_value *v);
/* 64 bits as 16 hex digits; in d->lines. */
void nbx_object_hex(struct nbx_dump *d, struct nbx_object *o, const char *key, uint64_t v);
/* Gives the line "word object" out; sets d->err. Empties d->lines. */
void nbx_dump__line(struct nbx_dump *d, const char *word, struct nbx_object *o);

/* dump_customer.c. One customer of whom something is known. */
void nbx_dump__customer(struct nbx_dump *d, const struct nbx_identity_record *identity);
/* To whom the number is linked, if to anybody who is there. */
void nbx_dump__link(struct nbx_dump *d, uint64_t number);
/* An event of the customer, or of nobody where that is empty. */
void nbx_dump__event(struct nbx_dump *d, struct nbx_str customer, int64_t time_ms,
                     const struct nbx_event_record *e);

#endif
