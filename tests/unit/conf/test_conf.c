/* SPDX-License-Identifier: MIT */
#include "engine/conf/conf.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What loading a text gave. */
struct outcome {
    struct nbx_conf *conf;
    struct nbx_diagnostics diagnostics;
    enum nbx_err err;
    char said[4096]; /* the diagnostics, without the file's name */
};

static void load(struct outcome *o, const char *text, size_t len)
{
    char path[] = "/tmp/nbx-conf-XXXXXX";
    int fd = mkstemp(path);
    *o = (struct outcome){0};
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
    o->err = nbx_conf_load(&o->conf, path, &o->diagnostics);
    unlink(path);
    cr_expect_eq(o->conf != NULL, o->err == NBX_OK);
    cr_expect_eq(nbx_diagnostics_clean(&o->diagnostics), o->err == NBX_OK);
    cr_expect_str_eq(o->diagnostics.file, path);
    for (size_t i = 0; i < o->diagnostics.n; i++) {
        const struct nbx_diagnostic *d = &o->diagnostics.items[i];
        size_t used = strlen(o->said);
        snprintf(o->said + used, sizeof o->said - used, "%u:%u: %s\n", d->line, d->column,
                 d->message);
    }
}

static void done(struct outcome *o)
{
    nbx_conf_destroy(&o->conf);
    nbx_diagnostics_fini(&o->diagnostics);
}

/* The text is refused with just these lines. */
static void expect_refused(const char *text, const char *said)
{
    struct outcome o;
    load(&o, text, strlen(text));
    cr_expect_eq(o.err, NBX_EBAD, "accepted: %s", text);
    cr_expect_str_eq(o.said, said, "for: %s\nsaid: %s\nnot:  %s", text, o.said, said);
    done(&o);
}

static struct nbx_conf *expect_taken(struct outcome *o, const char *text)
{
    load(o, text, strlen(text));
    cr_assert_eq(o->err, NBX_OK, "%s", o->said);
    return o->conf;
}

static char *printed(const struct nbx_conf *conf)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    nbx_conf_print(conf, out);
    fclose(out);
    return text;
}

static const struct nbx_conf_event *event_of(const struct nbx_conf *conf, const char *type)
{
    for (size_t i = 0; i < conf->n_events; i++) {
        if (strcmp(conf->events[i].type, type) == 0)
            return &conf->events[i];
    }
    cr_assert(false, "no event %s", type);
    return NULL;
}

Test(conf, defaults_need_no_file)
{
    struct nbx_conf *conf = NULL;
    cr_assert_eq(nbx_conf_load(&conf, NULL, NULL), NBX_OK);
    cr_expect_eq(conf->n_listen, 1);
    cr_expect_str_eq(conf->listen[0], "tcp://127.0.0.1:7741");
    cr_expect_str_eq(conf->http, "127.0.0.1:7742");
    cr_expect_str_eq(conf->data_dir, "./nbx-data");
    cr_expect_geq(conf->workers, 1);
    cr_expect_eq(conf->memory_limit_bytes, INT64_C(4) << 30);
    cr_expect_eq(conf->n_channels, 7);
    cr_expect_str_eq(conf->channels[2], "email");
    cr_expect_str_eq(conf->currency, "EUR");
    cr_expect_eq(conf->n_attributes, 0);
    cr_expect_eq(conf->n_placements, 0);
    cr_expect_eq(conf->trend_half_life_ms, 86400000);
    cr_expect_eq(conf->event_retention_ms, INT64_C(400) * 86400000);
    cr_expect_eq(conf->decision_retention_ms, INT64_C(30) * 86400000);
    cr_expect_eq(conf->request_queue, 4096);
    cr_expect_eq(conf->queue_time_ms, 100);
    cr_expect_eq(conf->max_message_bytes, 1 << 20);
    cr_expect_eq(conf->drain_timeout_ms, 10000);
    cr_expect_float_eq(conf->model.max_without_vector, 0.005, 1e-12);
    cr_expect_float_eq(conf->model.max_norm, 100000, 1e-12);
    cr_expect_float_eq(conf->model.max_unknown, 0.5, 1e-12);
    cr_expect_float_eq(conf->model.min_covered, 0.05, 1e-12);
    cr_expect_float_eq(conf->model.min_listed, 0.01, 1e-12);
    cr_expect_float_eq(conf->model.max_loss, 0.1, 1e-12);
    cr_expect_eq(conf->log_level, NBX_LOG_INFO);
    cr_expect_not(conf->insecure);
    cr_expect_eq(conf->on_damage, NBX_DAMAGE_EXIT);
    nbx_conf_destroy(&conf);
    cr_expect_null(conf);
    nbx_conf_destroy(&conf);
}

