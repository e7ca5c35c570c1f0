/* SPDX-License-Identifier: MIT
 * Links are what the log says of them, and one that is undone is nothing.
 */
#include "tests/unit/care/again.h"

TestSuite(rebuild_links, .init = again_begin, .fini = again_end, .timeout = 600);

static void write_link(uint64_t number, const struct nbx_link_record *record)
{
    struct nbx_buf b = {0};
    struct nbx_key key = nbx_key_customer(number);
    nbx_link_record_encode(&b, record);
    write_raw(NBX_FAMILY_LINKS, &key, NBX_LINK_RECORD, &b);
    nbx_buf_fini(&b);
}

/* Of a link that is not what the log says each word is seen. */
Test(rebuild_links, a_link_that_is_something_else_differs)
{
    struct nbx_link_record was, now;
    town_observe(&t, "anna", "{type:'view',item:'i01'}");
    town_link(&t, "bert", "anna", "card");
    town_link(&t, "cleo", "dora", "");
    uint64_t bert = town_profile(&t, "bert").reserved, dora = town_profile(&t, "dora").reserved;
    cr_assert_eq(nbx_link_read(&was, &t.scope, bert), NBX_OK);
    cr_assert_eq(rebuild("0").differences, 0, "%s", told_text());
    for (int what = 0; what < 4; what++) {
        char name[2] = {(char)('1' + what), '\0'};
        now = was;
        switch (what) {
        case 0: now.parent = dora; break;
        case 1: now.since_ms++; break;
        case 2: now.type = NBX_STR(""); break;
        default: now = (struct nbx_link_record){.id = was.id}; break;
        }
        write_link(bert, &now);
        uint64_t n = rebuild(name).differences; /* behind a line that lacks all may differ */
        cr_assert(what == 3 ? n > 0 : n == 1, "%s", told_text());
        cr_assert_not_null(
            strstr(told_text(), "rebuilt link {\"customer\":\"bert\",\"to\":\"anna\""), "%s",
            told_text());
    }
    write_link(bert, &was);
    cr_assert_eq(rebuild("5").differences, 0, "%s", told_text());
}

/* Nor is it any state that a link once led to somebody, or from one who is not there. */
Test(rebuild_links, a_link_that_is_undone_was_never_made)
{
    struct nbx_forgetting done;
    town_observe(&t, "anna", "{type:'view',item:'i01'}");
    town_observe(&t, "bert", "{type:'view',item:'i02'}");
    struct nbx_buf without = dump(t.shop.f.store);
    cr_assert_null(strstr((const char *)without.p, "link "));
    town_link(&t, "bert", "anna", "card");
    town_link(&t, "unknown", "bert", "device");
    struct nbx_buf with = dump(t.shop.f.store);
    cr_assert_not_null(
        strstr((const char *)with.p, "link {\"customer\":\"bert\",\"to\":\"anna\",\"since\":"));
    cr_assert_not_null(strstr((const char *)with.p, "\"type\":\"card\"}"));
    cr_assert_not_null(
        strstr((const char *)with.p, "link {\"customer\":\"unknown\",\"to\":\"bert\""));
    town_unlink(&t, "bert", "anna");
    town_unlink(&t, "unknown", "bert");
    struct nbx_buf undone = dump(t.shop.f.store);
    cr_assert_str_eq((const char *)undone.p, (const char *)without.p);
    town_link(&t, "anna", "unknown", "");
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("unknown")), NBX_OK);
    struct nbx_buf forgotten = dump(t.shop.f.store);
    cr_assert_str_eq((const char *)forgotten.p, (const char *)without.p);
    cr_assert_eq(rebuild("again").differences, 0, "%s", told_text());
    nbx_buf_fini(&without);
    nbx_buf_fini(&with);
    nbx_buf_fini(&undone);
    nbx_buf_fini(&forgotten);
}
