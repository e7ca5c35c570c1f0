/* SPDX-License-Identifier: MIT */
#include "engine/base/csv.h"

#include "engine/base/check.h"
#include "engine/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (128 * 1024)
#define NAME_BYTES  112 /* leaves room for line and column in a fault's field */

/* What read_byte gives where there is no byte. */
#define AT_END    (-1)
#define AT_FAILED (-2)

/* How a field ended. */
enum stop { STOP_FIELD, STOP_ROW };

struct field {
    size_t from, len; /* its bytes in text */
};

struct nbx_csv {
    char name[NAME_BYTES + 4]; /* the path, its beginning cut off where it is too long */
    struct nbx_csv_options options;
    int fd;
    int read_errno;
    uint8_t *chunk; /* (chunk_len) of (CHUNK_BYTES) */
    size_t chunk_len, chunk_at;
    uint64_t bytes_read, bytes_total;
    struct nbx_csv_place next; /* of the byte read next */

    char *text; /* (text_len) of (text_cap): the current row's fields, unquoted, end to end */
    size_t text_len, text_cap;
    struct field *spans;        /* (n_fields) of (cap_fields) */
    struct nbx_str *fields;     /* (n_fields) */
    struct nbx_csv_place *from; /* (n_fields) */
    size_t n_fields, cap_fields;

    struct nbx_csv_row row, header;
    char *header_text;
    struct nbx_str *header_fields;
    struct nbx_csv_place *header_from;
};

static enum nbx_err fault_at(const struct nbx_csv *csv, struct nbx_fault *fault, enum nbx_err code,
                             struct nbx_csv_place place, const char *message)
{
    char where[NBX_FAULT_FIELD_BYTES];
    snprintf(where, sizeof where, "%s:%llu:%u", csv->name, (unsigned long long)place.line,
             place.column);
    return nbx_fault_set(fault, code, where, "%s", message);
}

enum nbx_err nbx_csv_fault(const struct nbx_csv *csv, struct nbx_fault *fault, enum nbx_err code,
                           size_t column, const char *fmt, ...)
{
    const struct nbx_csv_row *row = csv->row.n ? &csv->row : &csv->header;
    NBX_ASSERT(column < row->n);
    char message[NBX_FAULT_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return fault_at(csv, fault, code, row->from[column], message);
}

static int refill(struct nbx_csv *csv)
{
    ssize_t n;
    do {
        n = read(csv->fd, csv->chunk, CHUNK_BYTES);
    } while (n < 0 && errno == EINTR);
    csv->chunk_at = 0;
    csv->chunk_len = n > 0 ? (size_t)n : 0;
    csv->bytes_read += csv->chunk_len;
    if (n < 0)
        csv->read_errno = errno;
    return n > 0 ? 0 : n == 0 ? AT_END : AT_FAILED;
}

static int peek_byte(struct nbx_csv *csv)
{
    if (csv->chunk_at == csv->chunk_len) {
        int state = refill(csv);
        if (state < 0)
            return state;
    }
    return csv->chunk[csv->chunk_at];
}

static int read_byte(struct nbx_csv *csv)
{
    int c = peek_byte(csv);
    if (c < 0)
        return c;
    csv->chunk_at++;
    if (c == '\n') {
        csv->next.line++;
        csv->next.column = 1;
    } else if ((c & 0xC0) != 0x80) {
        csv->next.column++;
    }
    return c;
}

/* After a fault: to the start of the next line. */
static void skip_line(struct nbx_csv *csv)
{
    int c;
    do {
        c = read_byte(csv);
    } while (c >= 0 && c != '\n');
}

static enum nbx_err refuse(struct nbx_csv *csv, struct nbx_fault *fault, enum nbx_err code,
                           struct nbx_csv_place place, const char *message)
{
    fault_at(csv, fault, code, place, message);
    skip_line(csv);
    return code;
}

static enum nbx_err read_failed(const struct nbx_csv *csv, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, csv->name, "cannot be read: %s",
                         strerror(csv->read_errno));
}

static bool grow_text(struct nbx_csv *csv)
{
    size_t cap = csv->text_cap ? csv->text_cap * 2 : 4096;
    char *text = realloc(csv->text, cap);
    if (!text)
        return false;
    csv->text = text;
    csv->text_cap = cap;
    return true;
}

