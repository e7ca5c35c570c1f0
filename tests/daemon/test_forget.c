/* SPDX-License-Identifier: MIT
 * customer.forget: gone at once from every answer, soon from every file, and from whatever is
 * restored.
 */
#include "tests/daemon/harness_files.h"

#include <ftw.h>
#include <sys/stat.h>

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

TestSuite(forget, .init = begin, .fini = end, .timeout = 240);

/* In everything of a customer that is text; no other text has it. */
#define MARK "forgetmemark"

static void live(const char *customer)
{
    get(p, "customer.put", customer,
        "{'attributes': {'name': 'attribute-" MARK "'}, 'identities': {'card': 'card-" MARK "'}}");
    for (int i = 0; i < 30; i++)
        get(p, "observe", customer,
            "{'events': [{'id': 'event-" MARK "-%d', 'type': 'purchase', 'item': 'a',"
            " 'session': 'session-" MARK "-%d', 'attributes': {'note': 'note-" MARK "'}}]}",
            i, i);
    get(p, "recommend", customer, "{'context': {'said': 'context-" MARK "'}}");
}

static char found[256]; /* the last of the files that have something */

Test(forget, a_receipt_says_what_went_and_trends_have_lost_it)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'b'}]}");
    live("anna");
    get_until(p, "", "{'n': 2}", "a b");
    struct nbx_value *r = get(p, "customer.forget", "anna", "{}");
    must_be(r, "forgotten", "true");
    must_be(r, "events", "30");
    must_be(r, "decisions", "1");
    cr_assert_eq(text_at(r, "receipt").len, 32);
    cr_assert_gt(int_at(r, "time"), 1700000000000);
    get_until(p, "", "{'n': 2}", "b a");
    must_be(get(p, "customer.forget", "anna", "{}"), "forgotten", "false");
    must_be(get(p, "customer.export", "anna", "{}"), "customer.known", "false");
    server_end(&s);
    server_begin(&s);
    get_until(p, "", "{'n': 2}", "b a");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    server_kill(&s);
    server_begin(&s);
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "1"); /* who comes back stays */
}

Test(forget, soon_no_file_holds_anything_of_it)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}]}");
    live("anna-" MARK);
    live("bert");
    server_end(&s); /* into tables */
    server_begin(&s);
    live("anna-" MARK);
    live("carl-" MARK);
    cr_assert_gt(server_count_files(&s, MARK, found), 0);
    cr_assert_eq(server_prove(&s, NULL, 0), 0);
    cr_assert_eq(server_prove(&s, (const char *[]){"anna-" MARK}, 1), 3, "who was not forgotten");
    get(p, "customer.forget", "anna-" MARK, "{}");
    cr_assert_eq(server_prove(&s, NULL, 0), 3, "not yet out of the files");
    get(p, "customer.forget", "bert", "{}");
    get(p, "customer.forget", "carl-" MARK, "{}");
    get(p, "observe", "dora", "{'events': [{'type': 'view', 'item': 'a'}]}");
    server_wait_erased(&s);
    cr_assert_eq(server_stat(&s, "forgotten.erased"), 3);
    cr_assert_eq(server_count_files(&s, MARK, found), 0, "%s", found);
    must_be(get(p, "customer.get", "dora", "{}"), "seen", "1");
    cr_assert_eq(server_prove(&s, (const char *[]){"anna-" MARK, "carl-" MARK}, 2), 0);
    cr_assert_eq(server_prove(&s, (const char *[]){"anna-" MARK, "dora"}, 2), 3);
    cr_assert_eq(server_run(&s, "--verify", NULL), 0);
}

Test(forget, an_end_in_between_leaves_the_rest_to_the_next_start)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}]}");
    live("anna-" MARK);
    server_end(&s);
    server_begin(&s);
    get(p, "customer.forget", "anna-" MARK, "{}");
    server_kill(&s);
    cr_assert_gt(server_count_files(&s, MARK, found), 0);
    server_begin(&s);
    cr_assert_eq(server_stat(&s, "forgotten.to_erase"), 1);
    server_wait_erased(&s);
    cr_assert_eq(server_count_files(&s, MARK, found), 0, "%s", found);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

/* The data folder is lost but for the list; a backup takes its place. */
static void restore_from(const char *saved)
{
    char list[200], kept[200];
    snprintf(list, sizeof list, "%s/forgotten", s.data);
    snprintf(kept, sizeof kept, "%s/kept", s.folder);
    server_kill(&s);
    cr_assert_eq(rename(list, kept), 0);
    cr_assert_eq(nftw(s.data, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    cr_assert_eq(mkdir(s.data, 0750), 0);
    cr_assert_eq(rename(kept, list), 0);
    cr_assert_eq(server_run(&s, "--restore", saved), 0);
    server_begin(&s);
}

Test(forget, a_restored_backup_forgets_again_before_it_serves)
{
    char saved[200];
    snprintf(saved, sizeof saved, "%s/saved", s.folder);
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    live("anna-" MARK);
    live("bert");
    live("carl");
    get(p, "customer.forget", "carl", "{}");
    get(p, "observe", "carl", "{'events': [{'type': 'view', 'item': 'b'}]}");
    get(p, "backup", "", "{'dir': '%s'}", saved);
    get(p, "customer.forget", "anna-" MARK, "{}");
    get(p, "observe", "anna-" MARK, "{'events': [{'type': 'view', 'item': 'b'}]}");
    restore_from(saved);
    must_be(get(p, "customer.get", "anna-" MARK, "{}"), "known", "false");
    must_be(get(p, "customer.get", "bert", "{}"), "seen", "1");
    must_be(get(p, "customer.get", "carl", "{}"), "seen", "1"); /* who had come back */
    server_wait_erased(&s);
    cr_assert_eq(server_count_files(&s, "anna-" MARK, found), 0, "%s", found);
    get(p, "observe", "anna-" MARK, "{'events': [{'type': 'view', 'item': 'b'}]}");
    server_end(&s);
    server_begin(&s);
    must_be(get(p, "customer.get", "anna-" MARK, "{}"), "seen", "1");
    cr_assert_eq(server_run(&s, "--verify", NULL), 0);
}
