/* SPDX-License-Identifier: MIT
 * Bundles written by hand and spoilt: a header's text, the tensors' bytes, one thing wrong.
 *
 * Owns:    a file of its own between spoil_begin and spoil_end.
 * Threads: one at a time: everything is static.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TESTS_BUNDLE_SPOIL_H
#define NBX_TESTS_BUNDLE_SPOIL_H

#include "models/bundle/bundle.h"
#include "tests/unit/bundle/undigest.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE 8192
#define META     "__metadata__"

static char path[] = P_tmpdir "/nbx-malformed-XXXXXX";
static struct nbx_fault fault; /* of the last file opened */

static inline void spoil_begin(void)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

static inline void spoil_end(void)
{
    unlink(path);
}

static inline enum nbx_err open_bytes(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    struct nbx_bundle *b = NULL;
    fault = (struct nbx_fault){0};
    enum nbx_err err = nbx_bundle_open(&b, path, &fault);
    cr_assert_eq(b == NULL, err != NBX_OK);
    nbx_bundle_close(&b);
    return err;
}

/* Length, header padded to 8 bytes, data. Returns the bytes of the whole. */
static inline size_t assemble(char *file, const char *header, const void *data, size_t data_bytes)
{
    size_t n = strlen(header);
    memcpy(file + 8, header, n);
    while (n % 8)
        file[8 + n++] = ' ';
    uint64_t length = n;
    memcpy(file, &length, 8);
    memcpy(file + 8 + n, data, data_bytes);
    return 8 + n + data_bytes;
}

static inline enum nbx_err open_parts(const char *header, const void *data, size_t data_bytes)
{
    static char file[MAX_FILE];
    return open_bytes(file, assemble(file, header, data, data_bytes));
}

static inline void replace(char *out, const char *text, const char *find, const char *by)
{
    const char *at = strstr(text, find);
    cr_assert(at, "the sound header lacks %s", find);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(find));
}

struct spoilt {
    const char *find, *by; /* in the sound header */
    enum nbx_err code;
    const char *field, *message; /* the message contains this */
};

static inline void check_spoilt(const char *sound, const struct spoilt *c, const void *data,
                                size_t data_bytes)
{
    char header[MAX_FILE / 2];
    replace(header, sound, c->find, c->by);
    cr_expect_eq(open_parts(header, data, data_bytes), c->code, "%s -> %s: %s: %s", c->find, c->by,
                 fault.field, fault.message);
    cr_expect_str_eq(fault.field, c->field, "%s -> %s: field %s, not %s (%s)", c->find, c->by,
                     fault.field, c->field, fault.message);
    cr_expect(strstr(fault.message, c->message), "%s -> %s: '%s' lacks '%s'", c->find, c->by,
              fault.message, c->message);
}

static inline void must_write(const struct nbx_bundle_info *info)
{
    cr_assert_eq(nbx_bundle_write(path, info, NULL, &fault), NBX_OK, "%s %s", fault.field,
                 fault.message);
}

/* What info is written as: the header's text, filled up, and the tensors' bytes. */
static inline void must_have_bytes(const struct nbx_bundle_info *info, const char *header,
                                   const void *data, size_t data_bytes)
{
    static char bytes[MAX_FILE];
    must_write(info);
    FILE *f = fopen(path, "rb");
    cr_assert(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    uint64_t length;
    memcpy(&length, bytes, 8);
    cr_assert_eq(n, 8 + length + data_bytes);
    cr_expect_eq((8 + length) % 64, 0);
    length -= undigest(bytes, n);
    cr_expect_eq(memcmp(bytes + 8, header, strlen(header)), 0, "%.*s", (int)length, bytes + 8);
    cr_expect_eq(memcmp(bytes + 8 + length, data, data_bytes), 0);
    cr_assert_eq(open_parts(header, data, data_bytes), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

static inline void check_data(const char *header, const void *data, size_t data_bytes,
                              const char *field, const char *message)
{
    cr_expect_eq(open_parts(header, data, data_bytes), NBX_EBAD, "%s", message);
    cr_expect_str_eq(fault.field, field);
    cr_expect(strstr(fault.message, message), "'%s' lacks '%s'", fault.message, message);
}

/* A sound file's tensor, where it lies in it. */
struct laid {
    const char *name, *is;
    size_t begin, end;
};

/* The sound file with its tensors (n) but the one of that name. */
static inline enum nbx_err open_without(const char *name, const char *sound, const void *sound_data,
                                        const struct laid *tensors, size_t n)
{
    char header[MAX_FILE / 2], data[MAX_FILE / 2], first[128];
    size_t at = 0;
    snprintf(first, sizeof first, ",\"%s\"", tensors[0].name);
    int len = (int)(strstr(sound, first) - sound);
    snprintf(header, sizeof header, "%.*s", len, sound);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = tensors[i].end - tensors[i].begin;
        if (strcmp(tensors[i].name, name) == 0)
            continue;
        len += snprintf(header + len, sizeof header - (size_t)len,
                        ",\"%s\":{%s,\"data_offsets\":[%zu,%zu]}", tensors[i].name, tensors[i].is,
                        at, at + bytes);
        memcpy(data + at, (const char *)sound_data + tensors[i].begin, bytes);
        at += bytes;
    }
    snprintf(header + len, sizeof header - (size_t)len, "}");
    return open_parts(header, data, at);
}

/* Of `all` (n_all) none may be left out. */
static inline void check_missing(const char *const *all, size_t n_all, const char *sound,
                                 const void *sound_data, const struct laid *tensors, size_t n)
{
    cr_assert_eq(open_without("none", sound, sound_data, tensors, n), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    for (size_t i = 0; i < n_all; i++) {
        cr_expect_eq(open_without(all[i], sound, sound_data, tensors, n), NBX_EBAD, "without %s",
                     all[i]);
        cr_expect_str_eq(fault.field, all[i]);
        cr_expect_str_eq(fault.message, "is missing");
    }
}

#endif
