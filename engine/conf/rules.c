/* SPDX-License-Identifier: MIT */
#include "engine/conf/rules.h"

#include <string.h>

static size_t check_local(const struct nbx_conf *conf, const struct conf_doc *doc)
{
    size_t errors = 0;
    static const char refusal[] =
        "%s is not loopback: nothing is encrypted there; set insecure: true to permit it";
    if (conf->insecure)
        return 0;
    for (size_t i = 0; i < conf->n_listen; i++) {
        if (!conf->listen[i] || nbx_conf__is_local(conf->listen[i]))
            continue;
        nbx_conf__doc_report(doc, (struct conf_place){"listen", (int64_t)i, NULL}, refusal,
                             conf->listen[i]);
        errors++;
    }
    if (!nbx_conf__is_local(conf->http)) {
        nbx_conf__doc_report(doc, (struct conf_place){"http", -1, NULL}, refusal, conf->http);
        errors++;
    }
    return errors;
}

static const char *name_at(const void *names, size_t i, size_t stride)
{
    return *(const char *const *)((const char *)names + i * stride);
}

/* names: (n) pointers, `stride` bytes apart. Lists are short: quadratic is quick enough. */
static size_t check_unique(const struct conf_doc *doc, struct conf_place place, const void *names,
                           size_t n, size_t stride)
{
    size_t errors = 0;
    for (size_t i = 1; i < n; i++) {
        const char *name = name_at(names, i, stride);
        for (size_t j = 0; name && j < i; j++) {
            const char *earlier = name_at(names, j, stride);
            if (!earlier || strcmp(earlier, name) != 0)
                continue;
            place.entry = (int64_t)i;
            nbx_conf__doc_report(doc, place, "\"%s\" is there already, as number %zu", name, j);
            errors++;
            break;
        }
    }
    return errors;
}

static size_t check_events(const struct nbx_conf *conf, const struct conf_doc *doc)
{
    size_t errors = 0, n_positive = 0;
    for (size_t i = 0; i < conf->n_events; i++) {
        const struct nbx_conf_event *event = &conf->events[i];
        bool positive = event->class == NBX_CONF_POSITIVE;
        n_positive += positive;
        if (positive && !(event->weight > 0)) {
            nbx_conf__doc_report(doc, (struct conf_place){"events", (int64_t)i, "weight"},
                                 "a positive event needs a weight above 0");
            errors++;
        }
        if (!positive && event->negative_below == event->negative_below) {
            nbx_conf__doc_report(doc, (struct conf_place){"events", (int64_t)i, "negative_below"},
                                 "only a positive event can turn negative");
            errors++;
        }
    }
    if (n_positive == 0) {
        nbx_conf__doc_report(doc, (struct conf_place){"events", -1, NULL},
                             "at least one type must be positive, or nothing is ever learnt");
        errors++;
    }
    return errors;
}

size_t nbx_conf__rules(const struct nbx_conf *conf, const struct conf_doc *doc, bool events_whole)
{
    struct conf_place listen = {"listen", -1, NULL}, channels = {"channels", -1, NULL},
                      events = {"events", -1, "type"}, attributes = {"attributes", -1, "name"},
                      placements = {"placements", -1, "name"};
    size_t errors = check_local(conf, doc) + (events_whole ? check_events(conf, doc) : 0);
    errors += check_unique(doc, listen, conf->listen, conf->n_listen, sizeof conf->listen[0]);
    errors +=
        check_unique(doc, channels, conf->channels, conf->n_channels, sizeof conf->channels[0]);
    if (conf->n_events)
        errors += check_unique(doc, events, &conf->events[0].type, conf->n_events,
                               sizeof conf->events[0]);
    if (conf->n_attributes)
        errors += check_unique(doc, attributes, &conf->attributes[0].name, conf->n_attributes,
                               sizeof conf->attributes[0]);
    if (conf->n_placements)
        errors += check_unique(doc, placements, &conf->placements[0].name, conf->n_placements,
                               sizeof conf->placements[0]);
    return errors;
}
