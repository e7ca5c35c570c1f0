/* SPDX-License-Identifier: MIT
 * Every decision can be made again, whatever has become of items, models and customers since.
 */
#include "tests/unit/care/replaying.h"

#define STEPS     1700
#define DECISIONS 600 /* of the steps, about a third: at most */
#define N_EXTRA   8   /* x00 to x07, which no bundle has */
#define N_ITEMS   (TOWN_ITEMS + N_EXTRA)

static struct nbx_decision_id made[DECISIONS];
static unsigned n_made;

static void begin(void)
{
    n_made = 0;
    replaying_begin();
}

TestSuite(replay, .init = begin, .fini = replaying_end, .timeout = 600);

static const char *any_item(void)
{
    static char text[8];
    unsigned i = below(N_ITEMS);
    if (i < TOWN_ITEMS)
        snprintf(text, sizeof text, "i%02u", i);
    else
        snprintf(text, sizeof text, "x%02u", i - TOWN_ITEMS);
    return text;
}

static const char *any_customer(void)
{
    static const char *const names[] = {"anna", "bert", "cleo", "dora", "emil", "a stranger"};
    return names[below(6)];
}

static void print_vector(struct nbx_buf *b)
{
    nbx_buf_printf(b, "vector:[");
    for (int i = 0; i < TOWN_DIMS; i++)
        nbx_buf_printf(b, "%s%d.%u", i ? "," : "", (int)below(5) - 2, below(1000));
    nbx_buf_printf(b, "]");
}

static char *text_of(struct nbx_buf *b)
{
    nbx_buf_put_u8(b, '\0');
    struct nbx_str s =
        nbx_arena_str(t.shop.arena, (struct nbx_str){(char *)b->p, (uint32_t)b->len});
    nbx_buf_fini(b);
    return (char *)s.p;
}

static const char *any_fields(void)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{price:%u", below(20));
    if (below(2))
        nbx_buf_printf(&b, ",brand:'b%u'", below(4));
    if (below(2))
        nbx_buf_printf(&b, ",categories:['c%u','d%u']", below(3), below(3));
    if (below(2))
        nbx_buf_printf(&b, ",group:'g%u'", below(6));
    if (below(6) == 0)
        nbx_buf_printf(&b, ",available:false");
    if (below(4) == 0)
        nbx_buf_printf(&b, ",channels:['%s']", below(2) ? "web" : "store");
    if (below(4) == 0)
        nbx_buf_printf(&b, ",stock:{north:%u}", below(2));
    if (below(5) == 0)
        nbx_buf_printf(&b, ",attributes:{color:'%s',size:%u}", below(2) ? "red" : "blue", below(9));
    if (below(5) == 0) {
        nbx_buf_printf(&b, ",");
        print_vector(&b);
    }
    nbx_buf_printf(&b, "}");
    return text_of(&b);
}

/* As the keeper has it: the model follows what changed. */
static void follow(struct nbx_catalog *before)
{
    struct nbx_model *fresh;
    if (t.model) {
        cr_assert_eq(nbx_model_refresh(&fresh, t.model, before, t.shop.c), NBX_OK);
        nbx_model_release(&t.model);
        t.model = fresh;
    }
    nbx_catalog_release(&before);
    town_world(&t, below(3) == 0);
}

/* One to four changes, some of the same item, in one batch; some are refused. */
static void change_items(void)
{
    struct nbx_change changes[4];
    size_t n = 1 + below(4);
    struct nbx_catalog *before;
    for (size_t i = 0; i < n; i++) {
        struct nbx_str id = nbx_arena_str(t.shop.arena, nbx_str_c(any_item()));
        unsigned kind = below(8);
        changes[i] = (struct nbx_change){.id = i && below(3) == 0 ? changes[i - 1].id : id};
        changes[i].kind = kind == 0  ? NBX_CHANGE_DELETE
                          : kind < 4 ? NBX_CHANGE_PATCH
                                     : NBX_CHANGE_PUT;
        if (changes[i].kind != NBX_CHANGE_DELETE)
            changes[i].fields = shop_value(&t.shop, any_fields());
    }
    t.shop.now_ms++;
    shop_apply(&t.shop, changes, n, &before);
    follow(before);
}

