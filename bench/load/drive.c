/* SPDX-License-Identifier: MIT */
#include "bench/load/drive.h"

#include "bench/load/climb.h"
#include "bench/load/report.h"

#include <stdio.h>
#include <unistd.h>

int nbx_load_complain(const struct nbx_load_arguments *a, enum nbx_err err,
                      const struct nbx_fault *fault)
{
    fprintf(stderr, "%s: %s%s%s\n", a->program, fault->field, fault->field[0] ? ": " : "",
            fault->message);
    return err == NBX_EBAD ? 2 : 1;
}

static int print(struct nbx_buf *text, const struct nbx_load_arguments *a, int code)
{
    bool whole =
        !text->failed && fwrite(text->p, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    nbx_buf_fini(text);
    if (!whole)
        fprintf(stderr, "%s: the result could not be written\n", a->program);
    return whole ? code : 1;
}

static void warn_if_late(const struct nbx_load_result *r, const struct nbx_load_arguments *a)
{
    double share = nbx_load_late_share(r);
    if (share > NBX_LOAD_LATE_SHARE)
        fprintf(stderr,
                "%s: the schedule was not kept: %.1f %% of the requests went out more than %g ms "
                "late; the latencies hold that delay\n",
                a->program, 100 * share, (double)NBX_LOAD_LATE_NS / 1e6);
}

static int run_fixed(const struct nbx_load_arguments *a, nbx_load_make *make, void *arg)
{
    static struct nbx_load_result result;
    struct nbx_load_options options = a->load;
    struct nbx_progress progress;
    struct nbx_fault fault = {.code = NBX_OK};
    struct nbx_buf text = {0};
    nbx_progress_start(&progress, STDERR_FILENO, nbx_load_scenarios[a->scenario], "requests",
                       (uint64_t)(options.rate * (options.warmup_seconds + options.seconds)));
    options.progress = &progress;
    enum nbx_err err = nbx_load_run(&result, &options, make, arg, &fault);
    nbx_progress_end(&progress);
    int code = err ? nbx_load_complain(a, err, &fault) : nbx_load_is_clean(&result) ? 0 : 1;
    if (result.total.sent + result.total.not_sent == 0)
        return code;
    warn_if_late(&result, a);
    if (a->json)
        nbx_load_report_json(&text, &result, a, err ? fault.message : NULL);
    else
        nbx_load_report_text(&text, &result, a);
    return print(&text, a, code);
}

static int run_ramp(const struct nbx_load_arguments *a, nbx_load_make *make, void *arg)
{
    struct nbx_load_climb climb;
    struct nbx_fault fault = {.code = NBX_OK};
    struct nbx_buf text = {0};
    enum nbx_err err = nbx_load_climb(&climb, a, make, arg, &fault);
    int code = err ? nbx_load_complain(a, err, &fault) : climb.ramp.holds > 0 ? 0 : 1;
    if (a->json && climb.n_steps > 0)
        nbx_load_climb_json(&text, &climb, a, err ? fault.message : NULL);
    else if (!err)
        nbx_load_climb_text(&text, &climb, a);
    nbx_load_climb_fini(&climb);
    return text.len > 0 || text.failed ? print(&text, a, code) : code;
}

int nbx_load_drive(const struct nbx_load_arguments *a, nbx_load_make *make, void *arg)
{
    return a->highest_rate > 0 ? run_ramp(a, make, arg) : run_fixed(a, make, arg);
}
