/* SPDX-License-Identifier: MIT */
#include "models/sim/shop.h"

#include "engine/base/random.h"
#include "models/sim/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VARIANTS    4
#define ZIPF_EXPONENT   0.9
#define ZIPF_OFFSET     8
#define SHARE_OFF_SHELF 0.03
#define MEAN_SESSIONS   7.0 /* per customer in 60 days */
#define NEW_CUSTOMERS   0.3 /* joined within the simulated time */

const char *const sim_channels[SIM_CHANNELS] = {"web", "app", "email", "store", "kiosk"};
const char *const sim_stores[SIM_STORES] = {"berlin",  "hamburg", "munich",
                                            "cologne", "leipzig", "vienna"};

/* The directions tastes are made of; (count, SIM_DIMS), unit length. */
struct world {
    struct nbx_random random;
    float categories[SIM_CATEGORIES][SIM_DIMS];
    float styles[SIM_STYLES][SIM_DIMS];
};

static void normalise(float *v)
{
    double norm = 0;
    for (int d = 0; d < SIM_DIMS; d++)
        norm += (double)v[d] * v[d];
    for (int d = 0; d < SIM_DIMS; d++)
        v[d] = (float)(v[d] / sqrt(norm));
}

static void random_direction(float *v, struct nbx_random *random)
{
    for (int d = 0; d < SIM_DIMS; d++)
        v[d] = (float)nbx_random_normal(random);
    normalise(v);
}

static void add(float *v, const float *direction, double share)
{
    for (int d = 0; d < SIM_DIMS; d++)
        v[d] += (float)(share * direction[d]);
}

static void add_noise(float *v, struct nbx_random *random, double share)
{
    float noise[SIM_DIMS];
    random_direction(noise, random);
    add(v, noise, share);
}

static unsigned pick(struct nbx_random *random, unsigned n)
{
    return (unsigned)nbx_random_below(random, n);
}

/* A design: what the colour variants of one group share. */
struct design {
    unsigned number, category, style, brand, material, first_colour;
    int64_t price;
    float log_popularity;
    float taste[SIM_DIMS];
};

static void draw_design(struct design *design, struct world *world, unsigned number)
{
    struct nbx_random *random = &world->random;
    *design = (struct design){.number = number,
                              .category = pick(random, SIM_CATEGORIES),
                              .brand = pick(random, SIM_BRANDS),
                              .material = pick(random, SIM_MATERIALS),
                              .first_colour = pick(random, SIM_COLOURS)};
    /* Four in five designs are in the brand's own style. */
    design->style = pick(random, 5) ? sim_brands[design->brand].style : pick(random, SIM_STYLES);
    double price = sim_categories[design->category].price * exp(0.35 * nbx_random_normal(random));
    design->price = (int64_t)(price / 100) * 100 + (pick(random, 2) ? 95 : 50);
    add(design->taste, world->categories[design->category], 1.0);
    add(design->taste, world->styles[design->style], 0.8);
    add_noise(design->taste, random, 0.45);
}

static void make_id(struct sim_item *item, const struct design *design, const char *colour)
{
    const char *noun = sim_categories[design->category].noun;
    /* The noun's last word, as in "frying pan": pan-0012-rust. */
    const char *last = strrchr(noun, ' ');
    snprintf(item->id, sizeof item->id, "%s-%05u-%s", last ? last + 1 : noun, design->number,
             colour);
    snprintf(item->group, sizeof item->group, "g%05u", design->number);
}

static void make_item(struct sim_item *item, const struct design *design, unsigned variant,
                      struct nbx_random *random)
{
    const struct sim_category *category = &sim_categories[design->category];
    const char *colour = sim_colours[(design->first_colour + 3 * variant) % SIM_COLOURS];
    make_id(item, design, colour);
    snprintf(item->title, sizeof item->title, "%s %s %s, %s", category->materials[design->material],
             sim_styles[design->style].word, category->noun, colour);
    item->brand = sim_brands[design->brand].name;
    item->department = category->department;
    item->category = category->name;
    item->price = design->price;
    item->season = sim_styles[design->style].season;
    item->available = nbx_random_unit(random) >= SHARE_OFF_SHELF;
    item->log_popularity = design->log_popularity - 0.5F * (float)variant;
    memcpy(item->taste, design->taste, sizeof item->taste);
    add_noise(item->taste, random, 0.15);
    normalise(item->taste);
}

