/* SPDX-License-Identifier: MIT
 * nbx-train auto --from: what customers did at a running daemon becomes a staged version of it, and
 * answers once it is activated.
 */
#include "engine/base/random.h"
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SEED      20261126
#define CUSTOMERS 150
#define ITEMS     120
#define TASTES    6
#define FIRST_MS  INT64_C(1700000000000)
#define ANSWERED  10

static struct server s;
static struct peer *p;
static char endpoint[64], said[1 << 16];
static int n_events;

/* Customer c is of taste c % TASTES, and so are items. */
static void put_items(int n)
{
    for (int i = 0; i < n; i++)
        get(p, "item.put", "", "{'items': [{'id': 'i%03d'}]}", i);
}

/* Whoever is of a taste takes to its items mostly, in an order of their own. */
static void tell(struct nbx_random *random, int c)
{
    int at = 0;
    for (int i = 0; i < ITEMS; i++) {
        int item = (i * 47 + c * 13) % ITEMS;
        if (nbx_random_unit(random) >= (item % TASTES == c % TASTES ? 0.6 : 0.02))
            continue;
        get(p, "observe", "",
            "{'ack': 'memory', 'events': [{'customer': 'c%03d', 'type': '%s', 'item': 'i%03d',"
            " 'time': %lld}]}",
            c, at % 3 ? "view" : "purchase", item, (long long)(FIRST_MS + 60000 * at));
        at++;
        n_events++;
    }
}

static void begin(void)
{
    char tmp[96];
    struct nbx_random random;
    printf("seed %d\n", SEED);
    nbx_random_init(&random, SEED);
    server_start(&s, &(struct server_options){.tcp = true, .settings = "workers: 2\n"});
    p = &s.peer;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", s.tcp_port);
    snprintf(tmp, sizeof tmp, "%s/tmp", s.folder);
    cr_assert_eq(mkdir(tmp, 0700), 0);
    n_events = 0;
    put_items(ITEMS);
    for (int c = 0; c < CUSTOMERS; c++)
        tell(&random, c);
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(retrain, .init = begin, .fini = end, .timeout = 300);

static size_t files_left(void)
{
    char path[96];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/tmp", s.folder);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* nbx-train auto with these words, in the daemon's folder; what it said in `said`. */
static void train(const char *words, int code, const char *text)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && TMPDIR=%s/tmp %s/nbx-train auto %s 2>&1", s.folder,
             s.folder, NBX_BIN_DIR, words);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    int status = pclose(f);
    cr_assert_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, "%s: %s", words, said);
    cr_assert(strstr(said, text), "%s: no \"%s\" in: %s", words, text, said);
    cr_assert_eq(files_left(), 0, "%s: files are left", words);
}

static void retrain(const char *words, int code, const char *text)
{
    char all[512];
    snprintf(all, sizeof all, "--from %s --trials 2 --threads 1 %s", endpoint, words);
    train(all, code, text);
}

/* How many of the customer's first items are of the customer's taste. */
static int of_taste(const struct nbx_value *reply, int c)
{
    int n = 0;
    for (uint32_t i = 0; i < count_at(reply, "items"); i++) {
        char id[16];
        snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(text_at(&at(reply, "items")->list[i], "id")));
        n += atoi(id + 1) % TASTES == c % TASTES;
    }
    return n;
}

