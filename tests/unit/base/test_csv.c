/* SPDX-License-Identifier: MIT */
#include "engine/base/csv.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = P_tmpdir "/nbx-csv-XXXXXX";
static struct nbx_fault fault;

static void write_file(const void *text, size_t len)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

static enum nbx_err open_text(struct nbx_csv **csv, const char *text, size_t len,
                              struct nbx_csv_options options)
{
    write_file(text, len);
    enum nbx_err err = nbx_csv_open(csv, path, options, &fault);
    remove_file();
    return err;
}

static struct nbx_csv *must_open(const char *text, size_t len)
{
    struct nbx_csv *csv;
    cr_assert_eq(open_text(&csv, text, len, (struct nbx_csv_options){0}), NBX_OK, "%s",
                 fault.message);
    return csv;
}

static void expect_fields(struct nbx_csv *csv, size_t n, const char *const *fields)
{
    const struct nbx_csv_row *row;
    cr_assert_eq(nbx_csv_next(csv, &row, &fault), NBX_OK, "%s: %s", fault.field, fault.message);
    cr_assert_not_null(row);
    cr_assert_eq(row->n, n);
    for (size_t i = 0; i < n; i++)
        cr_expect(nbx_str_is(row->fields[i], fields[i]), "\"%.*s\" is not \"%s\"",
                  NBX_STR_ARG(row->fields[i]), fields[i]);
}

static void expect_end(struct nbx_csv *csv)
{
    const struct nbx_csv_row *row;
    cr_assert_eq(nbx_csv_next(csv, &row, &fault), NBX_OK, "%s: %s", fault.field, fault.message);
    cr_expect_null(row);
}

Test(csv, reads_plain_and_quoted_fields)
{
    static const char text[] = "a,b,c\n1,,x y\n\"q\"\"uo,te\",\"two\nlines\", z \n";
    struct nbx_csv *csv = must_open(text, sizeof text - 1);
    cr_expect_eq(nbx_csv_header(csv)->n, 3);
    cr_expect_eq(nbx_csv_column(csv, "c"), 2);
    cr_expect_eq(nbx_csv_column(csv, "C"), NBX_CSV_NO_COLUMN);
    expect_fields(csv, 3, (const char *const[]){"1", "", "x y"});
    expect_fields(csv, 3, (const char *const[]){"q\"uo,te", "two\nlines", " z "});
    expect_end(csv);
    expect_end(csv);
    cr_expect_eq(nbx_csv_bytes_read(csv), sizeof text - 1);
    cr_expect_eq(nbx_csv_bytes_total(csv), sizeof text - 1);
    nbx_csv_close(&csv);
    cr_expect_null(csv);
}

Test(csv, takes_crlf_a_byte_order_mark_and_no_last_line_end)
{
    static const char text[] = "\xEF\xBB\xBF\"id\",t\r\n1,\"a\r\nb\"\r\n2,z";
    struct nbx_csv *csv = must_open(text, sizeof text - 1);
    cr_expect_eq(nbx_csv_column(csv, "id"), 0);
    expect_fields(csv, 2, (const char *const[]){"1", "a\r\nb"});
    expect_fields(csv, 2, (const char *const[]){"2", "z"});
    expect_end(csv);
    nbx_csv_close(&csv);
}

Test(csv, places_are_counted_in_characters_and_lines)
{
    static const char text[] = "a,b\n\xC3\xA9\xC3\xA9,x\n\"1\n2\",\"y\"\n";
    const struct nbx_csv_row *row;
    struct nbx_csv *csv = must_open(text, sizeof text - 1);
    cr_expect_eq(nbx_csv_fault(csv, &fault, NBX_EBAD, 1, "no good"), NBX_EBAD);
    cr_expect_not_null(strstr(fault.field, ":1:3"), "of the header, before the first row");
    cr_assert_eq(nbx_csv_next(csv, &row, &fault), NBX_OK);
    cr_expect_eq(row->number, 1);
    cr_expect_eq(row->from[1].line, 2);
    cr_expect_eq(row->from[1].column, 4);
    cr_assert_eq(nbx_csv_next(csv, &row, &fault), NBX_OK);
    cr_expect_eq(row->from[0].line, 3);
    cr_expect_eq(row->from[1].line, 4);
    cr_expect_eq(row->from[1].column, 4);
    cr_expect_eq(nbx_csv_fault(csv, &fault, NBX_EBAD, 1, "no %s", "good"), NBX_EBAD);
    cr_expect_str_eq(fault.message, "no good");
    cr_expect_not_null(strstr(fault.field, ":4:4"));
    nbx_csv_close(&csv);
}

