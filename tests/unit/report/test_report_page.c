/* SPDX-License-Identifier: MIT
 * The page of nbx-train evaluate has every figure of --json, is well-formed and fetches nothing
 * (tests/reference/page.py); and what is not ours is escaped.
 */
#include "models/report/chart.h"
#include "models/report/html.h"
#include "models/report/report.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CUSTOMERS 90
#define ITEMS     40

static char folder[] = P_tmpdir "/nbx-report-XXXXXX";
static char said[1 << 14];

static FILE *create(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    return f;
}

/* Customers of taste t (of 4) take items of taste t; two later ones each. */
static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    FILE *events = create("events.csv"), *later = create("later.csv");
    fputs("customer,item,type,time\n", events);
    fputs("customer,item,type,time\n", later);
    for (int c = 0; c < CUSTOMERS; c++) {
        for (int i = 0; i < 3 + c % 3; i++)
            fprintf(events, "c%d,i%d,view,%d\n", c, (c % 4 + 4 * (c + 3 * i)) % ITEMS, 1000 + i);
        for (int i = 0; i < 2; i++)
            fprintf(later, "c%d,i%d,%s,%d\n", c, (c % 4 + 4 * (c + 7 * i + 1)) % ITEMS,
                    i ? "purchase" : "view", 2000 + i);
    }
    fclose(events);
    fclose(later);
}

