/* SPDX-License-Identifier: MIT
 * log.heads and log.read, and what `nbx log` makes of them.
 */
#include "engine/json/json.h"
#include "tests/daemon/harness.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CATALOGUE 256

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(log, .init = begin, .fini = end, .timeout = 120);

/* The stream in which the customer's commands lie; the reply's seq tells nothing of it. */
/* The one stream that has grown since. */
static int grown_stream(const struct nbx_value *before)
{
    struct nbx_value *after = get(p, "log.heads", "", "{}");
    cr_assert_eq(count_at(after, "heads"), CATALOGUE + 1);
    int stream = 0;
    while (stream < CATALOGUE &&
           at(before, "heads")->list[stream].i == at(after, "heads")->list[stream].i)
        stream++;
    cr_assert_lt(stream, CATALOGUE, "no stream has grown");
    return stream;
}

static int stream_of(const char *customer)
{
    struct nbx_value *before = get(p, "log.heads", "", "{}");
    get(p, "customer.put", customer, "{}");
    return grown_stream(before);
}

Test(log, entries_tell_what_was_done)
{
    int stream = stream_of("anna");
    get(p, "customer.put", "anna",
        "{'attributes': {'age': 30}, 'vector': [1, 2.5], 'space': 'main'}");
    get(p, "observe", "anna",
        "{'events': [{'id': 'e1', 'type': 'view', 'item': 'a', 'time': 5},"
        " {'id': 'e2', 'type': 'purchase', 'item': 'b', 'time': 6, 'value': 700},"
        " {'id': 'e1', 'type': 'view', 'item': 'a'}]}");
    get(p, "retract", "anna", "{'events': ['e1', 'e9']}");
    struct nbx_value *r = get(p, "log.read", "", "{'stream': %d, 'id': 'x'}", stream);
    must_be(r, "id", "'x'");
    must_be(r, "next", "6");
    must_be(r, "head", "5");
    MUST_LIST(r, "entries", "kind", "put put events retract");
    MUST_LIST(r, "entries", "customer", "anna anna anna anna");
    must_be(r, "entries[0].new", "true");
    cr_assert_null(at(r, "entries[1].new"));
    cr_assert_eq(text_at(r, "entries[0].number").len, 16);
    cr_assert(nbx_str_eq(text_at(r, "entries[0].number"), text_at(r, "entries[3].number")));
    must_be(r, "entries[1].put.attributes", "{'age': 30}");
    must_be(r, "entries[1].put.space", "'main'");
    cr_assert_eq(text_at(r, "entries[1].command").len, 32);
    must_be(r, "entries[2].seq", "3");
    must_be(r, "entries[2].n", "2");
    must_be(r, "entries[2].events[0].gone", "true");
    must_be(r, "entries[2].events[1]",
            "{'time': 6, 'id': 'e2', 'type': 'purchase', 'item': 'b', 'value': 700}");
    must_be(r, "entries[3].events[0].seq", "3");
    cr_assert(nbx_str_eq(text_at(r, "entries[3].events[0].hash"),
                         text_at(r, "entries[2].events[0].hash")));
    cr_assert_eq(count_at(r, "entries[3].hashes"), 1);
    r = get(p, "log.read", "", "{'stream': %d, 'from': 4, 'n': 1}", stream);
    MUST_LIST(r, "entries", "kind", "events");
    must_be(r, "next", "5");
    r = get(p, "log.read", "", "{'stream': %d, 'from': 6}", stream);
    cr_assert_eq(count_at(r, "entries"), 0);
    must_be(r, "next", "6");
}

Test(log, the_catalogue_has_a_stream)
{
    get(p, "item.put", "", "{'items': [{'id': 'a', 'price': 5}, {'id': 'b', 'price': 'x'}]}");
    get(p, "item.patch", "", "{'items': [{'id': 'a', 'price': null}, {'id': 'nowhere'}]}");
    get(p, "item.delete", "", "{'ids': ['a', 'nowhere']}");
    must_be(get(p, "log.heads", "", "{}"), "heads[256]", "3");
    struct nbx_value *r = get(p, "log.read", "", "{'stream': 256}");
    MUST_LIST(r, "entries", "kind", "items items items");
    must_be(r, "entries[0].changes", "[{'put': {'id': 'a', 'price': 5}}]");
    must_be(r, "entries[1].changes", "[{'patch': {'id': 'a', 'price': null}}]");
    must_be(r, "entries[2].changes", "[{'delete': 'a'}]");
    server_kill(&s);
    server_begin(&s);
    must_be(get(p, "log.read", "", "{'stream': 256}"), "next", "4");
}