Test(conf, default_events)
{
    struct nbx_conf *conf = NULL;
    cr_assert_eq(nbx_conf_load(&conf, NULL, NULL), NBX_OK);
    cr_expect_eq(conf->n_events, 11);
    cr_expect_eq(event_of(conf, "impression")->class, NBX_CONF_NEUTRAL);
    cr_expect_eq(event_of(conf, "view")->class, NBX_CONF_POSITIVE);
    cr_expect_float_eq(event_of(conf, "view")->weight, 0.3, 1e-12);
    cr_expect_float_eq(event_of(conf, "purchase")->weight, 1, 1e-12);
    cr_expect_float_eq(event_of(conf, "rating")->negative_below, 2.5, 1e-12);
    cr_expect(isnan(event_of(conf, "cart")->negative_below));
    cr_expect_eq(event_of(conf, "return")->class, NBX_CONF_NEGATIVE);
    cr_expect_eq(event_of(conf, "view")->half_life_ms, 0);
    cr_expect_eq(event_of(conf, "view")->ttl_ms, 0);
    nbx_conf_destroy(&conf);
}

Test(conf, an_empty_file_means_defaults)
{
    struct outcome o;
    cr_expect_str_eq(expect_taken(&o, "")->currency, "EUR");
    done(&o);
    cr_expect_str_eq(expect_taken(&o, "# nothing yet\n")->currency, "EUR");
    done(&o);
}

Test(conf, every_kind_of_value)
{
    struct outcome o;
    const struct nbx_conf *conf = expect_taken(
        &o,
        "listen: [ipc:///run/nbx.sock, 'tcp://[::1]:9']\nhttp: ''\nworkers: 3\n"
        "memory_limit: 512MiB\ncurrency: JPY\nlog_level: debug\non_damage: serve\ninsecure: true\n"
        "trend_half_life: 12h\nqueue_time: 250ms\nmax_message: 65536\nrequest_queue: 1000\n"
        "channels:\n  - web\n  - \"till\"\n"
        "attributes: [{name: material, type: string}, {name: sizes, type: strings}]\n"
        "placements: [{name: home, recall: 0.95}, {name: 'Till 3, Zürich'}]\n"
        "events:\n  - type: buy\n    class: positive\n    weight: 2.5e-1\n    half_life: 30d\n"
        "    ttl: 90m\n    negative_below: -1\n");
    cr_expect_eq(conf->n_listen, 2);
    cr_expect_str_eq(conf->listen[1], "tcp://[::1]:9");
    cr_expect_str_eq(conf->http, "");
    cr_expect_eq(conf->workers, 3);
    cr_expect_eq(conf->memory_limit_bytes, 512 << 20);
    cr_expect_eq(conf->log_level, NBX_LOG_DEBUG);
    cr_expect(conf->insecure);
    cr_expect_eq(conf->on_damage, NBX_DAMAGE_SERVE);
    cr_expect_eq(conf->trend_half_life_ms, 12 * 3600000);
    cr_expect_eq(conf->queue_time_ms, 250);
    cr_expect_eq(conf->max_message_bytes, 65536);
    cr_expect_eq(conf->request_queue, 1024);
    cr_expect_str_eq(conf->channels[1], "till");
    cr_expect_eq(conf->attributes[1].type, NBX_CONF_STRINGS);
    cr_expect_eq(conf->n_placements, 2);
    cr_expect_str_eq(conf->placements[0].name, "home");
    cr_expect_float_eq(conf->placements[0].recall, 0.95, 1e-12);
    cr_expect_str_eq(conf->placements[1].name, "Till 3, Zürich");
    cr_expect_float_eq(conf->placements[1].recall, 1, 1e-12);
    cr_expect_eq(conf->n_events, 1);
    cr_expect_float_eq(conf->events[0].weight, 0.25, 1e-12);
    cr_expect_eq(conf->events[0].half_life_ms, INT64_C(30) * 86400000);
    cr_expect_eq(conf->events[0].ttl_ms, 90 * 60000);
    cr_expect_float_eq(conf->events[0].negative_below, -1, 1e-12);
    done(&o);
}

