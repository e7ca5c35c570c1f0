/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_people.h"

#include "engine/base/hash.h"

const char *const people[N_PEOPLE] = {"card-4711", "web-1", "web-2", "mail-5f3a", "device-9"};

/* How many of n workers own some of them. */
static unsigned owners(unsigned n)
{
    unsigned owned = 0, count = 0;
    for (int i = 0; i < N_PEOPLE; i++)
        owned |= 1u << (nbx_hash64_str(nbx_str_c(people[i])) & 255) % n;
    for (; owned; owned >>= 1)
        count += owned & 1;
    return count;
}

void people_with_workers(struct server *s, void (*scenario)(void))
{
    static const unsigned workers[] = {1, 2, 4};
    cr_assert_geq(owners(4), 3u);
    cr_assert_eq(owners(2), 2u);
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        char settings[32];
        snprintf(settings, sizeof settings, "workers: %u\n", workers[i]);
        server_start(s, &(struct server_options){.settings = settings, .http = true});
        scenario();
        server_stop(s);
    }
}

void people_link(struct peer *p)
{
    for (int i = 1; i < N_PEOPLE; i++)
        must_be(get(p, "customer.link", people[0], "{'identity': '%s'}", people[i]), "linked",
                "true");
}

struct nbx_str raw_answer(struct peer *p, const char *op, const char *key, const char *body)
{
    struct answer a = ask(p, op, key, "%s", body);
    cr_assert_str_eq(a.status, "ok", "%s of %s", op, key);
    return a.raw;
}

void people_must_agree(struct peer *p, const char *const *ids, int n)
{
    static const char *const bodies[] = {
        "{'n': 50, 'now': 1700000000000, 'explain': true, 'record': 'none'}",
        "{'n': 50, 'exclude_seen': true, 'record': 'none'}"};
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
        struct nbx_str first = raw_answer(p, "recommend", ids[0], bodies[b]);
        for (int i = 1; i < n; i++)
            cr_assert(nbx_str_eq(first, raw_answer(p, "recommend", ids[i], bodies[b])),
                      "%s is answered another list than %s: %s", ids[i], ids[0], bodies[b]);
    }
}