Test(log, a_forgotten_customers_entries_keep_their_places)
{
    int stream = stream_of("anna");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}, {'type': 'view'}]}");
    get(p, "customer.forget", "anna", "{}");
    struct nbx_value *r = get(p, "log.read", "", "{'stream': %d}", stream);
    MUST_LIST(r, "entries", "kind", "gone gone forget");
    for (uint32_t i = 0; i < 3; i++) {
        const struct nbx_value *entry = &at(r, "entries")->list[i];
        cr_assert_null(at(entry, "customer"), "%u", i);
        cr_assert_eq(at(entry, "reason") == NULL, i == 2, "%u", i);
    }
    must_be(r, "entries[1].reason", "'forgotten'");
    must_be(r, "entries[1].n", "2");
    must_be(r, "next", "5");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    r = get(p, "log.read", "", "{'stream': %d, 'from': 5}", stream);
    must_be(r, "entries[0].new", "true");
}

Test(log, a_link_tells_whom_it_leads_to_as_long_as_that_is_known)
{
    int anna = stream_of("anna"), card = stream_of("card-7");
    cr_assert_neq(anna, card);
    get(p, "customer.link", "anna", "{'identity': 'card-7', 'type': 'card'}");
    struct nbx_value *r = get(p, "log.read", "", "{'stream': %d}", anna);
    MUST_LIST(r, "entries", "kind", "put link");
    must_be(r, "entries[1].accepts", "true");
    cr_assert_null(at(r, "entries[1].to"));
    cr_assert_null(at(r, "entries[1].to_number"));
    char number[17];
    snprintf(number, sizeof number, "%.*s", NBX_STR_ARG(text_at(r, "entries[0].number")));
    r = get(p, "log.read", "", "{'stream': %d}", card);
    MUST_LIST(r, "entries", "kind", "put link");
    must_be(r, "entries[1].customer", "'card-7'");
    must_be(r, "entries[1].to", "'anna'");
    cr_assert(nbx_str_is(text_at(r, "entries[1].to_number"), number));
    must_be(r, "entries[1].type", "'card'");
    cr_assert_null(at(r, "entries[1].accepts"));
    cr_assert_eq(text_at(r, "entries[1].command").len, 32);
    struct nbx_value *before = get(p, "log.heads", "", "{}");
    get(p, "customer.link", "anna", "{'identity': 'nobody yet'}");
    int other = grown_stream(before);
    get(p, "customer.unlink", "anna", "{'identity': 'nobody yet'}");
    r = get(p, "log.read", "", "{'stream': %d}", other);
    MUST_LIST(r, "entries", "kind", "link unlink");
    MUST_LIST(r, "entries", "customer", "nobody yet nobody yet");
    must_be(r, "entries[0].new", "true");
    must_be(r, "entries[0].to", "'anna'");
    cr_assert_null(at(r, "entries[0].type"));
    cr_assert_null(at(r, "entries[1].to"));
    get(p, "customer.unlink", "anna", "{'identity': 'card-7'}");
    get(p, "customer.forget", "anna", "{}");
    r = get(p, "log.read", "", "{'stream': %d}", card);
    MUST_LIST(r, "entries", "kind", "put link unlink");
    cr_assert_null(at(r, "entries[1].to"));
    cr_assert(nbx_str_is(text_at(r, "entries[1].to_number"), number));
}

Test(log, requests_are_bounded)
{
    REFUSED(ask(p, "log.read", "", "{}"), "bad_request", "stream", "required");
    REFUSED(ask(p, "log.read", "", "{'stream': 257}"), "bad_request", "stream", NULL);
    REFUSED(ask(p, "log.read", "", "{'stream': 1, 'from': 0}"), "bad_request", "from", NULL);
    REFUSED(ask(p, "log.read", "", "{'stream': 1, 'n': 1001}"), "bad_request", "n", NULL);
    REFUSED(ask(p, "log.read", "anna", "{'stream': 1}"), "bad_request", NULL, "key");
}

