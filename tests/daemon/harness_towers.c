/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_towers.h"

#include <stdlib.h>

#define ID_BYTES 12
#define A_PUT    1000

void towers_make(struct towers *t, size_t n_items, size_t dims)
{
    *t = (struct towers){.n_items = n_items, .dims = dims};
    t->vectors = calloc(n_items * dims, sizeof *t->vectors);
    t->ids = calloc(n_items, sizeof *t->ids + ID_BYTES);
    cr_assert(t->vectors && t->ids);
    char *text = (char *)(t->ids + n_items);
    for (size_t i = 0; i < n_items; i++, text += ID_BYTES) {
        snprintf(text, ID_BYTES, "i%zu", i);
        t->ids[i] = nbx_str_c(text);
    }
}

void towers_free(struct towers *t)
{
    free(t->vectors);
    free(t->ids);
    *t = (struct towers){0};
}

static void put_some(const struct towers *t, struct peer *p, size_t first, unsigned n_brands)
{
    struct nbx_buf b = {0};
    size_t n = t->n_items - first < A_PUT ? t->n_items - first : A_PUT;
    for (size_t i = first; i < first + n; i++) {
        nbx_buf_printf(&b, "%s{'id': '%s'", i == first ? "" : ", ", t->ids[i].p);
        if (n_brands)
            nbx_buf_printf(&b, ", 'brand': 'b%zu'", i % n_brands);
        nbx_buf_printf(&b, "}");
    }
    nbx_buf_put_u8(&b, '\0');
    cr_assert_eq(int_at(get(p, "item.put", "", "{'items': [%s]}", (char *)b.p), "applied"),
                 (int64_t)n);
    nbx_buf_fini(&b);
}

void towers_put_items(const struct towers *t, struct peer *p, unsigned n_brands)
{
    for (size_t i = 0; i < t->n_items; i += A_PUT)
        put_some(t, p, i, n_brands);
}

void towers_serve(const struct towers *t, struct server *s)
{
    struct nbx_bundle_info info = {.name = NBX_STR("towers"),
                                   .version = NBX_STR("1"),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1700000000000,
                                   .n_items = t->n_items,
                                   .item_ids = t->ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("towers"),
                                        .dims = t->dims,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = t->vectors};
    server_bundle(s, "towers", &info);
    server_reload(s);
}