static enum nbx_err keep_byte(struct nbx_csv *csv, int c, struct nbx_csv_place place,
                              struct nbx_fault *fault)
{
    char message[96];
    if (c == 0)
        return refuse(csv, fault, NBX_EBAD, place, "a NUL byte");
    if (csv->text_len - csv->spans[csv->n_fields].from >= csv->options.max_field_bytes) {
        snprintf(message, sizeof message, "the field is longer than %zu bytes (a quote left open?)",
                 csv->options.max_field_bytes);
        return refuse(csv, fault, NBX_ELIMIT, csv->from[csv->n_fields], message);
    }
    if (csv->text_len >= csv->options.max_row_bytes) {
        snprintf(message, sizeof message, "the row is longer than %zu bytes",
                 csv->options.max_row_bytes);
        return refuse(csv, fault, NBX_ELIMIT, place, message);
    }
    if (csv->text_len == csv->text_cap && !grow_text(csv))
        return refuse(csv, fault, NBX_ELIMIT, place, "out of memory");
    csv->text[csv->text_len++] = (char)c;
    return NBX_OK;
}

/* Whether c, already read, ends the field; a CR must be followed by LF. */
static bool ends_field(struct nbx_csv *csv, int c, enum stop *stop)
{
    *stop = c == csv->options.delimiter ? STOP_FIELD : STOP_ROW;
    if (c == csv->options.delimiter || c == '\n' || c == AT_END)
        return true;
    if (c != '\r' || peek_byte(csv) != '\n')
        return false;
    read_byte(csv);
    return true;
}

static enum nbx_err read_plain(struct nbx_csv *csv, enum stop *stop, struct nbx_fault *fault)
{
    for (;;) {
        struct nbx_csv_place place = csv->next;
        int c = read_byte(csv);
        if (c == AT_FAILED)
            return read_failed(csv, fault);
        if (ends_field(csv, c, stop))
            return NBX_OK;
        if (c == '"')
            return refuse(csv, fault, NBX_EBAD, place,
                          "a quote inside an unquoted field (quote the field, double the quote)");
        if (c == '\r')
            return refuse(csv, fault, NBX_EBAD, place, "a carriage return without a line feed");
        enum nbx_err err = keep_byte(csv, c, place, fault);
        if (err)
            return err;
    }
}

static enum nbx_err read_quoted(struct nbx_csv *csv, enum stop *stop, struct nbx_fault *fault)
{
    read_byte(csv);
    for (;;) {
        struct nbx_csv_place place = csv->next;
        int c = read_byte(csv);
        if (c == AT_FAILED)
            return read_failed(csv, fault);
        if (c == AT_END)
            return fault_at(csv, fault, NBX_EBAD, csv->from[csv->n_fields],
                            "a quote that is never closed");
        if (c == '"' && peek_byte(csv) == '"') {
            read_byte(csv);
        } else if (c == '"') {
            break;
        }
        enum nbx_err err = keep_byte(csv, c, place, fault);
        if (err)
            return err;
    }
    struct nbx_csv_place place = csv->next;
    int c = read_byte(csv);
    if (c == AT_FAILED)
        return read_failed(csv, fault);
    if (ends_field(csv, c, stop))
        return NBX_OK;
    fault_at(csv, fault, NBX_EBAD, place, "text after a closing quote");
    if (c != '\n')
        skip_line(csv);
    return NBX_EBAD;
}

static bool grow_fields(struct nbx_csv *csv)
{
    size_t cap = csv->cap_fields ? csv->cap_fields * 2 : 32;
    struct field *spans = realloc(csv->spans, cap * sizeof *spans);
    if (spans)
        csv->spans = spans;
    struct nbx_str *fields = realloc(csv->fields, cap * sizeof *fields);
    if (fields)
        csv->fields = fields;
    struct nbx_csv_place *from = realloc(csv->from, cap * sizeof *from);
    if (from)
        csv->from = from;
    if (!spans || !fields || !from)
        return false;
    csv->cap_fields = cap;
    return true;
}

