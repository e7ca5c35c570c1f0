/* SPDX-License-Identifier: MIT */
#include "engine/conf/table.h"

#include <stddef.h>

#define KIB  INT64_C(1024)
#define MIB  (1024 * KIB)
#define GIB  (1024 * MIB)
#define SEC  INT64_C(1000)
#define DAY  (86400 * SEC)
#define YEAR (366 * DAY)

#define AT(member)      .offset = offsetof(struct nbx_conf, member)
#define COUNTED(member) AT(member), .count_offset = offsetof(struct nbx_conf, n_##member)
#define ROWS(rows)      (rows), sizeof(rows) / sizeof((rows)[0])

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const on_damage[] = {"exit", "serve", NULL};
static const char *const classes[] = {"neutral", "positive", "negative", NULL};
static const char *const attribute_types[] = {"string", "strings", "int", "float", "bool", NULL};

static const struct conf_row event_rows[] = {
    {"type", CONF_TEXT, .offset = offsetof(struct nbx_conf_event, type),
     .check = nbx_conf__check_name},
    {"class", CONF_WORD, .offset = offsetof(struct nbx_conf_event, class), .words = classes},
    {"weight", CONF_NUMBER, .offset = offsetof(struct nbx_conf_event, weight), .preset = "0",
     .most = 1000000},
    {"half_life", CONF_DURATION, .offset = offsetof(struct nbx_conf_event, half_life_ms),
     .preset = "0", .max = 100 * YEAR},
    {"ttl", CONF_DURATION, .offset = offsetof(struct nbx_conf_event, ttl_ms), .preset = "0",
     .max = 100 * YEAR},
    {"negative_below", CONF_NUMBER, .offset = offsetof(struct nbx_conf_event, negative_below),
     .preset = ".nan", .least = -1000000, .most = 1000000},
};
static const struct conf_record event_record = {ROWS(event_rows), sizeof(struct nbx_conf_event)};

static const struct conf_row attribute_rows[] = {
    {"name", CONF_TEXT, .offset = offsetof(struct nbx_conf_attribute, name),
     .check = nbx_conf__check_attribute},
    {"type", CONF_WORD, .offset = offsetof(struct nbx_conf_attribute, type),
     .words = attribute_types},
};
static const struct conf_record attribute_record = {ROWS(attribute_rows),
                                                    sizeof(struct nbx_conf_attribute)};

static const struct conf_row placement_rows[] = {
    {"name", CONF_TEXT, .offset = offsetof(struct nbx_conf_placement, name),
     .check = nbx_conf__check_label},
    {"recall", CONF_NUMBER, .offset = offsetof(struct nbx_conf_placement, recall), .preset = "1",
     .least = 0.5, .most = 1},
};
static const struct conf_record placement_record = {ROWS(placement_rows),
                                                    sizeof(struct nbx_conf_placement)};