Test(conf, the_first_syntax_error)
{
    expect_refused("workers: 2\nlisten: [a\nhttp: 1\n",
                   "3:5: did not find expected ',' or ']' while parsing a flow sequence\n");
    expect_refused("a: b\n  c: d\n", "2:4: mapping values are not allowed in this context\n");
    expect_refused("workers: 1\n---\nworkers: 2\n",
                   "2:1: a second document: there can be only one\n");
    expect_refused("workers: *two\n", "1:10: found undefined alias\n");
}

Test(conf, bytes_that_are_no_text)
{
    static const char bad[] = "workers: 1\ncurrency: \"\xff\xfe\"\n";
    struct outcome o;
    load(&o, bad, sizeof bad - 1);
    cr_expect_eq(o.err, NBX_EBAD);
    done(&o);
    load(&o, "a\0b", 3);
    cr_expect_eq(o.err, NBX_EBAD);
    done(&o);
}

Test(conf, wrong_shapes)
{
    expect_refused("- 1\n", "1:1: must be a mapping of keys to values\n");
    expect_refused("listen: tcp://127.0.0.1:1\n", "1:9: listen: must be a list\n");
    expect_refused("workers: [1]\n", "1:10: workers: must be a single value\n");
    expect_refused("channels: [web, [app]]\n", "1:17: channels[1]: must be a single value\n");
    expect_refused("events: [view]\n", "1:10: events[0]: must be a mapping of keys to values\n");
    expect_refused("events: [{type: [a], class: neutral}]\n",
                   "1:17: events[0].type: must be a single value\n");
    expect_refused("? [a]\n: b\n", "1:3: a key must be a word\n");
    expect_refused("workers: 1\nhttp: ''\nworkers: 2\n", "3:1: workers: given twice\n");
    expect_refused("listen: []\n", "1:9: listen: must have 1 to 16 entries, has 0\n");
}

Test(conf, unknown_and_missing_keys)
{
    expect_refused(
        "events:\n  - {type: view, weigth: 1, class: positive, weight: 1}\n",
        "2:18: events[0]: unknown key \"weigth\"; known: type, class, weight, half_life, ttl, "
        "negative_below\n");
    expect_refused("attributes:\n  - name: material\n", "2:5: attributes[0].type: is missing\n");
    struct outcome o;
    load(&o, "worker: 1\n", 10);
    cr_expect_eq(strncmp(o.said, "1:1: unknown key \"worker\"; known: listen, http, ", 47), 0, "%s",
                 o.said);
    done(&o);
}

Test(conf, wrong_values)
{
    expect_refused("workers: two\n", "1:10: workers: must be a whole number, got \"two\"\n");
    expect_refused("workers: 2 2\n", "1:10: workers: must be a whole number, got \"2 2\"\n");
    expect_refused("workers: 257\n", "1:10: workers: must be 0 to 256, got 257\n");
    expect_refused("workers: 99999999999999999999\n",
                   "1:10: workers: must be a whole number, got \"99999999999999999999\"\n");
    expect_refused("memory_limit: 4GB\n",
                   "1:15: memory_limit: must be a size such as 512MiB, got \"4GB\"\n");
    expect_refused("memory_limit: 1KiB\n",
                   "1:15: memory_limit: must be 64MiB to 16TiB, got 1KiB\n");
    expect_refused("memory_limit: 9999999999TiB\n", "1:15: memory_limit: must be a size such as "
                                                    "512MiB, got \"9999999999TiB\"\n");
    expect_refused("queue_time: 100\n", "1:13: queue_time: must be a duration such as 30d, 12h, "
                                        "5m, 10s, 100ms, got \"100\"\n");
    expect_refused("insecure: yes\n", "1:11: insecure: must be true or false, got \"yes\"\n");
    expect_refused("log_level: loud\n",
                   "1:12: log_level: must be debug, info, warn or error, got \"loud\"\n");
    expect_refused("on_damage: repair\n",
                   "1:12: on_damage: must be exit or serve, got \"repair\"\n");
    expect_refused("currency: eur\n",
                   "1:11: currency: must be three capitals such as EUR, got \"eur\"\n");
    expect_refused("data_dir: ''\n", "1:11: data_dir: must not be empty, got \"\"\n");
    expect_refused("channels: [web, Web]\n",
                   "1:17: channels[1]: must be 1 to 64 of a-z, 0-9, _ and -, got \"Web\"\n");
    expect_refused("attributes: [{name: price, type: int}]\n",
                   "1:21: attributes[0].name: must not be a field that every item has, got "
                   "\"price\"\n");
    expect_refused("attributes: [{name: a, type: date}]\n",
                   "1:30: attributes[0].type: must be string, strings, int, float or bool, got "
                   "\"date\"\n");
}

