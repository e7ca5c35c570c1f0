/* SPDX-License-Identifier: MIT
 * The table of settings, and what the files of this folder share.
 *
 * Why:     a setting is added by one row and one member of struct nbx_conf, nothing else.
 * Owns:    nothing: the table is constant.
 * Threads: any.
 * Errors:  as each function says.
 */
#ifndef NBX_CONF_TABLE_H
#define NBX_CONF_TABLE_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/conf/conf.h"

enum conf_type {
    CONF_TEXT,     /* const char * */
    CONF_INT,      /* int64_t */
    CONF_BYTES,    /* int64_t; 512MiB */
    CONF_DURATION, /* int64_t, ms; 30d */
    CONF_NUMBER,   /* double */
    CONF_BOOL,     /* bool */
    CONF_WORD,     /* an enum, int: the row's words */
    CONF_TEXTS,    /* const char ** and size_t */
    CONF_RECORDS,  /* an array of the row's record, and size_t */
};

struct conf_row {
    const char *name;
    enum conf_type type;
    bool reloadable;
    size_t offset;       /* of the member in its struct */
    size_t count_offset; /* lists: of the member that counts */
    int64_t min, max;    /* value; lists: entries */
    double least, most;  /* the value of a CONF_NUMBER */
    const char *preset;  /* the default as YAML; NULL: the key must be there */
    const char *sentence;
    const char *const *words;               /* CONF_WORD: ends with NULL; the index is the value */
    const char *(*check)(const char *text); /* texts: NULL where good, else the reason */
    const struct conf_record *record;
};

struct conf_record {
    const struct conf_row *rows; /* (n) */
    size_t n;
    size_t size; /* of the struct */
};

/* struct nbx_conf itself is a record: its rows are the top-level keys. */
extern const struct conf_record nbx_conf__top;

/* Reads one value into the member at `member`. false: `why` holds the reason. */
bool nbx_conf__parse(void *member, const struct conf_row *row, const char *text,
                     struct nbx_arena *arena, struct nbx_buf *why);
/* Appends the value as YAML, as --print-config writes it; lists span lines, each of them indented.
 */
void nbx_conf__format(struct nbx_buf *out, const struct conf_row *row, const void *base);
/* Bytes and durations in their largest whole unit: 512MiB, 30d. */
void nbx_conf__format_bytes(struct nbx_buf *out, int64_t bytes);
void nbx_conf__format_duration(struct nbx_buf *out, int64_t ms);

/* NULL where good, else the reason. */
const char *nbx_conf__check_name(const char *text);
const char *nbx_conf__check_label(const char *text);
const char *nbx_conf__check_endpoint(const char *text);
const char *nbx_conf__check_http(const char *text);
const char *nbx_conf__check_currency(const char *text);
const char *nbx_conf__check_path(const char *text);
const char *nbx_conf__check_attribute(const char *text);
/* True where only this machine can reach the endpoint (tcp://, ipc://, inproc:// or host:port). */
bool nbx_conf__is_local(const char *endpoint);

#endif
