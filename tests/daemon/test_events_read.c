/* SPDX-License-Identifier: MIT
 * events.read: whose events come, which of them, each once however the pages fall, and what
 * `nbx events export` makes of them.
 */
#include "tests/daemon/harness_people.h"

#include "engine/base/clock.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CUSTOMERS 60
#define N_EACH      5
#define MAX_SEEN    2048
#define ID_BYTES    16

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

TestSuite(events_read, .init = begin, .fini = end, .timeout = 120);

/* All pages put together. */
struct seen {
    const struct nbx_value *events[MAX_SEEN]; /* (n) in the peer's arena */
    char ids[MAX_SEEN][ID_BYTES];             /* (n) theirs, which outlive the peer */
    size_t n, pages;
    char next[128]; /* of the page read last; "" at the end */
};

static void read_page(struct seen *seen, const char *fields)
{
    char after[160] = "";
    if (seen->next[0])
        snprintf(after, sizeof after, "%s'after': '%s'", *fields ? ", " : "", seen->next);
    struct nbx_value *r = get(p, "events.read", "", "{%s%s}", fields, after);
    const struct nbx_value *events = at(r, "events"), *next = at(r, "next");
    cr_assert_leq(seen->n + events->n, MAX_SEEN);
    for (uint32_t i = 0; i < events->n; i++) {
        seen->events[seen->n] = &events->list[i];
        snprintf(seen->ids[seen->n++], ID_BYTES, "%.*s",
                 NBX_STR_ARG(text_at(&events->list[i], "id")));
    }
    seen->next[0] = '\0';
    if (next)
        snprintf(seen->next, sizeof seen->next, "%.*s", NBX_STR_ARG(next->s));
    seen->pages++;
}

static struct seen *read_rest(struct seen *seen, const char *fields)
{
    do
        read_page(seen, fields);
    while (seen->next[0]);
    return seen;
}

static struct seen *read_all(const char *fields)
{
    static struct seen seen;
    seen = (struct seen){0};
    return read_rest(&seen, fields);
}

/* The ids of all events that come, in their order, joined by blanks. */
static const char *ids(const char *fields)
{
    static char text[65536];
    const struct seen *seen = read_all(fields);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < seen->n; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", seen->ids[i]);
    return text;
}

#define MUST_READ(fields, want) cr_assert_str_eq(ids(fields), want)

static void tell(int first, int n)
{
    for (int i = first; i < first + n; i++)
        for (int e = 0; e < N_EACH; e++)
            get(p, "observe", "",
                "{'ack': 'memory', 'events': [{'customer': 'c%d', 'id': 'c%d-%d', 'type': 'view',"
                " 'item': 'i%d', 'time': %d}]}",
                i, i, e, e, 1000 + 10 * e);
}

/* Each of the n customers' events once, a customer's together and by time. */
static void must_be_whole(const struct seen *seen, int n)
{
    static bool found[N_CUSTOMERS][N_EACH];
    int customer, event, last_customer = -1, last_event = 0;
    memset(found, 0, sizeof found);
    for (size_t i = 0; i < seen->n; i++) {
        const char *id = seen->ids[i];
        cr_assert_eq(sscanf(id, "c%d-%d", &customer, &event), 2, "%s", id);
        if (customer >= n)
            continue; /* came meanwhile */
        cr_assert_not(found[customer][event], "%s comes twice", id);
        cr_assert(customer != last_customer || event > last_event, "%s is out of order", id);
        found[customer][event] = true;
        last_customer = customer;
        last_event = event;
    }
    for (int i = 0; i < n * N_EACH; i++)
        cr_assert(found[i / N_EACH][i % N_EACH], "c%d-%d is missing", i / N_EACH, i % N_EACH);
}

Test(events_read, an_empty_daemon_has_none)
{
    struct nbx_value *r = get(p, "events.read", "", "{'id': 7}");
    must_be(r, "events", "[]");
    must_be(r, "id", "7");
    cr_assert_null(at(r, "next"));
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'a'}]}");
    cr_assert_eq(read_all("")->n, 0, "nobody's");
}

Test(events_read, every_page_size_gives_each_event_once)
{
    static const char *const sizes[] = {"", "'n': 1000", "'n': 7", "'n': 1"};
    tell(0, N_CUSTOMERS);
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'a', 'time': 5}]}");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct seen *seen = read_all(sizes[i]);
        must_be_whole(seen, N_CUSTOMERS);
        cr_assert_eq(seen->n, N_CUSTOMERS * N_EACH);
        if (i == 3)
            cr_assert_geq(seen->pages, seen->n);
    }
}

