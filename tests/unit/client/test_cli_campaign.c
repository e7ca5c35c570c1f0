/* SPDX-License-Identifier: MIT
 * `nbx recommend --customers`: files of many shapes, and a daemon of many moods.
 */
#include "tests/unit/client/cli_fixture.h"

static uint32_t n_busy, stop_after, largest;

static void put_fields(struct nbx_buf *out, bool there)
{
    nbx_wire_text(out, "fields");
    nbx_wire_map(out, there ? 2 : 0);
    if (!there)
        return;
    nbx_wire_kv_text(out, "title", "Red, round");
    nbx_wire_text(out, "categories");
    nbx_wire_list(out, 2);
    nbx_wire_text(out, "x");
    nbx_wire_text(out, "y");
}

/* Two items, of which the first has fields; none for a customer named none. */
static void put_result(struct nbx_buf *out, struct nbx_str customer, bool with_fields)
{
    uint32_t n_items = nbx_str_is(customer, "none") ? 0 : 2;
    nbx_wire_map(out, 2);
    nbx_wire_kv_str(out, "customer", customer);
    nbx_wire_text(out, "items");
    nbx_wire_list(out, n_items);
    for (uint32_t k = 0; k < n_items; k++) {
        nbx_wire_map(out, 3 + with_fields);
        nbx_wire_kv_text(out, "id", k ? "a,\"b\"" : "i1");
        nbx_wire_kv_float(out, "score", k ? 0.25 : (double)0.1F);
        nbx_wire_kv_text(out, "source", "personal");
        if (with_fields)
            put_fields(out, k == 0);
    }
}

/* Answers each customer; at most one is named bad, and refused. */
static const char *take(struct nbx_buf *out, const struct asked *asked)
{
    const struct nbx_value *list = nbx_value_get(&asked->body, "customers");
    bool with_fields = nbx_value_get(&asked->body, "fields") != NULL;
    cr_assert(list && list->type == NBX_LIST && asked->key.len == 0);
    largest = list->n > largest ? list->n : largest;
    note(&seen, &asked->body);
    uint32_t bad = 0;
    while (bad < list->n && !nbx_str_is(list->list[bad].s, "bad"))
        bad++;
    nbx_wire_map(out, 2);
    nbx_wire_text(out, "results");
    nbx_wire_list(out, list->n - (bad < list->n));
    for (uint32_t i = 0; i < list->n; i++)
        if (i != bad)
            put_result(out, list->list[i].s, with_fields);
    nbx_wire_text(out, "errors");
    nbx_wire_list(out, bad < list->n);
    if (bad < list->n) {
        nbx_wire_map(out, 3);
        nbx_wire_kv_int(out, "index", bad);
        nbx_wire_kv_text(out, "field", "customers[1]");
        nbx_wire_kv_text(out, "message", "the customer cannot be read");
    }
    return "ok";
}

static const char *be_moody(struct nbx_buf *out, const struct asked *asked)
{
    if (stop_after && asked->number >= stop_after)
        return NULL;
    if (asked->number % 3 == 1 && n_busy++ < 5) {
        nbx_wire_map(out, 1);
        nbx_wire_kv_text(out, "message", "8 requests for many are under way");
        return "busy";
    }
    return take(out, asked);
}

static const char *refuse(struct nbx_buf *out, const struct asked *asked)
{
    (void)asked;
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "field", "explain");
    nbx_wire_kv_text(out, "message", "cannot stand beside `customers`");
    return "bad_request";
}

static void prepare(void)
{
    setup();
    answer = take;
}

TestSuite(cli_campaign, .init = prepare, .fini = teardown, .timeout = 120);

#define HEAD   "customer_id,rank,item_id,score\n"
#define TWO(c) c ",1,i1,0.100000001\n" c ",2,\"a,\"\"b\"\"\",0.25\n"

static void expect_answers(const char *file, const char *want)
{
    run_nbx("recommend", "--customers", write_file("ids.csv", file), "--n", "2");
    expect_exit(0);
    cr_expect_str_eq(result.out, want);
    cr_expect_str_eq(result.err, "", "quiet in a pipe");
}