Test(retrain, from_events_to_answers)
{
    char text[64];
    get(p, "customer.put", "c007", "{'consent': {'train': false}}");
    const struct nbx_value *held = get(p, "customer.get", "c007", "{}");
    int left = n_events - (int)count_at(held, "history");
    snprintf(text, sizeof text, "pulled %d events from tcp://", left);
    retrain("", 0, text);
    cr_assert(strstr(said, "held out to judge by: the last item of 149 customers"), "%s", said);
    cr_assert(strstr(said, "pushed taste ") && strstr(said, ": staged\n"), "%s", said);
    struct nbx_value *r = get(p, "model.list", "", "{}");
    cr_assert_eq(count_at(r, "models"), 1);
    cr_assert_null(at(r, "active"));
    must_be(r, "models[0].stage", "'staged'");
    must_be(r, "models[0].by", "'nbx-train auto'");
    cr_assert_null(at(r, "models[0].parent"));
    cr_assert_eq(int_at(r, "models[0].metrics.events"), left);
    cr_assert_eq(int_at(r, "models[0].metrics.customers"), 149);
    cr_assert_gt(number_at(r, "models[0].metrics.ndcg@10"), 0.2);
    cr_assert_null(at(r, "models[0].metrics.active.ndcg@10"));
    struct nbx_str notes = text_at(r, "models[0].notes");
    cr_assert(memmem(notes.p, notes.len, "149 customers", 13), "%.*s", NBX_STR_ARG(notes));
    get(p, "model.activate", "", "{'name': 'taste', 'version': '%.*s'}",
        NBX_STR_ARG(text_at(r, "models[0].version")));
    struct nbx_value *answer =
        get(p, "recommend", "c012", "{'n': %d, 'exclude_seen': true}", ANSWERED);
    cr_assert(nbx_str_eq(text_at(answer, "model.version"), text_at(r, "models[0].version")));
    must_be(answer, "items[0].source", "'personal'");
    cr_assert_gt(of_taste(answer, 12), ANSWERED / 2, "%s", joined(answer, "items", "id"));
    retrain("--name again", 0, ": 0 customers did something new since it was made");
    cr_assert(strstr(said, "not compared with taste ") && strstr(said, "pushed again "), "%s",
              said);
    must_be(get(p, "model.list", "", "{}"), "models[0].name", "'again'");
    cr_assert(nbx_str_eq(text_at(get(p, "model.list", "", "{}"), "models[0].parent"),
                         text_at(r, "models[0].version")));
}

/* A version of vectors that mean nothing, as old as the events, answers. */
static void activate_noise(void)
{
    struct model m;
    struct pushed f;
    model_make(&m, ITEMS, 8, SEED);
    m.info.name = NBX_STR("noise");
    m.info.version = NBX_STR("1");
    m.info.created_ms = FIRST_MS - 1;
    pushed_make(&f, &s, &m.info);
    must_push(p, &f, "{'activate': true}");
    pushed_free(&f);
    model_free(&m);
}

Test(retrain, what_is_worse_is_not_pushed)
{
    activate_noise();
    retrain("--out kept.safetensors --created-ms 1699999999999", 0, "noise 1: ndcg@10 0.");
    struct nbx_value *r = get(p, "model.list", "", "{}");
    cr_assert_eq(count_at(r, "models"), 2);
    must_be(r, "models[1].name", "'taste'");
    must_be(r, "models[1].parent", "'1'");
    const struct nbx_value *metrics = at(r, "models[1].metrics");
    cr_assert_lt(nbx_value_get(metrics, "active.ndcg@10")->f, nbx_value_get(metrics, "ndcg@10")->f);
    /* The kept one was learnt from all of it, and says it is older. */
    retrain("--against kept.safetensors --max-loss 0", 3, "nbx-train: the new model is worse: ");
    cr_assert(strstr(said, "150 customers, that of kept.safetensors is 0."), "%s", said);
    get(p, "model.activate", "", "{'name': 'taste', 'version': '%.*s'}",
        NBX_STR_ARG(text_at(r, "models[1].version")));
    retrain("--max-loss 0", 3, "customers, that of taste 20231114T221319-");
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 2, "nothing was pushed");
    retrain("--against kept.safetensors --max-loss 1 --out again.safetensors", 0, ": staged\n");
    retrain("--against again.safetensors --name other", 0,
            "not compared with again.safetensors: 0 customers did something new");
    retrain("--against nowhere.safetensors", 1, "nowhere.safetensors");
}

Test(retrain, mistakes_are_named)
{
    train("--from nonsense", 2, "nbx-train: --from: nonsense is not an endpoint");
    train("--from tcp://127.0.0.1:1 --trials 1", 1, "nbx-train: no reply from tcp://127.0.0.1:1");
    retrain("--events x.csv", 2, "nbx-train: --events: does not go with --from");
    retrain("--leave-out-last", 2, "nbx-train: --leave-out-last: does not go with --from");
    retrain("--from-since 0", 2, "nbx-train: --from-since: must be a whole number from 1");
    retrain("--max-loss 2", 2, "nbx-train: --max-loss: must be 0 to 1");
    retrain("--from-since 1", 1, "has no events to learn from");
    train("--events x.csv --out m.safetensors --against y", 2, "--against: goes with --from only");
    retrain("--out nowhere/m.safetensors", 1, "cannot write there");
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 0);
}

Test(retrain, what_the_daemon_refuses_is_told)
{
    for (int i = 0; i < ITEMS - 1; i++)
        get(p, "item.delete", "", "{'ids': ['i%03d']}", i);
    retrain("", 1, "nbx-train: ");
    cr_assert(strstr(said, "catalogue"), "%s", said);
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 0);
}
