/* SPDX-License-Identifier: MIT
 * Customers of a town being linked.
 *
 * Threads: one.
 * Errors:  whatever fails here fails the test, but what answers a code.
 */
#ifndef NBX_TEST_DECIDE_LINKING_H
#define NBX_TEST_DECIDE_LINKING_H

#include "tests/unit/decide/town.h"

static inline enum nbx_err town_try_link(struct town *t, const char *identity, const char *customer,
                                         const char *type)
{
    struct nbx_linking done;
    struct nbx_link_record record = {.id = nbx_str_c(identity), .type = nbx_str_c(type)};
    cr_assert_eq(nbx_link_accept(&t->scope, nbx_str_c(customer), &t->fault), NBX_OK);
    return nbx_link(&done, &t->scope, &record, nbx_str_c(customer), &t->fault);
}

static inline void town_link(struct town *t, const char *identity, const char *customer,
                             const char *type)
{
    cr_assert_eq(town_try_link(t, identity, customer, type), NBX_OK, "%s", t->fault.message);
}

/* Of whoever it is linked to. */
static inline enum nbx_err town_try_unlink(struct town *t, const char *identity,
                                           const char *customer)
{
    struct nbx_linking done;
    return nbx_unlink(&done, &t->scope, nbx_str_c(identity), nbx_str_c(customer), &t->fault);
}

static inline void town_unlink(struct town *t, const char *identity, const char *customer)
{
    cr_assert_eq(town_try_unlink(t, identity, customer), NBX_OK, "%s", t->fault.message);
}

/* The ids of all that are one person with the customer, itself among them; how many. */
static inline uint32_t town_linked(struct town *t, const char *customer,
                                   struct nbx_str ids[NBX_LINKED_MAX])
{
    struct nbx_profile profile = town_profile(t, customer);
    struct nbx_link_record record;
    uint32_t n = profile.linked ? profile.linked->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(nbx_link_read(&record, &t->scope, profile.linked->parts[i].number), NBX_OK);
        ids[i] = record.id;
    }
    return n;
}

#endif