Test(cli_campaign, ids_come_with_a_header_or_without)
{
    expect_answers("anna\nbert\n", HEAD TWO("anna") TWO("bert"));
    expect_answers("customer_id\nanna\nbert", HEAD TWO("anna") TWO("bert"));
    expect_answers("id\r\nanna\r\n", HEAD TWO("anna"));
    expect_answers("name,customer,city\nA,anna,Ulm\nB,bert,Bonn\n", HEAD TWO("anna") TWO("bert"));
    expect_answers("\nanna\n\n\nbert\n\n", HEAD TWO("anna") TWO("bert"));
    expect_answers("anna\nnone\nanna\n", HEAD TWO("anna") TWO("anna"));
    expect_answers("\"x,1\"\n", HEAD TWO("\"x,1\""));
}

Test(cli_campaign, standard_input_is_read)
{
    write_file("ids.csv", "anna\n");
    int from = open(path, O_RDONLY), kept = dup(0);
    cr_assert(from >= 0 && dup2(from, 0) == 0);
    run_nbx("recommend", "--customers", "-");
    cr_assert(dup2(kept, 0) == 0);
    expect_exit(0);
    cr_expect_str_eq(result.out, HEAD TWO("anna"));
    close(from);
    close(kept);
}

Test(cli_campaign, options_are_those_for_one_customer)
{
    run_nbx("recommend", "--customers", write_file("ids.csv", "anna\n"), "--n", "2", "--channel",
            "email", "--exclude-seen", "--filter", "{\"field\": \"price\", \"lt\": 5000}",
            "--record", "shown", "--distinct", "group");
    expect_exit(0);
    nbx_buf_put_u8(&seen, '\0');
    static const char *const parts[] = {
        "n: 2",          "channel: email",  "exclude_seen: true", "field: price",
        "record: shown", "distinct: group", "customers: [anna]"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_expect(strstr((char *)seen.p, parts[i]), "%s is not in %s", parts[i], (char *)seen.p);
    cr_expect_null(strstr((char *)seen.p, "title"), "fields are asked for by name only");
}

Test(cli_campaign, fields_are_columns_and_json_lines_have_everything)
{
    char *ids = write_file("ids.csv", "anna\nbert\n");
    run_nbx("recommend", "--customers", ids, "--fields", "title,categories");
    expect_exit(0);
    expect_out("customer_id,rank,item_id,score,title,categories\n"
               "anna,1,i1,0.100000001,\"Red, round\",x|y\nanna,2,\"a,\"\"b\"\"\",0.25,,\n");
    run_nbx("recommend", "--customers", ids, "--format", "jsonl");
    expect_exit(0);
    expect_out("{\"customer\":\"anna\",\"items\":[{\"id\":\"i1\",\"score\":0.1");
    expect_out("\n{\"customer\":\"bert\"");
    run_nbx("recommend", "--customers", ids, "--json");
    expect_out("{\"customer\":\"anna\",\"items\":[");
}

Test(cli_campaign, bad_rows_are_refused_by_line_and_the_rest_goes_on)
{
    char text[600] = "id,x\nanna,1\nbert\n,2\n";
    memset(text + strlen(text), 'y', 256);
    strcat(text, ",3\nbad,4\n\xff,5\ncarl,6\n"); /* NOLINT: of known length */
    run_nbx("recommend", "--customers", write_file("ids.csv", text));
    expect_exit(1);
    cr_expect_str_eq(result.out, HEAD TWO("anna") TWO("carl"));
    expect_err("ids.csv:3:1: 1 fields where the header has 2");
    expect_err("ids.csv:4:1: a customer id has 1 to 255 bytes, not 0");
    expect_err("ids.csv:5:1: a customer id has 1 to 255 bytes, not 256");
    expect_err("ids.csv:6: the customer cannot be read");
    expect_err("ids.csv:7:1: not UTF-8");
}

Test(cli_campaign, wrong_usage_and_wrong_files)
{
    char *ids = write_file("ids.csv", "anna\n");
    run_nbx("recommend", "anna", "--customers", ids);
    expect_exit(2);
    run_nbx("recommend", "--customers", ids, "--format", "xml");
    expect_exit(2);
    expect_err("--format: must be csv or jsonl");
    run_nbx("recommend", "anna", "--format", "csv");
    expect_exit(2);
    expect_err("--customers");
    run_nbx("rank", "anna", "i1", "--customers", ids);
    expect_exit(2);
    run_nbx("recommend", "--customers", in_folder("nowhere.csv"));
    expect_exit(1);
    expect_err("nowhere.csv: cannot be opened");
    run_nbx("recommend", "--customers", write_file("empty.csv", ""));
    expect_exit(1);
    expect_err("empty.csv:1:1: no header row: the file is empty");
    run_nbx("recommend", "--customers", write_file("two.csv", "name,city\na,b\n"));
    expect_exit(1);
    expect_err("two.csv: no column customer, customer_id or id");
}

static char *many_ids(int n)
{
    struct nbx_buf b = {0};
    for (int i = 0; i < n; i++)
        nbx_buf_printf(&b, "c%d\n", i);
    nbx_buf_put_u8(&b, '\0');
    char *file = write_file("many.csv", (char *)b.p);
    nbx_buf_fini(&b);
    return file;
}

/* The customers of the output's first places are c0, c1, ... in order; how many. */
static int count_in_order(void)
{
    int n = 0;
    char *rest = result.out, *line;
    cr_assert_str_eq(strsep(&rest, "\n"), "customer_id,rank,item_id,score");
    while ((line = strsep(&rest, "\n")) && *line) {
        char want[32];
        snprintf(want, sizeof want, "c%d,%d,", n / 2, n % 2 + 1);
        cr_assert(strncmp(line, want, strlen(want)) == 0, "\"%s\", not %s", line, want);
        n++;
    }
    return n / 2;
}

Test(cli_campaign, lists_keep_the_files_order_past_a_busy_daemon)
{
    answer = be_moody;
    run_nbx("recommend", "--customers", many_ids(3210));
    expect_exit(0);
    cr_expect_eq(count_in_order(), 3210);
    cr_expect(n_busy > 0);
    cr_expect_eq(largest, 250);
}

Test(cli_campaign, lists_are_shorter_where_more_items_are_wanted)
{
    run_nbx("recommend", "--customers", many_ids(500), "--n", "1000");
    expect_exit(0);
    cr_expect_eq(largest, 100, "100,000 items a request");
}

Test(cli_campaign, a_daemon_that_dies_is_told_and_what_was_answered_stands)
{
    answer = be_moody;
    stop_after = 6;
    run_nbx("recommend", "--customers", many_ids(5000), "--timeout", "0.5");
    expect_exit(1);
    expect_err("nbx: busy: no reply from");
    expect_err("within 500 ms; is nbxd running there?");
    expect_err("nbx: ended after the answers of");
    int n = count_in_order();
    cr_expect(n > 0 && n < 5000 && n % 250 == 0, "%d", n);
}

Test(cli_campaign, a_refused_request_ends_it)
{
    answer = refuse;
    run_nbx("recommend", "--customers", many_ids(10), "--explain");
    expect_exit(1);
    expect_err("nbx: bad_request: explain: cannot stand beside `customers`");
    cr_expect_str_eq(result.out, "");
}

/* The first rows are there while the file is still being written. */
Test(cli_campaign, output_begins_before_the_input_ends)
{
    extern char **environ;
    int in[2], out[2];
    char text[4096];
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], 0);
    posix_spawn_file_actions_adddup2(&files, out[1], 1);
    posix_spawn_file_actions_addclose(&files, in[1]);
    posix_spawn_file_actions_addclose(&files, out[0]);
    pid_t pid;
    char *words[] = {"nbx", "recommend", "--customers", "-", NULL};
    cr_assert_eq(posix_spawn(&pid, NBX_BIN_DIR "/nbx", &files, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(in[0]);
    close(out[1]);
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(text, sizeof text, "c%d\n", i);
        cr_assert_eq(write(in[1], text, (size_t)n), n);
    }
    ssize_t n = read(out[0], text, sizeof text - 1);
    cr_assert(n > 0);
    text[n] = '\0';
    cr_expect(strncmp(text, HEAD TWO("c0"), strlen(HEAD TWO("c0"))) == 0, "%s", text);
    close(in[1]);
    while (read(out[0], text, sizeof text) > 0)
        continue;
    close(out[0]);
    int status;
    waitpid(pid, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