Test(events_read, an_event_says_whose_it_is_and_what_it_had)
{
    get(p, "observe", "anna",
        "{'events': [{'id': 'e1', 'type': 'purchase', 'item': 'a', 'time': 5, 'channel': 'web',"
        " 'value': 700, 'quantity': 2, 'session': 's', 'attributes': {'gift': true}},"
        " {'id': 'e2', 'type': 'rating', 'item': 'a', 'time': 6, 'rating': 1},"
        " {'id': 'e3', 'type': 'search', 'time': 7}]}");
    const struct seen *seen = read_all("");
    cr_assert_eq(seen->n, 3);
    must_be(seen->events[0], "",
            "{'time': 5, 'id': 'e1', 'type': 'purchase', 'item': 'a', 'channel': 'web',"
            " 'session': 's', 'quantity': 2.0, 'value': 700, 'attributes': {'gift': true},"
            " 'customer': 'anna', 'effect': 'positive'}");
    must_be(seen->events[1], "effect", "'negative'");
    must_be(seen->events[2], "",
            "{'time': 7, 'id': 'e3', 'type': 'search', 'customer': 'anna', 'effect': 'neutral'}");
}

Test(events_read, a_window_and_types_leave_others_out)
{
    for (int c = 0; c < 3; c++)
        get(p, "observe", "anna",
            "{'events': [{'id': 'v%d', 'type': 'view', 'item': 'a', 'time': %d},"
            " {'id': 'p%d', 'type': 'purchase', 'item': 'a', 'time': %d}]}",
            c, 10 * c, c, 10 * c + 5);
    MUST_READ("", "v0 p0 v1 p1 v2 p2");
    MUST_READ("'since': 10", "v1 p1 v2 p2");
    MUST_READ("'until': 10", "v0 p0");
    MUST_READ("'since': 5, 'until': 20", "p0 v1 p1");
    MUST_READ("'since': 5, 'until': 20, 'n': 1", "p0 v1 p1");
    MUST_READ("'since': 10, 'until': 10", "");
    MUST_READ("'since': 26", "");
    MUST_READ("'types': ['purchase']", "p0 p1 p2");
    MUST_READ("'types': ['cart', 'view'], 'since': 1, 'n': 1", "v1 v2");
    MUST_READ("'types': ['cart']", "");
}

Test(events_read, who_may_not_be_learnt_from_is_not_in_it)
{
    get(p, "observe", "",
        "{'events': [{'customer': 'anna', 'id': 'a', 'type': 'view', 'item': 'i', 'time': 1},"
        " {'customer': 'bert', 'id': 'b', 'type': 'view', 'item': 'i', 'time': 1}]}");
    get(p, "customer.put", "anna", "{'consent': {'train': false}}");
    MUST_READ("", "b");
    get(p, "customer.put", "anna", "{'consent': {'personalise': false, 'train': true}}");
    cr_assert_eq(read_all("")->n, 2, "consented to again");
    get(p, "customer.forget", "bert", "{}");
    MUST_READ("", "a");
    get(p, "retract", "anna", "{'events': ['a']}");
    MUST_READ("", "");
}

Test(events_read, what_is_held_has_not_happened)
{
    int64_t tomorrow_ms = nbx_clock_wall_ms() + INT64_C(86400000);
    get(p, "observe", "anna",
        "{'events': [{'id': 'now', 'type': 'view', 'item': 'i', 'time': 1},"
        " {'id': 'later', 'type': 'view', 'item': 'i', 'time': %lld}]}",
        (long long)tomorrow_ms);
    get(p, "observe", "new",
        "{'events': [{'id': 'tomorrow', 'type': 'view', 'item': 'i', 'time': %lld}]}",
        (long long)tomorrow_ms);
    MUST_READ("", "now");
}

/* One event of each identity; that of the first is t0. */
static void tell_people(void)
{
    for (int i = 0; i < N_PEOPLE; i++)
        get(p, "observe", people[i],
            "{'events': [{'id': 't%d', 'type': 'view', 'item': 'i%d', 'time': %d}]}", i, i, i);
}

static void must_be_one_person(void)
{
    const struct seen *seen = read_all("'n': 1");
    cr_assert_eq(seen->n, N_PEOPLE);
    for (size_t i = 0; i < seen->n; i++) {
        const struct nbx_value *e = seen->events[i], *identity = at(e, "identity");
        const char *own = people[int_at(e, "time")];
        cr_assert(nbx_str_is(text_at(e, "customer"), people[0]), "%s", own);
        cr_assert_eq(identity == NULL, own == people[0], "%s", own);
        cr_assert(!identity || nbx_str_is(identity->s, own), "%s", own);
    }
}