Test(conf, wrong_numbers)
{
    static const char *const bad[] = {"inf", "nan", "0x1", "'1,5'", "''", "-1", "1e9", ".nan"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        struct outcome o;
        snprintf(text, sizeof text, "events: [{type: a, class: positive, weight: %s}]\n", bad[i]);
        load(&o, text, strlen(text));
        cr_expect_eq(o.err, NBX_EBAD, "%s", bad[i]);
        cr_expect_eq(strncmp(o.said, "1:45: events[0].weight: must be ", 32), 0, "%s", o.said);
        done(&o);
    }
}

Test(conf, bounds_of_models)
{
    static const struct {
        const char *key, *most; /* from least to most */
        const char *below, *above, *must;
    } bounds[] = {
        {"model_max_without_vector", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"model_max_norm", "1e30", "0.9", "1e31", "must be 1 to 1e+30"},
        {"model_max_unknown", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"model_min_covered", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"model_min_listed", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"model_max_loss", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"canary_max_failed", "1", "-0.1", "1.1", "must be 0 to 1"},
        {"canary_max_slower", "1000000", "0.9", "1e7", "must be 1 to 1000000"},
        {"canary_min_coverage", "1", "-0.1", "1.1", "must be 0 to 1"},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        char text[128], said[128];
        struct outcome o;
        snprintf(text, sizeof text, "%s: %s\n", bounds[i].key, bounds[i].most);
        expect_taken(&o, text);
        done(&o);
        for (int side = 0; side < 2; side++) {
            const char *bad = side ? bounds[i].above : bounds[i].below;
            snprintf(text, sizeof text, "%s: %s\n", bounds[i].key, bad);
            snprintf(said, sizeof said, "1:%zu: %s: %s, got %s\n", strlen(bounds[i].key) + 3,
                     bounds[i].key, bounds[i].must, bad);
            expect_refused(text, said);
        }
    }
    struct outcome a, b;
    struct nbx_conf *running = expect_taken(&a, "");
    nbx_conf_adopt(running, expect_taken(&b, "model_max_unknown: 0.25\nmodel_max_loss: 0\n"));
    cr_expect_float_eq(running->model.max_unknown, 0.25, 1e-12);
    cr_expect_float_eq(running->model.max_loss, 0, 1e-12);
    cr_expect_float_eq(running->model.min_listed, 0.01, 1e-12);
    done(&b);
    done(&a);
}

Test(conf, wrong_durations_of_events)
{
    expect_refused("events: [{type: a, class: positive, weight: 1, ttl: 90}]\n",
                   "1:53: events[0].ttl: must be a duration such as 30d, 12h, 5m, 10s, 100ms, got "
                   "\"90\"\n");
    expect_refused("events: [{type: a, class: positive, weight: 1}, {type: b, class: negative, "
                   "ttl: -1d}]\n",
                   "1:81: events[1].ttl: must be 0 to 36600d, got -1d\n");
    expect_refused("events: [{type: a, class: positive, weight: 1, ttl: 36601d}]\n",
                   "1:53: events[0].ttl: must be 0 to 36600d, got 36601d\n");
    expect_refused("events: [{type: a, class: positive, weight: 1, ttl: [1d]}]\n",
                   "1:53: events[0].ttl: must be a single value\n");
    expect_refused("events: [{type: a, class: positive, weight: 1, half_life: 1}]\n",
                   "1:59: events[0].half_life: must be a duration such as 30d, 12h, 5m, 10s, "
                   "100ms, got \"1\"\n");
}