Test(csv, another_delimiter)
{
    struct nbx_csv *csv;
    static const char text[] = "a\tb\n1,5\t2\n";
    cr_assert_eq(
        open_text(&csv, text, sizeof text - 1, (struct nbx_csv_options){.delimiter = '\t'}),
        NBX_OK);
    expect_fields(csv, 2, (const char *const[]){"1,5", "2"});
    nbx_csv_close(&csv);
}

struct bad {
    const char *text;
    size_t len;
    const char *where, *why;
};
#define BAD(t, where, why)                                                                         \
    {                                                                                              \
        t, sizeof(t) - 1, where, why                                                               \
    }

/* Each text's second line is at fault; after it comes the row 8,9. */
static const struct bad bad_rows[] = {
    BAD("a,b\n1,x\"y\n8,9\n", ":2:4", "quote inside"),
    BAD("a,b\n1,\"x\"y\n8,9\n", ":2:6", "after a closing quote"),
    BAD("a,b\n1,\"x\"\"\"y\n8,9\n", ":2:8", "after a closing quote"),
    BAD("a,b\n1\n8,9\n", ":2:1", "1 fields where the header has 2"),
    BAD("a,b\n\n8,9\n", ":2:1", "1 fields where the header has 2"),
    BAD("a,b\n1,2,3\n8,9\n", ":2:1", "3 fields where the header has 2"),
    BAD("a,b\n1,x\0y\n8,9\n", ":2:4", "NUL"),
    BAD("a,b\n1,\"x\0y\"\n8,9\n", ":2:5", "NUL"),
    BAD("a,b\n1,x\ry\n8,9\n", ":2:4", "carriage return"),
    BAD("a,b\n1,x\xFFy\n8,9\n", ":2:3", "not UTF-8 after 1 char"),
    BAD("a,b\n1,\xC3\xA9\xC3\n8,9\n", ":2:3", "not UTF-8 after 1 char"),
    BAD("a,b\n1,\xED\xA0\x80\n8,9\n", ":2:3", "not UTF-8 after 0 char"),
};

Test(csv, refuses_bad_rows_by_place_and_goes_on)
{
    const struct nbx_csv_row *row;
    for (size_t i = 0; i < sizeof bad_rows / sizeof *bad_rows; i++) {
        memcpy(path + sizeof path - 7, "XXXXXX", 6);
        struct nbx_csv *csv = must_open(bad_rows[i].text, bad_rows[i].len);
        cr_expect_eq(nbx_csv_next(csv, &row, &fault), NBX_EBAD, "case %zu", i);
        cr_expect_null(row);
        size_t at = strlen(fault.field) - strlen(bad_rows[i].where);
        cr_expect_str_eq(fault.field + at, bad_rows[i].where, "case %zu: %s", i, fault.field);
        cr_expect(strncmp(fault.field, path, strlen(path)) == 0);
        cr_expect_not_null(strstr(fault.message, bad_rows[i].why), "case %zu: %s", i,
                           fault.message);
        expect_fields(csv, 2, (const char *const[]){"8", "9"});
        expect_end(csv);
        nbx_csv_close(&csv);
    }
}

Test(csv, an_unclosed_quote_is_named_where_it_opened)
{
    static const char text[] = "a,b\n1,2\n3,\"4\n5,6\n";
    const struct nbx_csv_row *row;
    struct nbx_csv *csv = must_open(text, sizeof text - 1);
    expect_fields(csv, 2, (const char *const[]){"1", "2"});
    cr_expect_eq(nbx_csv_next(csv, &row, &fault), NBX_EBAD);
    cr_expect_not_null(strstr(fault.field, ":3:3"));
    cr_expect_not_null(strstr(fault.message, "never closed"));
    expect_end(csv);
    nbx_csv_close(&csv);
}