static void send_event(void)
{
    static const char *const types[] = {"view", "buy", "show", "dismiss"};
    static const char *const scopes[] = {"item", "brand", "category"};
    char text[160];
    unsigned type = below(8);
    type = type < 4 ? 0 : type < 6 ? 1 : type - 4;
    int n = snprintf(text, sizeof text, "{type:'%s',item:'%s',time:%lld", types[type], any_item(),
                     (long long)(SHOP_NOW - below(100) * TOWN_HOUR_MS));
    if (type == 3)
        n += snprintf(text + n, sizeof text - (size_t)n, ",scope:'%s'", scopes[below(3)]);
    snprintf(text + n, sizeof text - (size_t)n, "%s}", below(2) ? ",channel:'web'" : "");
    const char *customer = any_customer();
    if (strcmp(customer, "a stranger") != 0)
        town_observe(&t, customer, text);
}

static void give_vector(void)
{
    struct nbx_customer_put_req req;
    struct nbx_buf b = {0};
    uint64_t seq;
    nbx_buf_printf(&b, "{");
    print_vector(&b);
    nbx_buf_printf(&b, "}");
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, text_of(&b)), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("dora"), &req, &seq, &t.fault), NBX_OK);
}

static const char *any_request(void)
{
    static const char *const filters[] = {
        "{field:'price',lt:10}", "{field:'brand',in:['b0','b1']}",
        "{any:[{field:'categories',in:['c0']},{field:'price',ge:15}]}",
        "{not:{field:'id',eq:'i03'}}"};
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{n:%u", 1 + below(2 * N_ITEMS));
    if (below(2))
        nbx_buf_printf(&b, ",filter:%s", filters[below(4)]);
    if (below(3) == 0)
        nbx_buf_printf(&b, ",exclude:['i%02u','nobody knows it','x%02u']", below(30), below(8));
    if (below(3) == 0)
        nbx_buf_printf(&b, ",exclude_seen:true");
    if (below(3) == 0)
        nbx_buf_printf(&b, ",distinct:'group'");
    if (below(3) == 0)
        nbx_buf_printf(&b, ",channel:'%s'", below(2) ? "web" : "store");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",store:'north'");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",personal:false");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",recall:0.9");
    nbx_buf_printf(&b, ",now:%lld", (long long)(SHOP_NOW + below(50) * TOWN_HOUR_MS));
    if (t.model && below(5) == 0) {
        nbx_buf_printf(&b, ",");
        print_vector(&b);
    }
    if (below(5) == 0)
        nbx_buf_printf(&b, ",items:['i01','i%02u','x%02u','nobody knows it either']", 2 + below(28),
                       below(8));
    nbx_buf_printf(&b, "}");
    return text_of(&b);
}

/* Whatever cannot be linked stays as it is. */
static void change_links(void)
{
    char identity[16];
    snprintf(identity, sizeof identity, "%s", any_customer());
    enum nbx_err err = below(3) ? town_try_link(&t, identity, any_customer(), "card")
                                : town_try_unlink(&t, identity, any_customer());
    cr_assert(err == NBX_OK || err == NBX_ECONFLICT, "%s", t.fault.message);
}

static void step(void)
{
    unsigned what = below(100);
    if (what < 30 && n_made < DECISIONS)
        made[n_made++] = decide(any_customer(), any_request());
    else if (what < 60)
        change_items();
    else if (what < 92)
        send_event();
    else if (what < 93)
        change_links();
    else if (what < 95)
        give_vector();
    else if (what < 97)
        change_model();
    else if (what < 98)
        restart();
    else if (n_made)
        must_be_same(made[below(n_made)]);
    if (nbx_arena_used(t.shop.arena) > (size_t)256 << 20)
        nbx_arena_reset(t.shop.arena);
}

Test(replay, gives_the_same_lists_whatever_happened_since)
{
    unsigned n_scored = 0;
    fprintf(stderr, "seed %u\n", SEED);
    for (int i = 0; i < STEPS; i++)
        step();
    restart();
    for (unsigned i = 0; i < n_made; i++)
        n_scored += strstr(must_be_same(made[i]).what, " 0 found") == NULL;
    cr_assert(n_made > 400 && n_scored > 200 && n_models > 10, "%u made, %u scored, %u models",
              n_made, n_scored, n_models);
}
