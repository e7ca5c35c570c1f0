/* SPDX-License-Identifier: MIT
 * Item vectors that change while the daemon serves: in force with the acknowledgement, whatever
 * the index is doing meanwhile.
 */
#include "tests/daemon/harness_taste.h"

#include "engine/base/random.h"

#define SEED    20240703
#define N_ITEMS 1000
#define DIMS    8
#define ROUNDS  250
#define MOST    24 /* changes of one request */
#define REPACKS 2
#define N_EXTRA 700 /* more than a quarter of the index */

static struct server s;
static struct peer *p;
static struct model m;
static float *bundle_factors; /* (N_ITEMS, DIMS) */
static struct nbx_random rng;

TestSuite(updates, .timeout = 300);

static void begin(size_t n_items, size_t dims, const char *settings)
{
    printf("seed %d\n", SEED);
    server_start(&s, &(struct server_options){.settings = settings});
    p = &s.peer;
    nbx_random_init(&rng, SEED);
    model_make(&m, n_items, dims, SEED);
    bundle_factors = malloc(n_items * dims * sizeof *bundle_factors);
    memcpy(bundle_factors, m.factors, n_items * dims * sizeof *bundle_factors);
    model_put_items(&m, p);
    server_bundle(&s, "taste", &m.info);
    server_reload(&s);
}

static void end(void)
{
    model_free(&m);
    free(bundle_factors);
    server_stop(&s);
}

static int64_t stat_of(const char *name)
{
    return nbx_value_get(get(p, "stats", "", "{}"), name)->i;
}

static void print_vector(struct nbx_buf *b, const float *x, size_t dims)
{
    nbx_buf_printf(b, "'vector': [");
    for (size_t d = 0; d < dims; d++)
        nbx_buf_printf(b, "%s%.9g", d ? "," : "", (double)x[d]);
    nbx_buf_printf(b, "]");
}

/* What the catalogue must hold: rows that are there, their vectors in m.factors. */
static bool gone[N_ITEMS];

static void new_vector(size_t row)
{
    for (size_t d = 0; d < DIMS; d++)
        m.factors[row * DIMS + d] = (float)nbx_random_normal(&rng);
}

static void give_back_vector(size_t row)
{
    memcpy(m.factors + row * DIMS, bundle_factors + row * DIMS, DIMS * sizeof *m.factors);
}

/* The beginning of an entry of a put or a patch. */
static void print_entry(struct nbx_buf *b, size_t row, bool with_vector)
{
    nbx_buf_printf(b, "%s{'id': '%s'", b->len ? "," : "", m.ids[row].p);
    if (with_vector) {
        new_vector(row);
        nbx_buf_printf(b, ", ");
        print_vector(b, m.factors + row * DIMS, DIMS);
    } else {
        give_back_vector(row);
    }
}

static void put_some(size_t n)
{
    struct nbx_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        size_t row = nbx_random_below(&rng, N_ITEMS);
        print_entry(&b, row, nbx_random_below(&rng, 8) > 0);
        nbx_buf_printf(&b, "}");
        gone[row] = false;
    }
    nbx_buf_put_u8(&b, '\0');
    cr_assert_eq(int_at(get(p, "item.put", "", "{'items': [%s]}", (char *)b.p), "applied"),
                 (int64_t)n);
    nbx_buf_fini(&b);
}

static void patch_some(size_t n)
{
    struct nbx_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        size_t row = nbx_random_below(&rng, N_ITEMS);
        if (gone[row])
            continue;
        bool with_vector = nbx_random_below(&rng, 3) > 0;
        print_entry(&b, row, with_vector);
        nbx_buf_printf(&b, with_vector ? "}" : ", 'vector': null}");
    }
    nbx_buf_put_u8(&b, '\0');
    if (b.len > 1)
        cr_assert_eq(count_at(get(p, "item.patch", "", "{'items': [%s]}", (char *)b.p), "errors"),
                     0);
    nbx_buf_fini(&b);
}