Test(csv, bounds_hold_at_the_byte)
{
    struct nbx_csv_options options = {.max_field_bytes = 4, .max_row_bytes = 6};
    const struct nbx_csv_row *row;
    struct nbx_csv *csv;
    static const char text[] = "a,b\n1234,56\n12345,6\n1234,567\n\"1234\",5\n";
    cr_assert_eq(open_text(&csv, text, sizeof text - 1, options), NBX_OK);
    expect_fields(csv, 2, (const char *const[]){"1234", "56"});
    cr_expect_eq(nbx_csv_next(csv, &row, &fault), NBX_ELIMIT);
    cr_expect_not_null(strstr(fault.message, "longer than 4 bytes"));
    cr_expect_not_null(strstr(fault.field, ":3:1"));
    cr_expect_eq(nbx_csv_next(csv, &row, &fault), NBX_ELIMIT);
    cr_expect_not_null(strstr(fault.message, "row is longer than 6 bytes"));
    cr_expect_not_null(strstr(fault.field, ":4:8"));
    expect_fields(csv, 2, (const char *const[]){"1234", "5"});
    nbx_csv_close(&csv);
}

static const struct bad bad_headers[] = {
    BAD("", ":1:1", "no header"),
    BAD("\xEF\xBB\xBF", ":1:1", "no header"),
    BAD("a,b,a\n", ":1:5", "\"a\" comes twice"),
    BAD("a,\"b\n", ":1:3", "never closed"),
    BAD("\xFF\xFE"
        "a\0,\0",
        ":1:", "NUL"),
};

Test(csv, refuses_bad_headers)
{
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++) {
        struct nbx_csv *csv;
        memcpy(path + sizeof path - 7, "XXXXXX", 6);
        enum nbx_err err =
            open_text(&csv, bad_headers[i].text, bad_headers[i].len, (struct nbx_csv_options){0});
        cr_expect_eq(err, NBX_EBAD, "case %zu", i);
        cr_expect_null(csv);
        cr_expect_not_null(strstr(fault.field, bad_headers[i].where), "%s", fault.field);
        cr_expect_not_null(strstr(fault.message, bad_headers[i].why), "%s", fault.message);
    }
}

Test(csv, too_many_columns_are_refused)
{
    size_t len = NBX_CSV_MAX_COLUMNS + 1;
    char *text = malloc(len);
    memset(text, ',', len);
    struct nbx_csv *csv;
    cr_expect_eq(open_text(&csv, text, len, (struct nbx_csv_options){0}), NBX_ELIMIT);
    cr_expect_not_null(strstr(fault.message, "4096 columns"));
    free(text);
}

Test(csv, a_missing_file_and_a_folder)
{
    struct nbx_csv *csv;
    struct nbx_csv_options options = {0};
    cr_expect_eq(nbx_csv_open(&csv, "/nonexistent/x.csv", options, &fault), NBX_ENOTFOUND);
    cr_expect_str_eq(fault.field, "/nonexistent/x.csv");
    cr_expect_eq(nbx_csv_open(&csv, "/", options, &fault), NBX_ESTORAGE);
    cr_expect_null(csv);
}

Test(csv, a_long_path_keeps_the_place)
{
    char text[300];
    struct nbx_csv *csv;
    memset(text, 'd', sizeof text);
    memcpy(text + sizeof text - 7, "/x.csv", 7);
    cr_expect_neq(nbx_csv_open(&csv, text, (struct nbx_csv_options){0}, &fault), NBX_OK);
    cr_expect_not_null(strstr(fault.field, "/x.csv"));
}

Test(csv, rows_that_span_chunks)
{
    size_t rows = 40000;
    char *text = malloc(rows * 16 + 16), *p = text;
    p += sprintf(p, "a,b\n");
    for (size_t i = 0; i < rows; i++)
        p += sprintf(p, "\"%06zu\",%zu\n", i, i % 7);
    struct nbx_csv *csv = must_open(text, (size_t)(p - text));
    for (size_t i = 0; i < rows; i++) {
        char a[16], b[16];
        snprintf(a, sizeof a, "%06zu", i);
        snprintf(b, sizeof b, "%zu", i % 7);
        expect_fields(csv, 2, (const char *const[]){a, b});
    }
    expect_end(csv);
    nbx_csv_close(&csv);
    free(text);
}

Test(csv, a_field_is_quoted_where_it_must_be)
{
    static const char *const fields[] = {"plain", "a,b", "say \"x\"", "two\nlines", "", " kept "};
    struct nbx_buf b = {0};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        nbx_buf_printf(&b, "%s", i ? "," : "");
        nbx_csv_put(&b, nbx_str_c(fields[i]));
    }
    nbx_buf_put_u8(&b, '\0');
    cr_assert_str_eq((char *)b.p, "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",, kept ");
    nbx_buf_fini(&b);
}
