/* SPDX-License-Identifier: MIT
 * nbxd --rebuild: what any number of workers made of what they were told is what the log comes to,
 * and any of them makes the same of it.
 */
#include "engine/base/random.h"
#include "engine/care/dump.h"
#include "engine/store/key.h"
#include "tests/daemon/harness.h"

#include <sys/wait.h>
#include <unistd.h>

#define SEED        20261128u
#define N_CUSTOMERS 40
#define N_EVENTS    25 /* of each */
#define N_ITEMS     12

static struct server s;
static struct peer *p;

TestSuite(rebuild_program, .timeout = 300);

static int run(const char *words, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s/%s --config %s 2>&1", NBX_BIN_DIR, words, s.config);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The daemon's folder done again in `name` beside it; whatever is told of it in `out`. */
static int rebuild(const char *name, char *out, size_t room)
{
    char words[256];
    snprintf(words, sizeof words, "nbxd --rebuild %s/%s", s.folder, name);
    return run(words, out, room);
}

static void put_items(void)
{
    for (int i = 0; i < N_ITEMS; i++)
        get(p, "item.put", "", "{'items': [{'id': 'i%d', 'price': %d, 'brand': 'b%d'}]}", i, i,
            i % 3);
    get(p, "item.patch", "", "{'items': [{'id': 'i3', 'price': null, 'title': 'three'}]}");
    get(p, "item.delete", "", "{'ids': ['i4']}");
}

/* An event of a customer has its own id and time; the same whoever sends it when. */
static void print_event(struct nbx_buf *b, int customer, int no, bool names_customer)
{
    static const char *const types[] = {"view", "purchase", "dismiss", "click"};
    nbx_buf_printf(b, "%s{'id': 'c%d-e%d', 'type': '%s', 'item': 'i%d', 'time': %lld",
                   b->len ? "," : "", customer, no, types[(customer + no) % 4],
                   (customer * 7 + no * 5) % N_ITEMS,
                   (long long)(INT64_C(1700000000000) + no * 1000));
    if (names_customer)
        nbx_buf_printf(b, ", 'customer': 'c%d'", customer);
    nbx_buf_printf(b, "}");
}

static void send_one(int customer, int no, bool fanned)
{
    struct nbx_buf b = {0};
    char key[16];
    print_event(&b, customer, no, fanned);
    if (fanned) /* and one of somebody else's, of another worker's as a rule */
        nbx_buf_printf(&b, ", {'id': 'n%d-%d', 'type': 'view', 'item': 'i1', 'time': 5}", customer,
                       no);
    nbx_buf_put_u8(&b, '\0');
    snprintf(key, sizeof key, "c%d", customer);
    get(p, "observe", fanned ? "" : key, "{'ack': 'memory', 'events': [%s]}", (const char *)b.p);
    nbx_buf_fini(&b);
}

/* Every event once, in an order of the seed's. */
static void observe_all(struct nbx_random *r)
{
    int order[N_CUSTOMERS * N_EVENTS];
    for (int i = 0; i < N_CUSTOMERS * N_EVENTS; i++) {
        int j = (int)nbx_random_below(r, (uint64_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (int i = 0; i < N_CUSTOMERS * N_EVENTS; i++) {
        send_one(order[i] / N_EVENTS, order[i] % N_EVENTS, (order[i] * 7) % 5 == 0);
        if (i == N_CUSTOMERS * N_EVENTS / 2) {
            server_kill(&s);
            server_begin(&s);
        }
    }
}

static void change_customers(void)
{
    get(p, "retract", "c1", "{'all': true}");
    get(p, "retract", "c2", "{'events': ['c2-e3', 'c2-e4', 'none']}");
    get(p, "retract", "c3", "{'brand': 'b1'}");
    /* a link has a time of the clock's, one that is undone has none */
    get(p, "customer.link", "c4", "{'identity': 'c5', 'type': 'card'}");
    get(p, "customer.link", "c6", "{'identity': 'c4'}");
    get(p, "customer.unlink", "c4", "{'identity': 'c5'}");
    get(p, "customer.unlink", "c6", "{'identity': 'c4'}");
}

/* Across streams, to one who is told of later, from and to who is forgotten, and more than once. */
static void link_customers(void)
{
    get(p, "customer.link", "c1", "{'identity': 'c3', 'type': 'card'}");
    get(p, "customer.link", "c5", "{'identity': 'c1', 'type': 'device'}");
    get(p, "customer.link", "c4", "{'identity': 'unknown'}");
    get(p, "customer.unlink", "c4", "{'identity': 'unknown'}");
    get(p, "customer.link", "c6", "{'identity': 'unknown', 'type': 'session'}");
    get(p, "customer.link", "c2", "{'identity': 'c7'}");
    get(p, "customer.unlink", "c2", "{'identity': 'c7'}");
    get(p, "customer.link", "c2", "{'identity': 'lost'}");
}

static void begin(int workers)
{
    static char settings[64]; /* it is read at every start */
    snprintf(settings, sizeof settings, "workers: %d\nevent_retention: 36500d\n", workers);
    server_start(&s, &(struct server_options){.settings = settings});
    p = &s.peer;
}

static bool add_line(void *ctx, struct nbx_str line)
{
    nbx_buf_put(ctx, line.p, line.len);
    nbx_buf_put_u8(ctx, '\n');
    return true;
}

/* Of a folder that a daemon may be using. */
static struct nbx_buf dump_state(const char *dir, bool no_items)
{
    struct nbx_buf out = {0};
    struct nbx_store *store;
    struct nbx_fault fault;
    struct nbx_store_options folder = {.dir = dir, .cache_bytes = 1 << 20, .read_only = true};
    struct nbx_dump_options options = {.line = add_line, .ctx = &out, .no_items = no_items};
    cr_assert_eq(nbx_store_open(&store, &folder, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_state_dump(store, &options), NBX_OK);
    nbx_store_close(&store);
    nbx_buf_put_u8(&out, '\0');
    return out;
}

/* Times of changes of items are the clock's, so they are left out. */
static struct nbx_buf dump(const char *dir)
{
    return dump_state(dir, true);
}

static struct nbx_buf dump_with_items(const char *dir)
{
    return dump_state(dir, false);
}

Test(rebuild_program, any_number_of_workers_comes_to_the_same)
{
    struct nbx_buf first = {0};
    char out[4096], dir[160];
    struct nbx_random r;
    cr_log_info("seed %u", SEED);
    nbx_random_init(&r, SEED);
    for (int workers = 1; workers <= 4; workers++) {
        begin(workers);
        put_items();
        observe_all(&r);
        change_customers();
        cr_assert_eq(rebuild("again", out, sizeof out), 0, "%s", out);
        cr_assert_not_null(strstr(out, " 0 differ\n"), "%s", out);
        cr_assert_null(strstr(out, "as they are stored"), "%s", out);
        struct nbx_buf now = dump(s.data);
        snprintf(dir, sizeof dir, "%s/again", s.folder);
        struct nbx_buf again = dump(dir);
        cr_assert_str_eq((const char *)again.p, (const char *)now.p);
        if (workers == 1)
            first = now;
        cr_assert_str_eq((const char *)now.p, (const char *)first.p, "%d workers", workers);
        if (workers > 1)
            nbx_buf_fini(&now);
        nbx_buf_fini(&again);
        server_stop(&s);
    }
    cr_assert_gt(first.len, 50000);
    nbx_buf_fini(&first);
}

/* The new folder is a whole one: nbxd serves it as it served the other. */
Test(rebuild_program, what_was_made_anew_is_served)
{
    char out[4096], command[512];
    begin(2);
    put_items();
    for (int i = 0; i < N_EVENTS; i++)
        send_one(1, i, i % 2);
    get(p, "customer.put", "c1", "{'attributes': {'age': 30}, 'consent': {'mail': true}}");
    get(p, "observe", "c2", "{'events': [{'type': 'view', 'item': 'i2'}]}");
    get(p, "customer.forget", "c2", "{}");
    struct nbx_arena *arena = nbx_arena_new(1 << 20); /* a peer's goes with its connection */
    struct nbx_value customer, heads, items;
    cr_assert(nbx_value_copy(&customer, get(p, "customer.get", "c1", "{}"), arena));
    cr_assert(nbx_value_copy(&heads, get(p, "log.heads", "", "{}"), arena));
    cr_assert(nbx_value_copy(&items, get(p, "item.get", "", "{'ids': ['i0', 'i3', 'i4']}"), arena));
    cr_assert_eq(rebuild("again", out, sizeof out), 0, "%s", out);
    cr_assert_eq(rebuild("again", out, sizeof out), 4, "%s", out);
    cr_assert_not_null(strstr(out, "not empty"), "%s", out);
    server_end(&s);
    snprintf(command, sizeof command, "rm -r %s && mv %s/again %s", s.data, s.folder, s.data);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(run("nbxd --verify", out, sizeof out), 0, "%s", out);
    server_begin(&s);
    cr_assert(nbx_value_eq(&customer, get(p, "customer.get", "c1", "{}")));
    cr_assert(nbx_value_eq(&items, get(p, "item.get", "", "{'ids': ['i0', 'i3', 'i4']}")));
    cr_assert(nbx_value_eq(&heads, get(p, "log.heads", "", "{}")));
    nbx_arena_destroy(&arena);
    must_be(get(p, "customer.get", "c2", "{}"), "known", "false");
    get(p, "observe", "c1", "{'events': [{'type': 'view', 'item': 'i2'}]}");
    must_be(get(p, "observe", "c1", "{'events': [{'id': 'c1-e3', 'type': 'view'}]}"), "duplicates",
            "1");
    cr_assert_eq(run("nbxd --verify", out, sizeof out), 0, "%s", out);
    server_stop(&s);
}

/* Another folder's settings: the same but for the folder. */
static void configure_beside(const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s.yaml", s.folder, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fprintf(f, "data_dir: \"%s/%s\"\nevent_retention: 36500d\n", s.folder, name);
    cr_assert_eq(fclose(f), 0);
}

static int run_plain(const char *format, const char *a, const char *b, char *out, size_t room)
{
    char words[384], command[512];
    snprintf(words, sizeof words, format, a, b);
    snprintf(command, sizeof command, "%s/%s 2>&1", NBX_BIN_DIR, words);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What was exported and told to an empty folder is the same state, items and all. */
Test(rebuild_program, an_exported_log_makes_the_same_state)
{
    char out[4096], file[160], config[160], dir[160];
    struct nbx_random r;
    nbx_random_init(&r, SEED + 1);
    begin(3);
    put_items();
    get(p, "item.put", "", "{'items': [{'id': 'v', 'vector': [1, 2.5, 3], 'space': 'main'}]}");
    observe_all(&r);
    change_customers();
    get(p, "customer.put", "c1",
        "{'attributes': {'a': 1, 'b': 1.5, 'c': ['x']},"
        " 'consent': {'profile': false}, 'channels': ['web']}");
    get(p, "customer.put", "c4", "{'vector': [0.1, 2, 3], 'space': 'main'}");
    get(p, "retract", "never", "{'events': ['seen']}");
    observe_all(&r);
    link_customers();
    snprintf(file, sizeof file, "%s/log.jsonl", s.folder);
    cr_assert_eq(run_plain("nbx log export %s --endpoint %s", file, s.endpoint, out, sizeof out), 0,
                 "%s", out);
    get(p, "customer.forget", "c2", "{}"); /* what the file has of her must not come back */
    cr_assert_eq(run_plain("nbx log export %s --endpoint %s", file, s.endpoint, out, sizeof out), 0,
                 "%s", out);
    server_end(&s);
    configure_beside("told");
    snprintf(config, sizeof config, "%s/told.yaml", s.folder);
    cr_assert_eq(run_plain("nbxd --import %s --config %s", file, config, out, sizeof out), 0, "%s",
                 out);
    cr_assert_eq(run_plain("nbxd --verify --config %s%s", config, "", out, sizeof out), 0, "%s",
                 out);
    snprintf(dir, sizeof dir, "%s/told", s.folder);
    struct nbx_buf was = dump_with_items(s.data), is = dump_with_items(dir);
    cr_assert_str_eq((const char *)is.p, (const char *)was.p);
    cr_assert_not_null(strstr((const char *)is.p, "item {\"id\":\"v\""));
    static const char *const links[] = {"link {\"customer\":\"c1\",\"to\":\"c5\",",
                                        "link {\"customer\":\"c3\",\"to\":\"c1\",",
                                        "link {\"customer\":\"unknown\",\"to\":\"c6\","};
    for (int i = 0; i < 3; i++)
        cr_assert_not_null(strstr((const char *)is.p, links[i]), "%s", links[i]);
    cr_assert_eq(run_plain("nbxd --import %s --config %s", file, config, out, sizeof out), 4, "%s",
                 out);
    nbx_buf_fini(&was);
    nbx_buf_fini(&is);
    server_begin(&s);
    server_stop(&s);
}

Test(rebuild_program, a_file_that_is_no_log_is_refused_by_its_line)
{
    static const char *const lines[][2] = {
        {"no json", ":1: "},
        {"{\"stream\":257,\"seq\":1,\"n\":1,\"time\":1,\"kind\":\"put\"}", "stream: must be"},
        {"{\"stream\":1,\"seq\":2,\"n\":1,\"time\":1,\"kind\":\"put\"}", "does not follow"},
        {"{\"stream\":1,\"seq\":1,\"n\":1,\"time\":1,\"kind\":\"items\"}", "kind: is none"},
        {"{\"stream\":1,\"seq\":1,\"n\":1,\"time\":1,\"kind\":\"put\"}", "put: is missing"},
        {"{\"stream\":1,\"seq\":1,\"n\":1,\"time\":1,\"kind\":\"link\",\"to\":\"a\"}",
         "number: is missing"},
        {"{\"stream\":1,\"seq\":1,\"n\":1,\"time\":1,\"kind\":\"events\",\"events\":"
         "[{\"type\":\"unheard\"}]}",
         "unknown event type"}};
    char out[4096], file[160], config[160], name[8];
    begin(1);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        snprintf(file, sizeof file, "%s/bad.jsonl", s.folder);
        snprintf(name, sizeof name, "bad%zu", i);
        FILE *f = fopen(file, "w");
        cr_assert_not_null(f);
        fprintf(f, "%s\n", lines[i][0]);
        cr_assert_eq(fclose(f), 0);
        configure_beside(name);
        snprintf(config, sizeof config, "%s/%s.yaml", s.folder, name);
        cr_assert_eq(run_plain("nbxd --import %s --config %s", file, config, out, sizeof out), 2,
                     "%s", out);
        cr_assert_not_null(strstr(out, lines[i][1]), "wanted %s, got %s", lines[i][1], out);
        cr_assert_not_null(strstr(out, "bad.jsonl:1: "), "%s", out);
    }
    server_stop(&s);
}

/* A folder whose state is not what its log says is found out. */
Test(rebuild_program, what_is_something_else_is_told)
{
    char out[4096];
    struct nbx_store *store;
    struct nbx_fault fault;
    begin(1);
    get(p, "item.put", "", "{'items': [{'id': 'a', 'price': 5}]}");
    get(p, "observe", "c1", "{'events': [{'type': 'view', 'item': 'a'}]}");
    server_end(&s);
    struct nbx_store_options folder = {
        .dir = s.data, .cache_bytes = 1 << 20, .write_buffer_bytes = 4 << 20};
    cr_assert_eq(nbx_store_open(&store, &folder, &fault), NBX_OK, "%s", fault.message);
    struct nbx_batch *batch = nbx_batch_new();
    cr_assert_not_null(batch);
    struct nbx_key key = nbx_key_item(1);
    nbx_batch_delete(batch, NBX_FAMILY_ITEMS, nbx_key_str(&key));
    cr_assert_eq(nbx_store_write(store, batch), NBX_OK);
    nbx_batch_destroy(&batch);
    nbx_store_close(&store);
    cr_assert_eq(rebuild("again", out, sizeof out), 3, "%s", out);
    cr_assert_not_null(strstr(out, "rebuilt: a line of item"), "%s", out);
    cr_assert_null(strstr(out, "c1"), "nothing of anybody: %s", out);
    server_begin(&s);
    server_stop(&s);
}