static enum nbx_err read_fields(struct nbx_csv *csv, struct nbx_fault *fault)
{
    enum stop stop = STOP_FIELD;
    csv->n_fields = csv->text_len = 0;
    while (stop == STOP_FIELD) {
        if (csv->n_fields == NBX_CSV_MAX_COLUMNS)
            return refuse(csv, fault, NBX_ELIMIT, csv->next, "more than 4096 columns");
        if (csv->n_fields == csv->cap_fields && !grow_fields(csv))
            return refuse(csv, fault, NBX_ELIMIT, csv->next, "out of memory");
        struct field *span = &csv->spans[csv->n_fields];
        span->from = csv->text_len;
        csv->from[csv->n_fields] = csv->next;
        enum nbx_err err =
            peek_byte(csv) == '"' ? read_quoted(csv, &stop, fault) : read_plain(csv, &stop, fault);
        if (err)
            return err;
        span->len = csv->text_len - span->from;
        csv->n_fields++;
    }
    return NBX_OK;
}

/* Characters of s before its first byte that is not UTF-8. */
static uint32_t valid_characters(struct nbx_str s)
{
    uint32_t at = 0, count = 0;
    while (at < s.len) {
        uint32_t n = 1;
        while (n <= 4 && at + n <= s.len && !nbx_utf8_valid((struct nbx_str){s.p + at, n}))
            n++;
        if (n > 4 || at + n > s.len)
            break;
        at += n;
        count++;
    }
    return count;
}

static enum nbx_err check_utf8(const struct nbx_csv *csv, struct nbx_fault *fault)
{
    for (size_t i = 0; i < csv->n_fields; i++) {
        if (nbx_utf8_valid(csv->fields[i]))
            continue;
        char message[96];
        snprintf(message, sizeof message, "not UTF-8 after %u characters of the field",
                 valid_characters(csv->fields[i]));
        return fault_at(csv, fault, NBX_EBAD, csv->from[i], message);
    }
    return NBX_OK;
}

/* One row of whatever width; *end where the file has no more. */
static enum nbx_err read_row(struct nbx_csv *csv, bool *end, struct nbx_fault *fault)
{
    int c = peek_byte(csv);
    csv->row.n = 0;
    *end = c == AT_END;
    if (c == AT_FAILED)
        return read_failed(csv, fault);
    if (*end)
        return NBX_OK;
    csv->row.number++;
    enum nbx_err err = read_fields(csv, fault);
    if (err)
        return err;
    for (size_t i = 0; i < csv->n_fields; i++) {
        const char *p = csv->text ? csv->text + csv->spans[i].from : "";
        csv->fields[i] = (struct nbx_str){p, (uint32_t)csv->spans[i].len};
    }
    csv->row.fields = csv->fields;
    csv->row.from = csv->from;
    csv->row.n = csv->n_fields;
    return check_utf8(csv, fault);
}

enum nbx_err nbx_csv_next(struct nbx_csv *csv, const struct nbx_csv_row **row,
                          struct nbx_fault *fault)
{
    bool end;
    *row = NULL;
    struct nbx_csv_place start = csv->next;
    enum nbx_err err = read_row(csv, &end, fault);
    if (err || end)
        return err;
    if (csv->n_fields != csv->header.n) {
        char message[96];
        snprintf(message, sizeof message, "%zu fields where the header has %zu", csv->n_fields,
                 csv->header.n);
        return fault_at(csv, fault, NBX_EBAD, start, message);
    }
    *row = &csv->row;
    return NBX_OK;
}

static enum nbx_err check_names(const struct nbx_csv *csv, struct nbx_fault *fault)
{
    for (size_t i = 0; i < csv->row.n; i++)
        for (size_t j = 0; j < i; j++)
            if (nbx_str_eq(csv->fields[i], csv->fields[j]))
                return nbx_csv_fault(csv, fault, NBX_EBAD, i, "the column \"%.*s\" comes twice",
                                     NBX_STR_ARG(csv->fields[i]));
    return NBX_OK;
}

/* The row buffers become the header's; later rows get new ones. */
static void keep_header(struct nbx_csv *csv)
{
    csv->header = csv->row;
    csv->header.number = 0;
    csv->header_text = csv->text;
    csv->header_fields = csv->fields;
    csv->header_from = csv->from;
    free(csv->spans);
    csv->text = NULL;
    csv->fields = NULL;
    csv->from = NULL;
    csv->spans = NULL;
    csv->text_len = csv->text_cap = csv->n_fields = csv->cap_fields = 0;
    csv->row = (struct nbx_csv_row){0};
}

