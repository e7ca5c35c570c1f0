/* SPDX-License-Identifier: MIT */
#include "engine/base/diagnostics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(diagnostics, print_in_the_order_of_the_file)
{
    struct nbx_diagnostics d = {0};
    char *text = NULL;
    size_t len = 0;
    nbx_diagnostics_start(&d, "shop.yaml");
    cr_expect(nbx_diagnostics_clean(&d));
    for (uint32_t i = 0; i < 20; i++)
        nbx_diagnostics_add(&d, 20 - i, 1, "number %u", i);
    nbx_diagnostics_add(&d, 1, 1, "second of its place");
    nbx_diagnostics_add(&d, 1, 0, "first of its line");
    cr_expect_not(nbx_diagnostics_clean(&d));
    FILE *out = open_memstream(&text, &len);
    nbx_diagnostics_print(&d, out);
    fclose(out);
    const char *start = "shop.yaml:1:0: first of its line\nshop.yaml:1:1: number 19\n"
                        "shop.yaml:1:1: second of its place\nshop.yaml:2:1: number 18\n";
    cr_expect_eq(strncmp(text, start, strlen(start)), 0, "%s", text);
    free(text);
    nbx_diagnostics_fini(&d);
}

Test(diagnostics, start_forgets_the_last_file)
{
    struct nbx_diagnostics d = {0};
    nbx_diagnostics_start(&d, "a");
    nbx_diagnostics_add(&d, 1, 1, "x");
    nbx_diagnostics_start(&d, "b");
    cr_expect(nbx_diagnostics_clean(&d));
    cr_expect_str_eq(d.file, "b");
    nbx_diagnostics_fini(&d);
}

Test(diagnostics, null_takes_everything)
{
    nbx_diagnostics_start(NULL, "a");
    nbx_diagnostics_add(NULL, 1, 1, "x");
}