Test(conf, wrong_placements)
{
    expect_refused("placements: home\n", "1:13: placements: must be a list\n");
    expect_refused("placements: [home]\n",
                   "1:14: placements[0]: must be a mapping of keys to values\n");
    expect_refused("placements: [{recall: 0.9}]\n", "1:14: placements[0].name: is missing\n");
    expect_refused("placements: [{name: ''}]\n",
                   "1:21: placements[0].name: must be 1 to 64 bytes long, got \"\"\n");
    expect_refused("placements: [{name: a, recal: 1}]\n",
                   "1:24: placements[0]: unknown key \"recal\"; known: name, recall\n");
    expect_refused("placements: [{name: a, recall: [1]}]\n",
                   "1:32: placements[0].recall: must be a single value\n");
    expect_refused("placements: [{name: a, recall: most}]\n",
                   "1:32: placements[0].recall: must be a number, got \"most\"\n");
    expect_refused("placements: [{name: a}, {name: b, recall: 0.49}, {name: c, recall: 1.01}]\n",
                   "1:43: placements[1].recall: must be 0.5 to 1, got 0.49\n"
                   "1:68: placements[2].recall: must be 0.5 to 1, got 1.01\n");
    expect_refused("placements: [{name: a, recall: .nan}]\n",
                   "1:32: placements[0].recall: must be a number, got \".nan\"\n");
    expect_refused("placements: [{name: a}, {name: b}, {name: a, recall: 0.9}]\n",
                   "1:43: placements[2].name: \"a\" is there already, as number 0\n");
    char text[128];
    struct outcome o;
    snprintf(text, sizeof text, "placements: [{name: %064d}]\n", 0);
    cr_expect_eq(strlen(expect_taken(&o, text)->placements[0].name), 64);
    done(&o);
    snprintf(text, sizeof text, "placements: [{name: %065d}]\n", 0);
    load(&o, text, strlen(text));
    cr_expect_eq(strncmp(o.said, "1:21: placements[0].name: must be 1 to 64 bytes long", 51), 0,
                 "%s", o.said);
    done(&o);
}

Test(conf, wrong_endpoints)
{
    static const char *const bad[] = {"udp://a:1",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "tcp://:7741",
                                      "tcp://127.0.0.1:0",
                                      "tcp://127.0.0.1:65536",
                                      "ipc://",
                                      "tcp://127.0.0.1:+1",
                                      "tcp://::1:1",
                                      "7741"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        struct outcome o;
        snprintf(text, sizeof text, "listen: ['%s']\n", bad[i]);
        load(&o, text, strlen(text));
        cr_expect_eq(o.err, NBX_EBAD, "%s", bad[i]);
        cr_expect_eq(strncmp(o.said, "1:10: listen[0]: must be tcp://host:port", 40), 0, "%s",
                     o.said);
        done(&o);
    }
    expect_refused("http: '8080'\n", "1:7: http: must be host:port with a port of 1 to 65535, or "
                                     "empty, got \"8080\"\n");
}

Test(conf, beyond_loopback_is_refused_unless_insecure)
{
    static const char *const far[] = {"*",    "0.0.0.0",      "10.0.0.1",    "eth0",
                                      "[::]", "127.evil.com", "shop.example"};
    static const char *const near[] = {"127.0.0.1", "127.9.9.9", "[::1]", "localhost"};
    char text[128];
    struct outcome o;
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        snprintf(text, sizeof text, "listen: ['tcp://%s:1']\n", far[i]);
        load(&o, text, strlen(text));
        cr_expect_eq(o.err, NBX_EBAD, "%s", far[i]);
        cr_expect_not_null(strstr(o.said, "is not loopback"), "%s", o.said);
        done(&o);
        snprintf(text, sizeof text, "insecure: true\nlisten: ['tcp://%s:1']\n", far[i]);
        expect_taken(&o, text);
        done(&o);
    }
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        snprintf(text, sizeof text, "listen: ['tcp://%s:1']\nhttp: '%s:2'\n", near[i], near[i]);
        expect_taken(&o, text);
        done(&o);
    }
    expect_refused("http: 0.0.0.0:80\n", "1:7: http: 0.0.0.0:80 is not loopback: nothing is "
                                         "encrypted there; set insecure: true to permit it\n");
}

