/* SPDX-License-Identifier: MIT
 * `nbx events export` before daemons of many moods: pages, busy ones, lost ones, wrong ones.
 */
#include "tests/unit/client/cli_fixture.h"

#define HEAD                                                                                       \
    "customer,item,type,time,effect,channel,placement,store,session,order,quantity,value,rating,"  \
    "decision\n"

/* How the daemon behaves. */
static struct {
    uint32_t n_busy, n_silent; /* so many more times, from the second page on */
    bool silent, no_events;
} there;

static int page_of(const struct asked *asked)
{
    const struct nbx_value *after = nbx_value_get(&asked->body, "after");
    return !after ? 0 : nbx_str_is(after->s, "0a") ? 1 : 2;
}

/* Three pages: an event, none, two. */
static const char *pages(struct nbx_buf *out, const struct asked *asked)
{
    int page = page_of(asked);
    cr_assert(nbx_str_is(asked->op, "events.read") && asked->key.len == 0);
    if (there.silent || (page && there.n_silent && there.n_silent--))
        return NULL;
    if (page && there.n_busy && there.n_busy--) {
        nbx_wire_map(out, 1);
        nbx_wire_kv_text(out, "message", "waited 100 ms");
        return "busy";
    }
    note(&seen, &asked->body);
    nbx_wire_map(out, 1 + (page < 2));
    nbx_wire_text(out, there.no_events ? "items" : "events");
    nbx_wire_list(out, (uint32_t)page == 1 ? 0 : page ? 2 : 1);
    for (int i = 0; i < (page == 1 ? 0 : page ? 2 : 1); i++) {
        nbx_wire_map(out, 4);
        nbx_wire_kv_text(out, "customer", page ? "b\"c" : "a");
        nbx_wire_kv_text(out, "type", "view");
        nbx_wire_kv_int(out, "time", 1000 * page + i);
        nbx_wire_kv_float(out, "quantity", 0.5);
    }
    if (page < 2)
        nbx_wire_kv_text(out, "next", page ? "0b" : "0a");
    return "ok";
}

static void prepare(void)
{
    setup();
    answer = pages;
}

TestSuite(cli_events, .init = prepare, .fini = teardown, .timeout = 60);

static const char whole[] = HEAD "a,,view,0,,,,,,,0.5,,,\n"
                                 "\"b\"\"c\",,view,2000,,,,,,,0.5,,,\n"
                                 "\"b\"\"c\",,view,2001,,,,,,,0.5,,,\n";

static void expect_whole(void)
{
    char text[TEXT_BYTES];
    expect_exit(0);
    cr_expect_str_eq(result.out, "3 events\n");
    cr_expect_str_eq(result.err, "", "quiet in a pipe");
    read_all("e.csv", text);
    cr_expect_str_eq(text, whole);
}

Test(cli_events, a_file_is_all_of_the_pages)
{
    run_nbx("events", "export", in_folder("e.csv"), "--since", "5", "--types", "view,cart");
    expect_whole();
    nbx_buf_put_u8(&seen, '\0');
    cr_expect_str_eq((char *)seen.p, "{since: 5, types: [view, cart]}"
                                     "{since: 5, types: [view, cart], after: 0a}"
                                     "{since: 5, types: [view, cart], after: 0b}");
    run_nbx("events", "export", "-");
    expect_exit(0);
    cr_expect_str_eq(result.out, whole);
}

Test(cli_events, a_busy_daemon_is_asked_again_and_one_that_starts_again_too)
{
    there.n_busy = 3;
    run_nbx("events", "export", in_folder("e.csv"));
    expect_whole();
    there.n_silent = 2;
    run_nbx("events", "export", in_folder("e.csv"), "--timeout", "0.2");
    expect_whole();
}

static void expect_nothing_written(void)
{
    expect_exit(1);
    cr_expect_eq(access(in_folder("f.csv"), F_OK), -1);
    cr_expect_eq(access(in_folder("f.csv.part"), F_OK), -1);
    cr_expect_str_eq(result.out, "");
}

Test(cli_events, where_it_fails_no_file_is_left)
{
    there.n_silent = 3;
    run_nbx("events", "export", in_folder("f.csv"), "--timeout", "0.1");
    expect_nothing_written();
    expect_err("nbx: busy: no reply from");
    there.n_silent = 0;
    there.silent = true;
    run_nbx("events", "export", in_folder("f.csv"), "--timeout", "0.1");
    expect_nothing_written();
    there.silent = false;
    there.no_events = true;
    run_nbx("events", "export", in_folder("f.csv"));
    expect_nothing_written();
    expect_err("is no nbxd with events");
    run_nbx("events", "export");
    expect_exit(2);
    run_nbx("events", "export", "x", "--since", "soon");
    expect_exit(2);
    expect_err("--since");
}
