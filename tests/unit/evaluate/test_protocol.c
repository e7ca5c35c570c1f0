/* SPDX-License-Identifier: MIT */
#include "models/evaluate/protocol.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct nbx_fault fault;

static struct nbx_dataset *read_text(const char *text)
{
    char path[] = P_tmpdir "/nbx-protocol-XXXXXX";
    struct nbx_dataset *d;
    struct nbx_dataset_options options = {.progress_fd = -1};
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s", fault.message);
    unlink(path);
    return d;
}

static enum nbx_err check(const char *protocol, const char *events, const char *test)
{
    struct nbx_dataset *a = read_text(events), *b = read_text(test);
    fault = (struct nbx_fault){0};
    enum nbx_err err = nbx_protocol_check(protocol, a, b, &fault);
    nbx_dataset_destroy(&a);
    nbx_dataset_destroy(&b);
    return err;
}

static const char some[] = "customer,item,time\nu,x,10\nv,x,20\n";

Test(protocol, every_name_of_the_list_is_known)
{
    char names[] = NBX_PROTOCOLS;
    for (char *name = strtok(names, ", "); name; name = strtok(NULL, ", ")) {
        cr_expect(nbx_protocol_known(name), "%s", name);
        cr_expect_eq(check(name, some, "customer,item,time\nu,y,20\nv,z,21\n"), NBX_OK);
    }
    cr_expect_not(nbx_protocol_known("sampled"));
    cr_expect_eq(check("sampled", some, some), NBX_EBAD);
    cr_expect_str_eq(fault.field, "protocol");
    cr_expect_not_null(strstr(fault.message, "known are lightgcn, leave-one-out"));
}

Test(protocol, leave_one_out_wants_one_each)
{
    static const char two[] = "customer,item\nu,y\nv,y\nv,z\nv,y\n";
    cr_expect_eq(check("leave-one-out", some, two), NBX_EBAD);
    cr_expect_str_eq(fault.field, "test");
    cr_expect_not_null(strstr(fault.message, "customer \"v\" has 2 held-out items"));
    cr_expect_eq(check("lightgcn", some, two), NBX_OK);
}

Test(protocol, a_split_by_time_wants_the_test_to_be_later)
{
    cr_expect_eq(check("time-split", some, "customer,item,time\nu,y,30\nv,z,19\n"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "test");
    cr_expect_not_null(strstr(
        fault.message, "customer \"v\" has a held-out item of 19, but events go on until 20"));
    cr_expect_eq(check("time-split", some, "customer,item\nu,y\n"), NBX_OK, "no times to compare");
    cr_expect_eq(check("time-split", "customer,item\nu,x\n", some), NBX_OK);
}