Test(conf, rules_over_all)
{
    expect_refused("channels: [web, app, web]\n",
                   "1:22: channels[2]: \"web\" is there already, as number 0\n");
    expect_refused("events:\n  - {type: a, class: positive, weight: 1}\n"
                   "  - {type: a, class: neutral}\n",
                   "3:12: events[1].type: \"a\" is there already, as number 0\n");
    expect_refused("events: [{type: a, class: negative}]\n",
                   "1:9: events: at least one type must be positive, or nothing is ever learnt\n");
    expect_refused("events: [{type: a, class: positive}]\n",
                   "1:10: events[0].weight: a positive event needs a weight above 0\n");
    expect_refused("events: [{type: a, class: positive, weight: 1}, "
                   "{type: b, class: neutral, negative_below: 1}]\n",
                   "1:91: events[1].negative_below: only a positive event can turn negative\n");
    expect_refused("attributes: [{name: a, type: int}, {name: a, type: bool}]\n",
                   "1:43: attributes[1].name: \"a\" is there already, as number 0\n");
    expect_refused("listen: ['ipc://a', 'ipc://a']\n",
                   "1:21: listen[1]: \"ipc://a\" is there already, as number 0\n");
}

Test(conf, every_error_of_meaning_at_once)
{
    expect_refused(
        "log_level: loud\n"
        "channels: [web, WEB, web]\n"
        "events:\n"
        "  - {type: a, class: good, weight: 1}\n"
        "  - {type: a, class: neutral, colour: red}\n"
        "listen: ['tcp://0.0.0.0:1', nothing]\n",
        "1:12: log_level: must be debug, info, warn or error, got \"loud\"\n"
        "2:17: channels[1]: must be 1 to 64 of a-z, 0-9, _ and -, got \"WEB\"\n"
        "2:22: channels[2]: \"web\" is there already, as number 0\n"
        "4:22: events[0].class: must be neutral, positive or negative, got \"good\"\n"
        "5:12: events[1].type: \"a\" is there already, as number 0\n"
        "5:31: events[1]: unknown key \"colour\"; known: type, class, weight, half_life, ttl, "
        "negative_below\n"
        "6:10: listen[0]: tcp://0.0.0.0:1 is not loopback: nothing is encrypted there; "
        "set insecure: true to permit it\n"
        "6:29: listen[1]: must be tcp://host:port, ipc://path or inproc://name, got "
        "\"nothing\"\n");
}

Test(conf, files_that_cannot_be_read)
{
    struct nbx_conf *conf = NULL;
    struct nbx_diagnostics d = {0};
    cr_expect_eq(nbx_conf_load(&conf, "/nonexistent/nbx.yaml", &d), NBX_ENOTFOUND);
    cr_assert_eq(d.n, 1);
    cr_expect_str_eq(d.items[0].message, "cannot be opened: No such file or directory");
    cr_expect_eq(nbx_conf_load(&conf, "/", &d), NBX_ESTORAGE);
    cr_expect_null(conf);
    nbx_diagnostics_fini(&d);
    struct outcome o;
    char *large = calloc(1, 2 << 20);
    memset(large, '#', 2 << 20);
    load(&o, large, 2 << 20);
    cr_expect_eq(o.err, NBX_ELIMIT);
    done(&o);
    free(large);
}

/* Printed, read back, printed again: the same text, whatever the settings. */
static void expect_round_trip(const char *text)
{
    struct outcome o, again;
    char *first = printed(expect_taken(&o, text));
    char *second = printed(expect_taken(&again, first));
    cr_expect_str_eq(first, second);
    free(first);
    free(second);
    done(&o);
    done(&again);
}