static const struct conf_row top_rows[] = {
    {"listen", CONF_TEXTS, COUNTED(listen), .min = 1, .max = 16, .preset = "[tcp://127.0.0.1:7741]",
     .check = nbx_conf__check_endpoint,
     .sentence = "ZeroMQ endpoints to serve, tcp:// and ipc://; one that other machines can reach "
                 "needs `insecure: true`."},
    {"http", CONF_TEXT, AT(http), .preset = "127.0.0.1:7742", .check = nbx_conf__check_http,
     .sentence = "Address of the HTTP/JSON door, host:port; empty turns it off."},
    {"insecure", CONF_BOOL, AT(insecure), .preset = "false",
     .sentence = "Permits addresses beyond loopback although nothing is encrypted and nobody has "
                 "to say who they are."},
    {"data_dir", CONF_TEXT, AT(data_dir), .preset = "./nbx-data", .check = nbx_conf__check_path,
     .sentence = "Folder of the store and of the bundles; made where it is missing."},
    {"workers", CONF_INT, AT(workers_asked), .max = 256, .preset = "0",
     .sentence = "Threads that answer, each for its own share of the customers; 0 means one per "
                 "core, less one, at least 1."},
    {"memory_limit", CONF_BYTES, AT(memory_limit_bytes), .min = 64 * MIB, .max = 16384 * GIB,
     .preset = "4GiB",
     .sentence = "Bound of caches, queues, index and working memory together; past it changes are "
                 "refused with `limit`."},
    {"channels", CONF_TEXTS, COUNTED(channels), .min = 1, .max = 64,
     .preset = "[web, app, email, store, kiosk, agent, chat]", .check = nbx_conf__check_name,
     .sentence = "Names of the channels that requests, events and items may use."},
    {"currency", CONF_TEXT, AT(currency), .preset = "EUR", .check = nbx_conf__check_currency,
     .sentence = "The one currency of all money (ISO 4217), which is given in its minor units."},
    {"events", CONF_RECORDS, COUNTED(events), .min = 1, .max = 64, .record = &event_record,
     .reloadable = true,
     .preset = "[{type: impression, class: neutral}, {type: view, class: positive, weight: 0.3}, "
               "{type: click, class: positive, weight: 0.4}, "
               "{type: cart, class: positive, weight: 0.7}, "
               "{type: purchase, class: positive, weight: 1}, "
               "{type: rating, class: positive, weight: 1, negative_below: 2.5}, "
               "{type: search, class: neutral}, {type: call, class: neutral}, "
               "{type: visit, class: positive, weight: 1}, {type: dismiss, class: negative}, "
               "{type: return, class: negative}]",
     .sentence = "Event types. A positive one tells taste by its weight, which halves every "
                 "half_life (0: never); a negative one keeps its item out until the next positive "
                 "one; a `rating` below negative_below counts as negative. What is older than its "
                 "type's ttl (0: never) has no effect on the customer's answers any more, taste, "
                 "dislike or seen, from the next full hour on; trends have a half-life of their "
                 "own."},
    {"attributes", CONF_RECORDS, COUNTED(attributes), .max = 256, .preset = "[]",
     .record = &attribute_record,
     .sentence = "Item attributes with a fixed type (string, strings, int, float, bool); any other "
                 "takes the type of its first value."},
    {"placements", CONF_RECORDS, COUNTED(placements), .max = 256, .preset = "[]",
     .record = &placement_record, .reloadable = true,
     .sentence = "Placements, as {name: home, recall: 0.9}: the `recall` (0.5 to 1; 1 is exact) of "
                 "requests that name one and say none of their own. A placement that is not listed "
                 "may be named too and is exact."},
    {"trend_half_life", CONF_DURATION, AT(trend_half_life_ms), .min = 60 * SEC, .max = YEAR,
     .preset = "1d",
     .sentence = "Time in which an event's share in the trends halves; below 8m in "
                 "whole minutes."},
    {"event_retention", CONF_DURATION, AT(event_retention_ms), .min = DAY, .max = 100 * YEAR,
     .preset = "400d",
     .sentence = "How long events are kept, and how long an event's id is known again, from "
                 "when it happened or came, whichever is later."},
    {"on_damage", CONF_WORD, AT(on_damage), .preset = "exit", .words = on_damage,
     .reloadable = true,
     .sentence = "What happens when stored data turns out to be damaged while it is served: exit "
                 "ends nbxd with code 3 once requests under way are answered; serve goes on, and "
                 "whoever asks for what is damaged is answered `storage`."},
    {"history_max", CONF_INT, AT(history_max), .min = 100, .max = 1000000, .preset = "10000",
     .sentence = "How many events of one type are kept of a customer, the newest; what came of "
                 "older ones stays, but they are shown and can be retracted no longer."},
    {"decision_retention", CONF_DURATION, AT(decision_retention_ms), .min = 60 * SEC,
     .max = 100 * YEAR, .preset = "30d",
     .sentence = "How long decisions are kept, and items as they were."},
    {"request_queue", CONF_INT, AT(request_queue), .min = 16, .max = 1048576, .preset = "4096",
     .sentence = "Requests that may wait for one worker, rounded up to a power of two; one more is "
                 "answered `busy`."},
    {"queue_time", CONF_DURATION, AT(queue_time_ms), .min = 1, .max = 60 * SEC, .preset = "100ms",
     .reloadable = true,
     .sentence = "A request that waited longer for its worker is answered `busy`."},
    {"max_message", CONF_BYTES, AT(max_message_bytes), .min = 4 * KIB, .max = 64 * MIB,
     .preset = "1MiB", .sentence = "Size of the largest message a client may send."},
    {"model_max", CONF_BYTES, AT(model_max_bytes), .min = MIB, .max = 16384 * GIB, .preset = "8GiB",
     .sentence = "Size of the largest model that may be pushed."},
    {"model_push_idle", CONF_DURATION, AT(model_push_idle_ms), .min = 100, .max = DAY,
     .preset = "1m",
     .sentence = "An upload of a model to which nothing was added for this long is removed."},
    {"model_max_without_vector", CONF_NUMBER, AT(model.max_without_vector), .most = 1,
     .preset = "0.005", .reloadable = true,
     .sentence = "A bundle is not taken where more than this share of its items has a zero vector "
                 "in every space, and no neighbours: 0 to 1."},
    {"model_max_norm", CONF_NUMBER, AT(model.max_norm), .least = 1, .most = 1e30,
     .preset = "100000", .reloadable = true,
     .sentence =
         "A bundle is not taken where one of its vectors is longer than this many times the "
         "median of its tensor: 1 to 1e30."},
    {"model_max_unknown", CONF_NUMBER, AT(model.max_unknown), .most = 1, .preset = "0.5",
     .reloadable = true,
     .sentence = "A bundle is not taken where more than this share of its items is unknown to the "
                 "catalogue, 0 to 1; while the catalogue is empty this is not looked at."},
    {"model_min_covered", CONF_NUMBER, AT(model.min_covered), .most = 1, .preset = "0.05",
     .reloadable = true,
     .sentence =
         "A bundle is not taken where it has less than this share of the catalogue's items, "
         "0 to 1, unless it makes vectors of attributes."},
    {"model_min_listed", CONF_NUMBER, AT(model.min_listed), .most = 1, .preset = "0.01",
     .reloadable = true,
     .sentence =
         "A bundle is not taken where the lists of a sample of customers show fewer distinct "
         "items than this share of all items, or of all places where those are fewer; at "
         "least 50 and at most a quarter of the items. 0 to 1; 0 turns it off."},
    {"model_max_loss", CONF_NUMBER, AT(model.max_loss), .most = 1, .preset = "0.1",
     .reloadable = true,
     .sentence = "A bundle is not taken where it is worse than the model in service by more than "
                 "this share, and by more than chance explains, in hit@20 or ndcg@20 of what "
                 "customers did last: 0 to 1; 1 turns it off."},
    {"canary_window", CONF_INT, AT(canary.window), .min = 20, .max = 1000000, .preset = "500",
     .reloadable = true,
     .sentence = "Answers of a canary, and as many of the active model to the like, that are held "
                 "against each other at a time."},
    {"canary_max_failed", CONF_NUMBER, AT(canary.max_failed), .most = 1, .preset = "0.01",
     .reloadable = true,
     .sentence = "A canary is rolled back where a larger share of its answers fails than of the "
                 "active model's and this more: 0 to 1."},
    {"canary_max_slower", CONF_NUMBER, AT(canary.max_slower), .least = 1, .most = 1000000,
     .preset = "2", .reloadable = true,
     .sentence =
         "A canary is rolled back where deciding takes more than this many times as long as "
         "with the active model at the 99th percentile, and more than a millisecond."},
    {"canary_min_coverage", CONF_NUMBER, AT(canary.min_coverage), .most = 1, .preset = "0.5",
     .reloadable = true,
     .sentence = "A canary is rolled back where it shows fewer distinct items than this share of "
                 "what the active model shows: 0 to 1."},
    {"drain_timeout", CONF_DURATION, AT(drain_timeout_ms), .max = 600 * SEC, .preset = "10s",
     .reloadable = true,
     .sentence = "How long SIGTERM waits for requests already received to be answered."},
    {"log_level", CONF_WORD, AT(log_level), .preset = "info", .words = levels, .reloadable = true,
     .sentence = "The least level that is logged: debug, info, warn or error."},
};
const struct conf_record nbx_conf__top = {ROWS(top_rows), sizeof(struct nbx_conf)};

_Static_assert(sizeof(top_rows) / sizeof(top_rows[0]) <= NBX_CONF_MAX_KEYS, "room in the diff");