static void make_items(struct sim_shop *shop, struct world *world)
{
    unsigned number = 0;
    for (size_t i = 0; i < shop->n_items;) {
        struct design design;
        draw_design(&design, world, ++number);
        /* The rank in popularity is drawn, so that it has nothing to do with taste. */
        double rank = (double)nbx_random_below(&world->random, shop->n_items) + ZIPF_OFFSET;
        design.log_popularity = (float)(-ZIPF_EXPONENT * log(rank / ZIPF_OFFSET));
        unsigned variants = 1 + pick(&world->random, MAX_VARIANTS);
        for (unsigned v = 0; v < variants && i < shop->n_items; v++)
            make_item(&shop->items[i++], &design, v, &world->random);
    }
}

static void make_channels(struct sim_customer *customer, struct nbx_random *random)
{
    static const double usual[SIM_CHANNELS] = {.4, .3, .08, .17, .05};
    double sum = 0, share[SIM_CHANNELS];
    for (int c = 0; c < SIM_CHANNELS; c++) {
        share[c] = usual[c] * exp(0.8 * nbx_random_normal(random));
        sum += share[c];
    }
    for (int c = 0; c < SIM_CHANNELS; c++)
        customer->channels[c] = (float)(share[c] / sum);
}

static void make_customer(struct sim_customer *customer, size_t number, struct world *world,
                          const struct sim_options *options)
{
    struct nbx_random *random = &world->random;
    unsigned category = pick(random, SIM_CATEGORIES), style = pick(random, SIM_STYLES);
    int64_t span_ms = options->n_days * SIM_DAY_MS;
    snprintf(customer->id, sizeof customer->id, "c%06zu", number + 1);
    add(customer->taste, world->categories[category], 1.0);
    add(customer->taste, world->categories[pick(random, SIM_CATEGORIES)], 0.6);
    add(customer->taste, world->styles[style], 0.8);
    add_noise(customer->taste, random, 0.2);
    normalise(customer->taste);
    customer->loves_category = sim_categories[category].name;
    customer->loves_style = sim_styles[style].word;
    customer->sessions = (float)(MEAN_SESSIONS * options->n_days / 60.0 *
                                 exp(0.7 * nbx_random_normal(random) - 0.245));
    make_channels(customer, random);
    customer->store = pick(random, SIM_STORES);
    customer->age = 18 + pick(random, 60);
    int64_t ago = (int64_t)(nbx_random_unit(random) * (double)span_ms * 0.9);
    customer->joined_ms = options->now_ms - span_ms;
    if (nbx_random_unit(random) < NEW_CUSTOMERS)
        customer->joined_ms += ago;
}

enum nbx_err sim_shop_new(struct sim_shop **out, const struct sim_options *options)
{
    struct world world;
    struct sim_shop *shop = calloc(1, sizeof *shop);
    *out = shop;
    if (!shop)
        return NBX_ELIMIT;
    shop->n_items = options->n_items;
    shop->n_customers = options->n_customers;
    shop->items = calloc(shop->n_items, sizeof *shop->items);
    shop->customers = calloc(shop->n_customers, sizeof *shop->customers);
    if (!shop->items || !shop->customers) {
        sim_shop_destroy(out);
        return NBX_ELIMIT;
    }
    nbx_random_init(&world.random, options->seed);
    for (int i = 0; i < SIM_CATEGORIES; i++)
        random_direction(world.categories[i], &world.random);
    for (int i = 0; i < SIM_STYLES; i++)
        random_direction(world.styles[i], &world.random);
    make_items(shop, &world);
    for (size_t u = 0; u < shop->n_customers; u++)
        make_customer(&shop->customers[u], u, &world, options);
    return NBX_OK;
}

void sim_shop_destroy(struct sim_shop **shop)
{
    if (!*shop)
        return;
    free((*shop)->items);
    free((*shop)->customers);
    free(*shop);
    *shop = NULL;
}

float sim_liking(const struct sim_customer *customer, const struct sim_item *item)
{
    float sum = 0;
    for (int d = 0; d < SIM_DIMS; d++)
        sum += customer->taste[d] * item->taste[d];
    return sum;
}