Test(conf, print_and_load_is_the_same)
{
    expect_round_trip("");
    expect_round_trip("listen: ['tcp://[::1]:9', \"ipc:///run/a b\\n#\\\"\\\\\"]\nhttp: ''\n"
                      "data_dir: 'true: - é'\nworkers: 3\nmemory_limit: 1073741825\n"
                      "trend_half_life: 90061001ms\nlog_level: error\nrequest_queue: 100\n"
                      "attributes: [{name: 'größe, {x}', type: float}]\n"
                      "placements: [{name: 'page 1: \"top\"', recall: 0.912345678901}, {name: b}]\n"
                      "events: [{type: buy, class: positive, weight: 0.1000000000000000055, "
                      "half_life: 36h, ttl: 400d, negative_below: 0}]\n");
}

Test(conf, print_explains_each_key)
{
    struct nbx_conf *conf = NULL;
    cr_assert_eq(nbx_conf_load(&conf, NULL, NULL), NBX_OK);
    char *text = printed(conf);
    cr_expect_not_null(strstr(text, "# The least level that is logged: debug, info, warn or error. "
                                    "Default: info. Taken over by SIGHUP.\nlog_level: info\n"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "memory_limit: 4GiB\n"));
    cr_expect_not_null(strstr(text, "listen:\n  - tcp://127.0.0.1:7741\n"));
    cr_expect_not_null(strstr(text, "  - {type: view, class: positive, weight: 0.3}\n"));
    free(text);
    nbx_conf_destroy(&conf);
}

Test(conf, the_manual_is_up_to_date)
{
    struct nbx_conf *conf = NULL;
    cr_assert_eq(nbx_conf_load(&conf, NULL, NULL), NBX_OK);
    char *text = printed(conf);
    FILE *file = fopen(NBX_SOURCE_DIR "/etc/CONFIG.md", "r");
    cr_assert_not_null(file);
    static char manual[65536];
    manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
    fclose(file);
    char *start = strstr(manual, "```yaml\n"), *end = strstr(manual, "\n```\n");
    cr_assert(start && end && end > start);
    end[1] = '\0';
    cr_expect_str_eq(start + strlen("```yaml\n"), text,
                     "etc/CONFIG.md is not what nbxd --print-config writes");
    free(text);
    nbx_conf_destroy(&conf);
}

Test(conf, diff_tells_what_needs_a_restart)
{
    struct outcome a, b;
    struct nbx_conf_diff diff;
    struct nbx_conf *running = expect_taken(&a, "log_level: info\nworkers: 2\n");
    const struct nbx_conf *fresh =
        expect_taken(&b, "log_level: warn\nworkers: 3\nqueue_time: 5ms\nchannels: [web, till]\n"
                         "currency: CHF\nplacements: [{name: home, recall: 0.9}]\n"
                         "events: [{type: buy, class: positive, weight: 2}]\n");
    nbx_conf_reloadable_diff(&diff, running, running);
    cr_expect_eq(diff.n_reloadable + diff.n_kept, 0);
    nbx_conf_reloadable_diff(&diff, running, fresh);
    cr_assert_eq(diff.n_reloadable, 4);
    cr_expect_str_eq(diff.reloadable[0], "events");
    cr_expect_str_eq(diff.reloadable[1], "placements");
    cr_expect_str_eq(diff.reloadable[2], "queue_time");
    cr_expect_str_eq(diff.reloadable[3], "log_level");
    cr_assert_eq(diff.n_kept, 3);
    cr_expect_str_eq(diff.kept[0], "workers");
    cr_expect_str_eq(diff.kept[1], "channels");
    cr_expect_str_eq(diff.kept[2], "currency");

    nbx_log_set_level(NBX_LOG_ERROR);
    nbx_conf_adopt(running, fresh);
    done(&b); /* nothing of it may be used any more */
    cr_expect_eq(running->log_level, NBX_LOG_WARN);
    cr_expect_eq(running->queue_time_ms, 5);
    cr_expect_eq(running->workers, 2);
    cr_expect_str_eq(running->currency, "EUR");
    cr_assert_eq(running->n_channels, 7);
    cr_expect_str_eq(running->channels[1], "app");
    cr_assert_eq(running->n_events, 1);
    cr_expect_str_eq(running->events[0].type, "buy");
    cr_expect_float_eq(running->events[0].weight, 2, 1e-12);
    cr_assert_eq(running->n_placements, 1);
    cr_expect_str_eq(running->placements[0].name, "home");
    cr_expect_float_eq(running->placements[0].recall, 0.9, 1e-12);
    done(&a);
}