/* Runs nbx with these words; its exit code, what it printed in `out`. */
static int run_nbx(const char *words, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s/nbx %s --endpoint %s 2>&1", NBX_BIN_DIR, words,
             s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    cr_assert(f && text, "%s", path);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
    fclose(f);
    return text;
}

/* Every line is JSON, and each stream goes on where it stopped. *n: the commands. */
static void check_lines(const char *text, int64_t *n)
{
    int64_t next[CATALOGUE + 1] = {0};
    *n = 0;
    while (*text) {
        size_t len = strcspn(text, "\n");
        struct nbx_value v;
        struct nbx_fault fault;
        cr_assert_eq(text[len], '\n');
        cr_assert_eq(nbx_json_decode(&v, text, len, p->arena, &fault), NBX_OK, "%s", fault.message);
        int64_t *stream = &next[int_at(&v, "stream")];
        cr_assert_eq(int_at(&v, "seq"), *stream + 1);
        *stream += int_at(&v, "n");
        *n += int_at(&v, "n");
        text += len + 1;
    }
}

static void tell(int first, int n)
{
    for (int i = first; i < first + n; i++) {
        char customer[16];
        snprintf(customer, sizeof customer, "c%d", i % 40);
        get(p, "observe", customer,
            "{'ack': 'memory', 'events': [{'type': 'view', 'id': 'e%d',"
            " 'item': 'i%d'}, {'type': 'view', 'item': 'x'}]}",
            i, i);
    }
}

Test(log, an_export_is_whole_and_goes_on_where_it_stopped)
{
    char out[4096], words[256], path[160];
    int64_t n;
    snprintf(path, sizeof path, "%s/log.jsonl", s.folder);
    snprintf(words, sizeof words, "log export %s", path);
    get(p, "item.put", "", "{'items': [{'id': 'a', 'vector': [1, 2]}]}");
    tell(0, 150);
    cr_assert_eq(run_nbx(words, out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(out, "301 commands\n");
    char *whole = read_all(path);
    check_lines(whole, &n);
    cr_assert_eq(n, 301);
    cr_assert_eq(truncate(path, (off_t)strlen(whole) * 2 / 3), 0);
    cr_assert_eq(run_nbx(words, out, sizeof out), 0, "%s", out);
    char *again = read_all(path);
    cr_assert_str_eq(again, whole, "the same lines, whether or not it was interrupted");
    tell(150, 50);
    cr_assert_eq(run_nbx(words, out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(out, "100 commands\n", "what is new");
    free(again);
    again = read_all(path);
    check_lines(again, &n);
    cr_assert_eq(n, 401);
    cr_assert_eq(strncmp(again, whole, strlen(whole)), 0, "appended");
    free(whole);
    free(again);
    snprintf(words, sizeof words, "log export %s", s.config);
    cr_assert_eq(run_nbx(words, out, sizeof out), 1);
    cr_assert_not_null(strstr(out, "no export of a log"), "%s", out);
    cr_assert_eq(run_nbx("log export /nowhere/x", out, sizeof out), 1);
    cr_assert_not_null(strstr(out, "/nowhere/x"), "%s", out);
}

Test(log, tail_shows_the_newest_and_follows)
{
    char out[1 << 16], command[512];
    tell(0, 30);
    get(p, "item.put", "", "{'items': [{'id': 'newest'}]}");
    cr_assert_eq(run_nbx("log tail --n 5", out, sizeof out), 0, "%s", out);
    int lines = 0;
    for (char *c = out; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, 5, "%s", out);
    cr_assert_not_null(strstr(out, "newest"), "%s", out);
    cr_assert_null(strstr(out, "i20"), "%s", out);
    snprintf(command, sizeof command, "exec %s/nbx log tail --n 1 --follow --endpoint %s",
             NBX_BIN_DIR, s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    cr_assert_not_null(fgets(out, sizeof out, f));
    cr_assert_not_null(strstr(out, "newest"), "%s", out);
    get(p, "customer.put", "late", "{'locale': 'de'}");
    cr_assert_not_null(fgets(out, sizeof out, f));
    cr_assert(strstr(out, "\"customer\":\"late\"") && strstr(out, "\"put\""), "%s", out);
    server_kill(&s);
    int status = pclose(f); /* nobody answers it any more */
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    server_begin(&s);
}
