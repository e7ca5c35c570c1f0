/* SPDX-License-Identifier: MIT
 * What is taken back, told and forgotten of linked identities is that of the whole person.
 */
#include "tests/daemon/harness_files.h"
#include "tests/daemon/harness_people.h"

#include <sys/wait.h>

static struct server s;
static struct peer *const p = &s.peer;

TestSuite(linked_erased, .timeout = 600);

/* In everything of a person that is text; no other text has it. */
#define MARK "forgetmemark"

static const char *const marked[N_PEOPLE] = {"card-" MARK, "web-1-" MARK, "web-2-" MARK,
                                             "mail-" MARK, "device-" MARK};

static void put_items(void)
{
    get(p, "item.put", "",
        "{'items': [{'id': 'a', 'brand': 'x', 'categories': ['c']}, {'id': 'b', 'brand': 'y'},"
        " {'id': 'c', 'categories': ['c']}]}");
}

static void retract(void)
{
    put_items();
    people_link(p);
    for (int i = 0; i < N_PEOPLE; i++)
        get(p, "observe", people[i],
            "{'events': [{'id': 'a%d', 'type': 'view', 'item': 'a'}, {'id': 'b%d', 'type': "
            "'purchase', 'item': 'b'}, {'id': 'c', 'type': 'view', 'item': 'c'}]}",
            i, i);
    get(p, "observe", "bert", "{'events': [{'id': 'a1', 'type': 'view', 'item': 'a'}]}");
    must_be(get(p, "retract", people[2], "{'item': 'a'}"), "retracted", "5");
    must_be(get(p, "customer.get", people[0], "{}"), "seen", "2");
    /* one of one identity's, one that all have, one twice that nobody has, one long gone */
    struct nbx_value *r = get(p, "retract", people[1],
                              "{'events': ['b3', 'c', 'nowhere', 'nowhere', 'a0'], 'id': 'r'}");
    must_be(r, "retracted", "6");
    must_be(r, "unknown", "2");
    must_be(r, "id", "'r'");
    r = get(p, "observe", people[4],
            "{'events': [{'id': 'nowhere', 'type': 'view', 'item': 'a'}]}");
    must_be(r, "duplicates", "1"); /* by whichever identity it comes */
    must_be(get(p, "retract", people[0], "{'brand': 'y', 'ack': 'memory'}"), "retracted", "4");
    r = get(p, "retract", people[0], "{'all': true}");
    must_be(r, "retracted", "0");
    must_be(r, "unknown", "0");
    for (int i = 0; i < N_PEOPLE; i++)
        must_be(get(p, "customer.get", people[i], "{}"), "known", "false");
    cr_assert_eq(count_at(get(p, "customer.get", people[4], "{}"), "linked"), N_PEOPLE);
    must_be(get(p, "customer.get", "bert", "{}"), "seen", "1");
    server_kill(&s);
    server_begin(&s);
    must_be(get(p, "customer.get", people[3], "{}"), "known", "false");
    cr_assert_eq(server_run(&s, "--verify", NULL), 0);
}

Test(linked_erased, what_is_retracted_is_so_of_all_identities)
{
    people_with_workers(&s, retract);
}

static void live(const char *customer)
{
    get(p, "customer.put", customer,
        "{'attributes': {'name': 'attribute-" MARK "'}, 'identities': {'card': 'card-" MARK "'}}");
    for (int i = 0; i < 10; i++)
        get(p, "observe", customer,
            "{'events': [{'id': 'event-" MARK "-%d', 'type': 'purchase', 'item': 'a',"
            " 'session': 'session-" MARK "-%d', 'attributes': {'note': 'note-" MARK "'}}]}",
            i, i);
    get(p, "recommend", customer, "{'context': {'said': 'context-" MARK "'}}");
}

/* The last of them has done nothing at all. */
static void link_marked(void)
{
    for (int i = 0; i < N_PEOPLE; i++) {
        if (i < N_PEOPLE - 1)
            live(marked[i]);
        if (i)
            get(p, "customer.link", marked[i - 1], "{'identity': '%s', 'type': 'kind-" MARK "'}",
                marked[i]);
    }
}

static void forget(void)
{
    char found[256];
    put_items();
    get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'b'}]}");
    link_marked();
    server_end(&s); /* into tables */
    server_begin(&s);
    get(p, "observe", marked[1], "{'events': [{'type': 'view', 'item': 'c'}]}");
    get_until(p, "", "{'n': 3}", "a b c");
    struct nbx_value *r = get(p, "customer.forget", marked[2], "{'id': 1}");
    must_be(r, "forgotten", "true");
    must_be(r, "identities", "5");
    must_be(r, "events", "41");
    must_be(r, "decisions", "4");
    must_be(r, "id", "1");
    cr_assert_eq(text_at(r, "receipt").len, 32);
    for (int i = 0; i < N_PEOPLE; i++) {
        r = get(p, "customer.get", marked[i], "{}");
        must_be(r, "known", "false");
        cr_assert_null(at(r, "linked"));
        r = get(p, "customer.forget", marked[i], "{}");
        must_be(r, "forgotten", "false");
        cr_assert_null(at(r, "identities"));
    }
    get_until(p, "", "{'n': 1}", "b");
    cr_assert_eq(server_stat(&s, "identities.linked"), 0);
    server_wait_erased(&s);
    cr_assert_eq(server_stat(&s, "forgotten.erased"), N_PEOPLE);
    cr_assert_eq(server_count_files(&s, MARK, found), 0, "%s", found);
    cr_assert_eq(server_prove(&s, marked, N_PEOPLE), 0);
    cr_assert_eq(server_run(&s, "--verify", NULL), 0);
    must_be(get(p, "customer.get", "bert", "{}"), "seen", "1");
    get(p, "customer.link", marked[0], "{'identity': '%s'}", marked[1]); /* another person */
    r = get(p, "customer.get", marked[1], "{}");
    must_be(r, "known", "false");
    cr_assert_eq(count_at(r, "linked"), 2);
}