static void delete_some(size_t n)
{
    struct nbx_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        size_t row = nbx_random_below(&rng, N_ITEMS);
        if (gone[row])
            continue;
        nbx_buf_printf(&b, "%s'%s'", b.len ? "," : "", m.ids[row].p);
        gone[row] = true;
        give_back_vector(row);
    }
    nbx_buf_put_u8(&b, '\0');
    if (b.len > 1)
        cr_assert_eq(count_at(get(p, "item.delete", "", "{'ids': [%s]}", (char *)b.p), "errors"),
                     0);
    nbx_buf_fini(&b);
}

static void must_be_obeyed(void)
{
    static size_t without[N_ITEMS];
    float q[DIMS];
    double x[DIMS];
    struct nbx_buf b = {0};
    size_t n_without = 0;
    for (size_t d = 0; d < DIMS; d++)
        x[d] = (double)(q[d] = (float)nbx_random_normal(&rng));
    for (size_t row = 0; row < N_ITEMS; row++)
        if (gone[row])
            without[n_without++] = row;
    print_vector(&b, q, DIMS);
    nbx_buf_put_u8(&b, '\0');
    struct nbx_value *r =
        get(p, "recommend", "", "{'n': 50, 'record': 'none', %s}", (const char *)b.p);
    cr_assert_eq(count_at(r, "items"), 50);
    must_rank(r, &m,
              &(struct expected){
                  .x = x, .without = without, .n_without = n_without, .source = "personal"});
    nbx_buf_fini(&b);
}

/* Thousands of changes, and after each request of them the whole list by brute force. */
Test(updates, are_obeyed_by_the_next_answer_through_repacks)
{
    begin(N_ITEMS, DIMS, NULL);
    for (int round = 0; round < ROUNDS || stat_of("repacks.ended") < REPACKS; round++) {
        cr_assert(round < 20 * ROUNDS, "the index is not packed anew");
        size_t n = 1 + nbx_random_below(&rng, MOST);
        switch (nbx_random_below(&rng, 4)) {
        case 0: patch_some(n); break;
        case 1: delete_some(n / 2 + 1); break;
        default: put_some(n);
        }
        must_be_obeyed();
    }
    server_reload(&s); /* from the store it is the same */
    must_be_obeyed();
    server_end(&s);
    server_begin(&s);
    must_be_obeyed();
    end();
}

/* Items beyond the bundle's, put and taken away at once: their places in the index lie waste. */
static void scatter(void)
{
    struct nbx_buf items = {0}, ids = {0};
    for (int i = 0; i < N_EXTRA; i++) {
        nbx_buf_printf(&items, "%s{'id': 'x%d', ", i ? "," : "", i);
        print_vector(&items, m.factors, DIMS);
        nbx_buf_printf(&items, "}");
        nbx_buf_printf(&ids, "%s'x%d'", i ? "," : "", i);
    }
    nbx_buf_put_u8(&items, '\0');
    nbx_buf_put_u8(&ids, '\0');
    get(p, "item.put", "", "{'items': [%s]}", (char *)items.p);
    get(p, "item.delete", "", "{'ids': [%s]}", (char *)ids.p);
    nbx_buf_fini(&items);
    nbx_buf_fini(&ids);
}

/* Whatever the packing is at when the daemon is asked to end or gets another bundle. */
Test(updates, a_stop_and_a_reload_do_not_mind_a_repack)
{
    begin(N_ITEMS, DIMS, NULL);
    for (int i = 0; i < 4; i++) {
        put_some(MOST);
        scatter();
        if (i % 2)
            server_reload(&s);
        must_be_obeyed();
        while (stat_of("repacks.begun") == 0) /* it follows the acknowledgement */
            must_be_obeyed();
        scatter();
        server_end(&s);
        server_begin(&s);
        must_be_obeyed();
    }
    end();
}