static void remove_folder(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

/* A command run in the folder, %s the programs' or the sources' folder; its exit code. */
static int run(const char *format, const char *where)
{
    char arguments[512], command[1024];
    snprintf(arguments, sizeof arguments, format, where);
    snprintf(command, sizeof command, "cd '%s' && { %s; } 2>&1", folder, arguments);
    FILE *p = popen(command, "r");
    cr_assert_not_null(p);
    size_t n = fread(said, 1, sizeof said - 1, p);
    said[n] = '\0';
    return WEXITSTATUS(pclose(p));
}

Test(report_page, has_every_figure, .init = make_folder, .fini = remove_folder)
{
    static const char *const k[] = {"20", "3,10,7"};
    char evaluate[256];
    cr_assert_eq(run("%s/nbx-train fit --events events.csv --out m --dim 8", NBX_BIN_DIR), 0, "%s",
                 said);
    cr_assert_eq(run("%s/nbx-train calibrate --bundle m --events events.csv --test later.csv "
                     "--out m --k 20 --outcomes purchase,view",
                     NBX_BIN_DIR),
                 0, "%s", said);
    for (size_t i = 0; i < 2; i++) {
        snprintf(evaluate, sizeof evaluate,
                 "%%s/nbx-train evaluate --bundle m --events events.csv --test later.csv --k %s "
                 "--html page.html --json > said.json",
                 k[i]);
        cr_assert_eq(run(evaluate, NBX_BIN_DIR), 0, "%s", said);
        cr_expect_not_null(strstr(said, "wrote page.html"));
        cr_expect_eq(run("/usr/bin/python3 %s/tests/reference/page.py page.html said.json "
                         "calibration.purchase.ece calibration.view.a",
                         NBX_SOURCE_DIR),
                     0, "%s", said);
    }
}

Test(report_page, has_every_trial, .init = make_folder, .fini = remove_folder)
{
    cr_assert_eq(run("%s/nbx-train auto --events events.csv --trials 8 --out m --html page.html",
                     NBX_BIN_DIR),
                 0, "%s", said);
    cr_expect_not_null(strstr(said, "wrote page.html"));
    FILE *f = create("none.json");
    fputs("{\"trials\":8}", f);
    fclose(f);
    cr_expect_eq(run("/usr/bin/python3 %s/tests/reference/page.py page.html none.json ndcg "
                     "best_alone customers trial.1.ndcg trial.8.seconds",
                     NBX_SOURCE_DIR),
                 0, "%s", said);
    cr_expect_eq(run("grep -q 'What the bundle is' page.html%s", ""), 0);
    cr_assert_eq(run("%s/nbx-train tune --events events.csv --trials 3 --out r --html page.html",
                     NBX_BIN_DIR),
                 0, "%s", said);
    cr_expect_eq(run("/usr/bin/python3 %s/tests/reference/page.py page.html", NBX_SOURCE_DIR), 0,
                 "%s", said);
    cr_expect_eq(run("grep -q 'What the bundle is' page.html%s", ""), 1);
}

Test(report_page, fails_where_it_cannot_be_written, .init = make_folder, .fini = remove_folder)
{
    cr_assert_eq(run("%s/nbx-train fit --events events.csv --out m --dim 4", NBX_BIN_DIR), 0);
    cr_expect_eq(run("%s/nbx-train evaluate --bundle m --events events.csv --test later.csv "
                     "--html no/page.html",
                     NBX_BIN_DIR),
                 1);
    cr_expect_not_null(strstr(said, "no/page.html: No such file"));
}

static void write_page(struct nbx_buf *page)
{
    char path[256];
    snprintf(path, sizeof path, "%s/page.html", folder);
    struct nbx_fault fault;
    cr_assert_eq(nbx_html_save(path, page, &fault), NBX_OK, "%s", fault.message);
}

Test(report_page, escapes_what_is_not_ours, .init = make_folder, .fini = remove_folder)
{
    struct nbx_buf page = {0};
    struct nbx_evaluation e = {.n_k = 1, .at = {{.k = 10}}};
    struct nbx_bundle_info bundle = {
        .name = NBX_STR("<script>alert('x')</script>"),
        .version = NBX_STR("\"&\x01"),
        .metadata_json = "{\"<b>\":\"</dd>\",\"recipe\":\"{\\\"parts\\\":[{\\\"<i>\\\":\\\"&\\\"}],"
                         "\\\"n\\\":[1,2.5,true,null]}\",\"broken\":\"{<\",\"calibration\":\"{\"}"};
    nbx_report_evaluation(&page, &(struct nbx_report_evaluation){&bundle, &e, "<p>", false});
    write_page(&page);
    nbx_buf_put_u8(&page, 0);
    const char *text = (const char *)page.p;
    cr_expect_null(strstr(text, "<script"));
    cr_expect_null(strstr(text, "<i>"));
    cr_expect_null(strstr(text, "<b></dt>"));
    cr_expect_not_null(strstr(text, "&lt;script&gt;alert(&#39;x&#39;)"));
    cr_expect_not_null(strstr(text, "&quot;&amp; "));
    cr_expect_not_null(strstr(text, "1, 2.5, yes, none"));
    cr_expect_eq(run("/usr/bin/python3 %s/tests/reference/page.py page.html", NBX_SOURCE_DIR), 0,
                 "%s", said);
    nbx_buf_fini(&page);
}

Test(report_page, charts_of_odd_values, .init = make_folder, .fini = remove_folder)
{
    static const char *const labels[] = {"a<b", "none", "huge"};
    double x[] = {0, NAN, 5}, y[] = {0, INFINITY, 1e12}, zeros[] = {0, 0, 0};
    struct nbx_buf page = {0};
    struct nbx_series odd = {"odd & even", x, y, 3}, flat = {"flat", zeros, zeros, 3};
    nbx_html_begin(&page, NBX_STR("charts"));
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        nbx_chart_lines(&page, &(struct nbx_chart){.title = "<odd>",
                                                   .x_name = "x & y",
                                                   .series = &odd,
                                                   .n_series = 1,
                                                   .diagonal = diagonal});
        nbx_chart_lines(&page,
                        &(struct nbx_chart){.title = "flat", .series = &flat, .n_series = 1});
        nbx_chart_bars(&page, &(struct nbx_chart){.title = "bars",
                                                  .series = diagonal ? &odd : &flat,
                                                  .n_series = 1,
                                                  .labels = labels});
    }
    nbx_html_end(&page);
    write_page(&page);
    nbx_buf_put_u8(&page, 0);
    cr_expect_null(strstr((char *)page.p, "nan"));
    cr_expect_null(strstr((char *)page.p, "inf"));
    cr_expect_eq(run("/usr/bin/python3 %s/tests/reference/page.py page.html", NBX_SOURCE_DIR), 0,
                 "%s", said);
    nbx_buf_fini(&page);
}