static void linked_scenario(void)
{
    p = &s.peer;
    tell_people();
    people_link(p);
    must_be_one_person();
    server_kill(&s);
    server_begin(&s);
    must_be_one_person();
    get(p, "customer.put", people[2], "{'consent': {'train': false}}");
    cr_assert_eq(read_all("")->n, 0, "one of them does not want it");
    get(p, "customer.unlink", people[0], "{'identity': '%s'}", people[2]);
    cr_assert_eq(read_all("")->n, N_PEOPLE - 1);
    get(p, "customer.forget", people[1], "{}");
    cr_assert_eq(read_all("")->n, 0, "the others are the one who was forgotten");
}

Test(events_read_linked, linked_identities_are_one_customer, .timeout = 120)
{
    people_with_workers(&s, linked_scenario);
}

static void paging_scenario(void)
{
    struct seen *seen = calloc(1, sizeof *seen);
    p = &s.peer;
    cr_assert_not_null(seen);
    tell(0, N_CUSTOMERS / 2);
    for (int i = 0; i < 20 && (i == 0 || seen->next[0]); i++) {
        read_page(seen, "'n': 9");
        tell(N_CUSTOMERS / 2 + i, 1);
    }
    server_kill(&s);
    server_begin(&s);
    must_be_whole(read_rest(seen, "'n': 9"), N_CUSTOMERS / 2);
    free(seen);
}

Test(events_read_linked, what_was_there_comes_once_while_others_come_and_the_daemon_dies,
     .timeout = 120)
{
    people_with_workers(&s, paging_scenario);
}

Test(events_read, mistakes_are_named)
{
    static const char *const cursors[] = {"0", "events:", "00112233445566", "001122334455667g",
                                          "0011223344556677AA"};
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++)
        REFUSED(ask(p, "events.read", "", "{'after': '%s'}", cursors[i]), "bad_request", "after",
                "is not what `next`");
    REFUSED(ask(p, "events.read", "", "{'since': 5, 'until': 4}"), "bad_request", "until",
            "is before `since`");
    REFUSED(ask(p, "events.read", "", "{'types': ['view', 'glance']}"), "bad_request", "types[1]",
            "unknown event type 'glance', known: impression, view");
    REFUSED(ask(p, "events.read", "", "{'n': 0}"), "bad_request", "n", NULL);
    REFUSED(ask(p, "events.read", "", "{'n': 1001}"), "bad_request", "n", NULL);
    REFUSED(ask(p, "events.read", "anna", "{}"), "bad_request", NULL, "key");
    must_be(get(p, "events.read", "", "{'after': 'ffffffffffffffff'}"), "events", "[]");
}

/* `nbx events export` */

static char said[4096];

static void export(const char *words, int code, const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s/nbx events export %s --endpoint %s 2>&1",
             s.folder, NBX_BIN_DIR, words, s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    int status = pclose(f);
    cr_assert_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, "%s: %s", words, said);
    cr_assert(strstr(said, text), "%s: no \"%s\" in: %s", words, text, said);
}

#define HEAD                                                                                       \
    "customer,item,type,time,effect,channel,placement,store,session,order,quantity,value,rating,"  \
    "decision\n"

Test(events_read, an_export_is_a_csv_file)
{
    char path[128];
    export("-", 0, HEAD);
    cr_assert_str_eq(said, HEAD, "no events, and quiet in a pipe");
    get(p, "observe", "anna, \"the\" first",
        "{'events': [{'id': 'e1', 'type': 'purchase', 'item': 'a', 'time': 5, 'value': -700,"
        " 'quantity': 2.5, 'channel': 'web'},"
        " {'id': 'e2', 'type': 'rating', 'item': 'a,b', 'time': 86400000, 'rating': 1}]}");
    export("all.csv", 0, "2 events\n");
    export("- --since 1970-01-02T00:00:00Z", 0, ",\"a,b\",rating,86400000,negative,,,,,,,,1,\n");
    export("- --types purchase,cart", 0,
           "\"anna, \"\"the\"\" first\",a,purchase,5,positive,web,,,,,2.5,-700,,\n");
    cr_assert_null(strstr(said, "rating,86400000"), "%s", said);
    export("- --types glance", 1, "nbx: bad_request: types[0]: unknown event type 'glance'");
    export("- --since 6 --until 5", 1, "nbx: bad_request: until: is before `since`");
    export("nowhere/all.csv", 1, "nbx: storage: nowhere/all.csv.part: cannot be written");
    snprintf(path, sizeof path, "%s/all.csv.part", s.folder);
    cr_assert_eq(access(path, F_OK), -1, "what was not finished is gone");
    snprintf(path, sizeof path, "%s/all.csv", s.folder);
    cr_assert_eq(access(path, F_OK), 0);
    server_end(&s);
    export("none.csv --timeout 0.2", 1, "nbx: busy: no reply from");
    snprintf(path, sizeof path, "%s/none.csv", s.folder);
    cr_assert_eq(access(path, F_OK), -1);
    server_begin(&s);
}
