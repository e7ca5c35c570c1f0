/* SPDX-License-Identifier: MIT
 * The words a shop is made of: categories, styles, colours, brands.
 *
 * Why:     a title such as "Linen summer dress, coral" lets a person judge a recommendation.
 * Owns:    nothing: all constant.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_SIM_WORDS_H
#define NBX_SIM_WORDS_H

#include "models/sim/shop.h"

#define SIM_CATEGORIES 24
#define SIM_STYLES     8
#define SIM_COLOURS    10
#define SIM_BRANDS     16
#define SIM_MATERIALS  3

struct sim_category {
    const char *department, *name, *noun;
    const char *materials[SIM_MATERIALS];
    unsigned price; /* minor units, of the middle */
};

struct sim_style {
    const char *word;
    enum sim_season season;
};

struct sim_brand {
    const char *name;
    unsigned style; /* the one it mostly makes */
};

extern const struct sim_category sim_categories[SIM_CATEGORIES];
extern const struct sim_style sim_styles[SIM_STYLES];
extern const struct sim_brand sim_brands[SIM_BRANDS];
extern const char *const sim_colours[SIM_COLOURS];

#endif
