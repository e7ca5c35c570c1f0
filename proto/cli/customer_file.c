/* SPDX-License-Identifier: MIT */
#include "proto/cli/customer_file.h"

#include "engine/base/utf8.h"

enum nbx_err nbx_customer_file_open(struct nbx_customer_file *f, const char *path,
                                    struct nbx_fault *fault)
{
    static const char *const names[] = {"customer", "customer_id", "id"};
    *f = (struct nbx_customer_file){.column = NBX_CSV_NO_COLUMN};
    enum nbx_err err = nbx_csv_open(&f->csv, path, (struct nbx_csv_options){0}, fault);
    if (err)
        return err;
    for (int i = 0; i < 3 && f->column == NBX_CSV_NO_COLUMN; i++)
        f->column = nbx_csv_column(f->csv, names[i]);
    if (f->column != NBX_CSV_NO_COLUMN)
        return NBX_OK;
    if (nbx_csv_header(f->csv)->n > 1)
        return nbx_fault_set(fault, NBX_EBAD, path, "no column customer, customer_id or id");
    f->column = 0;
    f->header_is_id = true;
    return NBX_OK;
}

void nbx_customer_file_close(struct nbx_customer_file *f)
{
    nbx_csv_close(&f->csv);
}

/* The next row; an empty line of a list is none. */
static enum nbx_err next_row(struct nbx_customer_file *f, const struct nbx_csv_row **row,
                             struct nbx_fault *fault)
{
    if (f->header_is_id) {
        f->header_is_id = false;
        *row = nbx_csv_header(f->csv);
        if ((*row)->fields[0].len)
            return NBX_OK;
    }
    enum nbx_err err;
    do {
        err = nbx_csv_next(f->csv, row, fault);
    } while (!err && *row && (*row)->n == 1 && (*row)->fields[0].len == 0);
    return err;
}

enum nbx_err nbx_customer_file_next(struct nbx_customer_file *f, struct nbx_str *id, uint64_t *line,
                                    struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    *id = (struct nbx_str){0};
    enum nbx_err err = next_row(f, &row, fault);
    if (err || !row)
        return err;
    struct nbx_str text = row->fields[f->column];
    *line = row->from[f->column].line;
    if (row->number > 0 && !nbx_id_valid(text))
        return nbx_csv_fault(f->csv, fault, NBX_EBAD, f->column,
                             "a customer id has 1 to %d bytes, not %u", NBX_ID_MAX_BYTES, text.len);
    *id = text;
    return NBX_OK;
}
