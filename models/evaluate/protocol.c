/* SPDX-License-Identifier: MIT */
#include "models/evaluate/protocol.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_BYTES 64

struct protocol {
    const char *name;
    enum nbx_err (*check)(const struct nbx_dataset *events, const struct nbx_dataset *test,
                          struct nbx_fault *fault); /* NULL: asks nothing */
};

static int shown(struct nbx_str id)
{
    return id.len > SHOWN_BYTES ? SHOWN_BYTES : (int)id.len;
}

static enum nbx_err check_one_each(const struct nbx_dataset *events, const struct nbx_dataset *test,
                                   struct nbx_fault *fault)
{
    (void)events;
    for (size_t c = 0; c < test->n_customers; c++) {
        size_t n = nbx_csr_row_entries(&test->by_customer, c);
        if (n > 1)
            return nbx_fault_set(
                fault, NBX_EBAD, "test",
                "customer \"%.*s\" has %zu held-out items, leave-one-out takes one of each",
                shown(test->customer_ids[c]), test->customer_ids[c].p, n);
    }
    return NBX_OK;
}

/* Events without times have the last_ms NBX_DATASET_NO_TIME, which no time is below. */
static enum nbx_err check_later(const struct nbx_dataset *events, const struct nbx_dataset *test,
                                struct nbx_fault *fault)
{
    for (size_t c = 0; c < test->n_customers; c++) {
        for (uint64_t i = test->by_customer.start[c]; i < test->by_customer.start[c + 1]; i++)
            if (test->times_ms[i] != NBX_DATASET_NO_TIME && test->times_ms[i] < events->last_ms)
                return nbx_fault_set(fault, NBX_EBAD, "test",
                                     "customer \"%.*s\" has a held-out item of %" PRId64
                                     ", but events go on until %" PRId64,
                                     shown(test->customer_ids[c]), test->customer_ids[c].p,
                                     test->times_ms[i], events->last_ms);
    }
    return NBX_OK;
}

static const struct protocol protocols[] = {
    {"lightgcn", NULL},
    {"leave-one-out", check_one_each},
    {"time-split", check_later},
    {"strong", NULL},
};

static const struct protocol *find(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}

bool nbx_protocol_known(const char *name)
{
    return find(name) != NULL;
}

enum nbx_err nbx_protocol_check(const char *name, const struct nbx_dataset *events,
                                const struct nbx_dataset *test, struct nbx_fault *fault)
{
    const struct protocol *p = find(name);
    if (!p)
        return nbx_fault_set(fault, NBX_EBAD, "protocol", "unknown \"%.64s\", known are %s", name,
                             NBX_PROTOCOLS);
    return p->check ? p->check(events, test, fault) : NBX_OK;
}