Test(linked_erased, forgetting_one_forgets_the_person)
{
    people_with_workers(&s, forget);
}

static void end_in_between(void)
{
    char found[256];
    put_items();
    link_marked();
    get(p, "customer.forget", marked[0], "{}");
    server_kill(&s);
    cr_assert_gt(server_count_files(&s, MARK, found), 0);
    server_begin(&s);
    cr_assert_eq(server_stat(&s, "forgotten.to_erase"), N_PEOPLE);
    server_wait_erased(&s);
    cr_assert_eq(server_count_files(&s, MARK, found), 0, "%s", found);
    cr_assert_eq(server_prove(&s, marked, N_PEOPLE), 0);
}

Test(linked_erased, a_person_forgotten_before_the_end_is_soon_out_of_the_files)
{
    people_with_workers(&s, end_in_between);
}

/* Of whom a page is; what it has of events by id goes behind `all`. */
static void note_page(const struct nbx_value *page, char *all, size_t room)
{
    size_t used = strlen(all);
    snprintf(all + used, room - used, "%.*s%s%s%s;", NBX_STR_ARG(text_at(page, "identity")),
             at(page, "customer") ? "*" : "", count_at(page, "events") ? ":" : "",
             joined(page, "events", "id"));
}

static void export_all(void)
{
    char all[8192] = "", next[256], want[8192] = "";
    put_items();
    people_link(p);
    for (int i = 0; i < N_PEOPLE - 1; i++)
        get(p, "observe", people[i],
            "{'events': [{'id': 'e%d', 'type': 'view', 'item': 'a', 'time': 1}, {'id': 'f%d', "
            "'type': 'view', 'item': 'b', 'time': 2}]}",
            i, i);
    get(p, "customer.put", people[3], "{'attributes': {'age': 5}}");
    struct nbx_value *r = get(p, "customer.export", people[1], "{}");
    cr_assert_eq(count_at(r, "linked"), N_PEOPLE);
    must_be(r, "linked[0]", "{'id': 'card-4711'}");
    must_be(r, "customer.id", "'web-1'");
    for (;;) {
        note_page(r, all, sizeof all);
        if (!at(r, "next"))
            break;
        snprintf(next, sizeof next, "%.*s", NBX_STR_ARG(text_at(r, "next")));
        r = get(p, "customer.export", people[1], "{'after': '%s'}", next);
        cr_assert_null(at(r, "linked"));
    }
    const struct nbx_value *linked = at(get(p, "customer.get", people[1], "{}"), "linked");
    snprintf(want, sizeof want, "web-1*:e1 f1;");
    for (uint32_t i = 0; i < linked->n; i++) { /* the others, in the order of `linked` */
        struct nbx_str id = nbx_value_get(&linked->list[i], "id")->s;
        for (int k = 0; k < N_PEOPLE; k++) {
            size_t used = strlen(want);
            if (k != 1 && nbx_str_is(id, people[k]) && k < N_PEOPLE - 1)
                snprintf(want + used, sizeof want - used, "%s*:e%d f%d;", people[k], k, k);
            else if (k != 1 && nbx_str_is(id, people[k]))
                snprintf(want + used, sizeof want - used, "%s*;", people[k]);
        }
    }
    cr_assert_str_eq(all, want);
    get(p, "customer.unlink", people[0], "{'identity': '%s'}", people[1]);
    REFUSED(ask(p, "customer.export", people[1], "{'after': '%s'}", next), "conflict", "after",
            "not linked");
    r = get(p, "customer.export", people[1], "{}");
    cr_assert_null(at(r, "identity"));
    cr_assert_null(at(r, "next"));
    MUST_LIST(r, "commands", "kind", "link unlink");
}

Test(linked_erased, an_export_has_all_identities)
{
    people_with_workers(&s, export_all);
}

Test(linked_erased, an_export_by_the_command_line_is_whole)
{
    char command[512], out[16384];
    server_start(&s, &(struct server_options){.settings = "workers: 2\n"});
    put_items();
    people_link(p);
    for (int i = 0; i < N_PEOPLE; i++)
        get(p, "observe", people[i], "{'events': [{'id': 'done-by-%d', 'type': 'view'}]}", i);
    snprintf(command, sizeof command, "%s/nbx customer export web-1 --endpoint %s", NBX_BIN_DIR,
             s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, sizeof out - 1, f)] = '\0';
    cr_assert_eq(WEXITSTATUS(pclose(f)), 0);
    cr_assert(strstr(out, "\"others\""), "%s", out);
    for (int i = 0; i < N_PEOPLE; i++) {
        char id[32];
        snprintf(id, sizeof id, "\"done-by-%d\"", i);
        cr_assert(strstr(out, id), "%s is not in %s", id, out);
        cr_assert(strstr(out, people[i]), "%s is not in %s", people[i], out);
    }
    server_stop(&s);
}
