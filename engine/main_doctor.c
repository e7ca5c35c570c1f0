/* SPDX-License-Identifier: MIT
 * nbxd --doctor: what engine/care/doctor.h finds, for people and as JSON.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/care/doctor.h"
#include "engine/json/json.h"
#include "engine/main_care.h"
#include "engine/main_options.h"
#include "version.h"

#include <stdio.h>
#include <time.h>

#define TIMEOUT_MS 2000 /* for the daemon to answer */

enum { EXIT_WELL, EXIT_LOOK, EXIT_DAMAGED = 3 };

static void print_check(const struct nbx_doctor_check *check)
{
    char date[32];
    struct tm tm;
    time_t seconds = (time_t)(check->since_ms / 1000);
    printf("%-5s  %-8s  %s\n", nbx_doctor_word(check->verdict), check->name, check->what);
    if (check->verdict == NBX_DOCTOR_OK)
        return;
    if (check->since_ms && gmtime_r(&seconds, &tm) &&
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm))
        printf("%17ssince %s UTC at the earliest\n", "", date);
    printf("%17sto do: %s\n", "", check->command);
}

static void print_report(const struct nbx_doctor_report *report, const char *dir)
{
    size_t n[NBX_DOCTOR_DAMAGED + 1] = {0};
    for (size_t i = 0; i < report->n; i++) {
        print_check(&report->checks[i]);
        n[report->checks[i].verdict]++;
    }
    size_t wrong = n[NBX_DOCTOR_WRONG] + n[NBX_DOCTOR_DAMAGED];
    if (report->worst == NBX_DOCTOR_OK)
        printf("%s: all %zu checks are ok\n", dir, report->n);
    else
        printf("%s: %zu of %zu checks are ok, %zu warn, %zu WRONG%s\n", dir, n[NBX_DOCTOR_OK],
               report->n, n[NBX_DOCTOR_WARN], wrong,
               n[NBX_DOCTOR_DAMAGED] ? "; stored data is damaged or newer" : "");
}

static struct nbx_value text(const char *s)
{
    return nbx_value_string(nbx_str_c(s));
}

/* {verdict, checks: [{name, verdict, reason, since, command}]}: since in ms, nil as it is not told
 * or needed; so is command. */
static bool print_json(const struct nbx_doctor_report *report)
{
    struct nbx_member members[NBX_DOCTOR_CHECKS][5];
    struct nbx_value checks[NBX_DOCTOR_CHECKS];
    struct nbx_buf out = {0};
    for (size_t i = 0; i < report->n; i++) {
        const struct nbx_doctor_check *c = &report->checks[i];
        bool ok = c->verdict == NBX_DOCTOR_OK;
        members[i][0] = (struct nbx_member){NBX_STR("name"), text(c->name)};
        members[i][1] = (struct nbx_member){NBX_STR("verdict"), text(nbx_doctor_word(c->verdict))};
        members[i][2] = (struct nbx_member){NBX_STR("reason"), text(c->what)};
        members[i][3] = (struct nbx_member){
            NBX_STR("since"), ok || !c->since_ms ? nbx_value_nil() : nbx_value_int(c->since_ms)};
        members[i][4] =
            (struct nbx_member){NBX_STR("command"), ok ? nbx_value_nil() : text(c->command)};
        checks[i] = (struct nbx_value){.type = NBX_MAP, .n = 5, .members = members[i]};
    }
    struct nbx_member top[] = {
        {NBX_STR("verdict"), text(nbx_doctor_word(report->worst))},
        {NBX_STR("checks"), {.type = NBX_LIST, .n = (uint32_t)report->n, .list = checks}}};
    struct nbx_value all = {.type = NBX_MAP, .n = 2, .members = top};
    bool written = nbx_json_encode_indented(&out, &all) == NBX_OK;
    if (written)
        printf("%.*s\n", (int)out.len, (const char *)out.p);
    nbx_buf_fini(&out);
    return written;
}

int nbx_main_doctor(const struct nbx_conf *conf, const char *config, bool json)
{
    static const int codes[] = {[NBX_DOCTOR_OK] = EXIT_WELL,
                                [NBX_DOCTOR_WARN] = EXIT_LOOK,
                                [NBX_DOCTOR_WRONG] = EXIT_LOOK,
                                [NBX_DOCTOR_DAMAGED] = EXIT_DAMAGED};
    struct nbx_doctor_report report;
    struct nbx_main_options *words = nbx_main_options_new(conf, NBX_VERSION);
    if (!words) {
        fprintf(stderr, "nbxd: no memory\n");
        return EXIT_LOOK;
    }
    struct nbx_store_options store = nbx_server_store_options(&words->server);
    struct nbx_doctor_options options = {.store = &store,
                                         .endpoint = conf->listen[0],
                                         .version = NBX_VERSION,
                                         .config = config,
                                         .timeout_ms = TIMEOUT_MS,
                                         .now_ms = nbx_clock_wall_ms()};
    nbx_log_set_level(NBX_LOG_ERROR); /* what warns is in the report */
    nbx_doctor(&report, &options);
    if (!json)
        print_report(&report, conf->data_dir);
    else if (!print_json(&report))
        fprintf(stderr, "nbxd: a text in the report is no UTF-8\n");
    nbx_main_options_destroy(&words);
    return codes[report.worst];
}
