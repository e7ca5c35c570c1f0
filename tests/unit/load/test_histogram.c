/* SPDX-License-Identifier: MIT */
#include "bench/load/histogram.h"
#include "engine/json/json.h"

#include <criterion/criterion.h>

static struct nbx_hist hist;
static struct nbx_buf out;

static const char *text(void)
{
    nbx_buf_put_u8(&out, '\0');
    cr_assert_not(out.failed);
    return (const char *)out.p;
}

static void end(void)
{
    nbx_buf_fini(&out);
}

TestSuite(histogram, .fini = end);

static void add(uint64_t ns, unsigned n)
{
    while (n-- > 0)
        nbx_hist_add(&hist, ns);
}

Test(histogram, has_a_line_for_each_step_between_least_and_greatest)
{
    add(99000, 300);
    add(180000, 60);
    add(390000, 1);
    nbx_load_histogram_text(&out, &hist);
    cr_expect_str_eq(text(), "    up to us      count   share\n"
                             "         100        300  83.10% "
                             "################################################\n"
                             "         125          0   0.00%\n"
                             "         160          0   0.00%\n"
                             "         200         60  16.62% ##########\n"
                             "         250          0   0.00%\n"
                             "         320          0   0.00%\n"
                             "         400          1   0.28% #\n");
}

Test(histogram, takes_the_whole_range)
{
    add(0, 1);
    add(UINT64_MAX, 1);
    nbx_load_histogram_text(&out, &hist);
    const char *p = text();
    cr_expect_neq(strstr(p, "       0.001          1  50.00% #"), NULL, "%s", p);
    cr_expect_neq(strstr(p, "       2e+16          1  50.00% #"), NULL, "%s", p);
}

Test(histogram, an_empty_one_has_no_lines)
{
    nbx_load_histogram_text(&out, &hist);
    cr_expect_eq(out.len, 0);
    nbx_load_histogram_json(&out, &hist);
    cr_expect_str_eq(text(), "[]");
}

Test(histogram, json_has_every_bucket_in_order_and_every_count)
{
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    struct nbx_value v;
    struct nbx_fault fault;
    for (uint64_t ns = 1000; ns < 100000000; ns = ns * 5 / 4)
        add(ns, 3);
    nbx_load_histogram_json(&out, &hist);
    cr_assert_eq(nbx_json_decode(&v, (char *)out.p, out.len, arena, &fault), NBX_OK, "%s",
                 fault.message);
    double before = 0;
    int64_t n = 0;
    cr_assert_gt(v.n, 40);
    for (uint32_t i = 0; i < v.n; i++) {
        const struct nbx_value *le = nbx_value_get(&v.list[i], "le_us");
        cr_assert_gt(le->f, before);
        before = le->f;
        n += nbx_value_get(&v.list[i], "count")->i;
    }
    cr_expect_eq(n, (int64_t)hist.n);
    cr_expect_geq(before * 1000, (double)hist.max);
    nbx_arena_destroy(&arena);
}
