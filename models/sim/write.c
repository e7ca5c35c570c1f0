/* SPDX-License-Identifier: MIT */
#include "models/sim/write.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct all {
    const struct sim_options *options;
    const struct sim_shop *shop;
    const struct sim_stream *stream;
};

static void write_items(FILE *f, const struct all *all)
{
    fprintf(f, "id,group,kind,title,brand,categories,price,available,url,image\n");
    for (size_t i = 0; i < all->shop->n_items; i++) {
        const struct sim_item *item = &all->shop->items[i];
        fprintf(f, "%s,%s,product,\"%s\",%s,%s|%s,%" PRId64 ",%s,/p/%s,/img/%s.jpg\n", item->id,
                item->group, item->title, item->brand, item->department, item->category,
                item->price, item->available ? "true" : "false", item->id, item->id);
    }
}

static void write_customers(FILE *f, const struct all *all)
{
    fprintf(f, "customer,age,store,locale,timezone,joined,loves\n");
    for (size_t u = 0; u < all->shop->n_customers; u++) {
        const struct sim_customer *c = &all->shop->customers[u];
        const char *store = sim_stores[c->store];
        bool vienna = strcmp(store, "vienna") == 0;
        fprintf(f, "%s,%u,%s,%s,%s,%" PRId64 ",%s %s\n", c->id, c->age, store,
                vienna ? "de-AT" : "de-DE", vienna ? "Europe/Vienna" : "Europe/Berlin",
                c->joined_ms, c->loves_style, c->loves_category);
    }
}

static void write_events(FILE *f, const struct all *all)
{
    fprintf(f, "customer,type,item,time,channel,store,session,order,quantity,value,id\n");
    for (size_t i = 0; i < all->stream->n_events; i++) {
        const struct sim_event *e = &all->stream->events[i];
        fprintf(f, "%s,%s,%s,%" PRId64 ",%s,%s,s%u,", all->shop->customers[e->customer].id,
                sim_types[e->type], all->shop->items[e->item].id, e->time_ms,
                sim_channels[e->channel], e->store == SIM_NO_STORE ? "" : sim_stores[e->store],
                e->session);
        if (e->order)
            fprintf(f, "o%u,%u,%" PRId64, e->order, e->quantity, e->value);
        else
            fprintf(f, ",,");
        fprintf(f, ",e%zu\n", i + 1);
    }
}

static void write_test(FILE *f, const struct all *all)
{
    fprintf(f, "customer,item\n");
    for (size_t i = 0; i < all->stream->n_test; i++) {
        const struct sim_pair *pair = &all->stream->test[i];
        fprintf(f, "%s,%s\n", all->shop->customers[pair->customer].id,
                all->shop->items[pair->item].id);
    }
}

static void write_truth(FILE *f, const struct all *all)
{
    fprintf(f, "customer,item,rank\n");
    for (size_t i = 0; i < all->stream->n_truth; i++) {
        const struct sim_pair *pair = &all->stream->truth[i];
        fprintf(f, "%s,%s,%u\n", all->shop->customers[pair->customer].id,
                all->shop->items[pair->item].id, pair->rank);
    }
}

static void write_description(FILE *f, const struct all *all)
{
    fprintf(f,
            "{\n  \"name\": \"Simulated shop\",\n  \"publisher\": \"nbx-sim\",\n"
            "  \"counts\": {\n    \"customers\": %zu,\n    \"events\": %zu,\n"
            "    \"items\": %zu,\n    \"test\": %zu,\n    \"truth\": %zu\n  },\n"
            "  \"ordered\": true,\n  \"currency\": \"EUR\",\n  \"seed\": %" PRIu64 ",\n"
            "  \"now\": %" PRId64 ",\n"
            "  \"held_out\": \"first purchases in the days after now; not in events.csv\"\n}\n",
            all->shop->n_customers, all->stream->n_events, all->shop->n_items, all->stream->n_test,
            all->stream->n_truth, all->options->seed, all->options->now_ms);
}

static enum nbx_err fail(struct nbx_fault *fault, const char *path)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, path, "%s", strerror(errno));
}

static enum nbx_err write_file(const char *name, void (*write)(FILE *, const struct all *),
                               const struct all *all, struct nbx_fault *fault)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", all->options->out, name);
    FILE *f = fopen(path, "we");
    if (!f)
        return fail(fault, path);
    write(f, all);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        return fail(fault, path);
    return NBX_OK;
}

/* As mkdir -p. */
static enum nbx_err make_folder(const char *path, struct nbx_fault *fault)
{
    char part[PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part - NAME_MAX) {
        errno = ENAMETOOLONG;
        return fail(fault, path);
    }
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail(fault, part);
        *slash = '/';
    }
    return mkdir(part, 0777) != 0 && errno != EEXIST ? fail(fault, part) : NBX_OK;
}

enum nbx_err sim_write(const struct sim_options *options, const struct sim_shop *shop,
                       const struct sim_stream *stream, struct nbx_fault *fault)
{
    static const struct {
        const char *name;
        void (*write)(FILE *, const struct all *);
    } files[] = {{"items.csv", write_items},   {"customers.csv", write_customers},
                 {"events.csv", write_events}, {"test.csv", write_test},
                 {"truth.csv", write_truth},   {"dataset.json", write_description}};
    struct all all = {options, shop, stream};
    enum nbx_err err = make_folder(options->out, fault);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && !err; i++)
        err = write_file(files[i].name, files[i].write, &all, fault);
    return err;
}