static enum nbx_err read_header(struct nbx_csv *csv, struct nbx_fault *fault)
{
    static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};
    bool end;
    peek_byte(csv);
    if (csv->chunk_len >= sizeof mark && memcmp(csv->chunk, mark, sizeof mark) == 0)
        csv->chunk_at = sizeof mark;
    enum nbx_err err = read_row(csv, &end, fault);
    if (!err && end)
        err = fault_at(csv, fault, NBX_EBAD, csv->next, "no header row: the file is empty");
    if (!err)
        err = check_names(csv, fault);
    if (!err)
        keep_header(csv);
    return err;
}

static void set_name(struct nbx_csv *csv, const char *path)
{
    size_t len = strlen(path);
    if (len <= NAME_BYTES) {
        memcpy(csv->name, path, len + 1);
        return;
    }
    snprintf(csv->name, sizeof csv->name, "...%s", path + len - NAME_BYTES);
}

static enum nbx_err open_file(struct nbx_csv *csv, const char *path, struct nbx_fault *fault)
{
    struct stat st;
    bool standard_input = strcmp(path, "-") == 0;
    csv->fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (csv->fd < 0)
        return nbx_fault_set(fault, errno == ENOENT ? NBX_ENOTFOUND : NBX_ESTORAGE, csv->name,
                             "cannot be opened: %s", strerror(errno));
    if (fstat(csv->fd, &st) == 0 && S_ISREG(st.st_mode))
        csv->bytes_total = (uint64_t)st.st_size;
    return NBX_OK;
}

enum nbx_err nbx_csv_open(struct nbx_csv **out, const char *path, struct nbx_csv_options options,
                          struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_csv *csv = calloc(1, sizeof *csv);
    if (!csv || !(csv->chunk = calloc(1, CHUNK_BYTES))) {
        free(csv);
        return nbx_fault_set(fault, NBX_ELIMIT, path, "out of memory");
    }
    csv->fd = -1;
    csv->next = (struct nbx_csv_place){1, 1};
    csv->options = options;
    if (!csv->options.delimiter)
        csv->options.delimiter = ',';
    if (!csv->options.max_field_bytes)
        csv->options.max_field_bytes = NBX_CSV_MAX_FIELD_BYTES;
    if (!csv->options.max_row_bytes)
        csv->options.max_row_bytes = NBX_CSV_MAX_ROW_BYTES;
    set_name(csv, path);
    enum nbx_err err = open_file(csv, path, fault);
    if (!err)
        err = read_header(csv, fault);
    if (err)
        nbx_csv_close(&csv);
    *out = csv;
    return err;
}

void nbx_csv_close(struct nbx_csv **csv)
{
    if (!csv || !*csv)
        return;
    struct nbx_csv *c = *csv;
    if (c->fd > STDIN_FILENO)
        close(c->fd);
    free(c->chunk);
    free(c->text);
    free(c->spans);
    free(c->fields);
    free(c->from);
    free(c->header_text);
    free(c->header_fields);
    free(c->header_from);
    free(c);
    *csv = NULL;
}

const struct nbx_csv_row *nbx_csv_header(const struct nbx_csv *csv)
{
    return &csv->header;
}

size_t nbx_csv_column(const struct nbx_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->header.n; i++)
        if (nbx_str_is(csv->header_fields[i], name))
            return i;
    return NBX_CSV_NO_COLUMN;
}

void nbx_csv_put(struct nbx_buf *b, struct nbx_str field)
{
    bool plain = true;
    for (uint32_t i = 0; i < field.len; i++)
        plain = plain && !strchr(",\"\r\n", field.p[i]);
    if (plain) {
        nbx_buf_put(b, field.p, field.len);
        return;
    }
    nbx_buf_put_u8(b, '"');
    for (uint32_t i = 0; i < field.len; i++) {
        if (field.p[i] == '"')
            nbx_buf_put_u8(b, '"');
        nbx_buf_put_u8(b, (uint8_t)field.p[i]);
    }
    nbx_buf_put_u8(b, '"');
}

uint64_t nbx_csv_bytes_read(const struct nbx_csv *csv)
{
    return csv->bytes_read - (csv->chunk_len - csv->chunk_at);
}

uint64_t nbx_csv_bytes_total(const struct nbx_csv *csv)
{
    return csv->bytes_total;
}
