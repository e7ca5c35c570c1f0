/* SPDX-License-Identifier: MIT */
#include "models/sim/words.h"

const struct sim_category sim_categories[SIM_CATEGORIES] = {
    {"women", "dresses", "dress", {"Linen", "Cotton", "Silk"}, 6900},
    {"women", "blouses", "blouse", {"Silk", "Cotton", "Viscose"}, 3900},
    {"women", "sandals", "sandals", {"Leather", "Cork", "Suede"}, 5900},
    {"women", "handbags", "handbag", {"Leather", "Canvas", "Felt"}, 8900},
    {"men", "shirts", "shirt", {"Oxford", "Linen", "Flannel"}, 4900},
    {"men", "trousers", "trousers", {"Chino", "Corduroy", "Wool"}, 6900},
    {"men", "boots", "boots", {"Leather", "Suede", "Waxed"}, 12900},
    {"men", "jackets", "jacket", {"Denim", "Wool", "Quilted"}, 14900},
    {"home", "lamps", "table lamp", {"Brass", "Paper", "Ceramic"}, 7900},
    {"home", "cushions", "cushion", {"Velvet", "Linen", "Wool"}, 2900},
    {"home", "rugs", "rug", {"Jute", "Wool", "Cotton"}, 15900},
    {"home", "vases", "vase", {"Glass", "Stoneware", "Ceramic"}, 3400},
    {"kitchen", "mugs", "mug", {"Stoneware", "Enamel", "Porcelain"}, 1500},
    {"kitchen", "pans", "frying pan", {"Iron", "Steel", "Copper"}, 6400},
    {"kitchen", "knives", "kitchen knife", {"Steel", "Damask", "Carbon"}, 5400},
    {"kitchen", "boards", "cutting board", {"Oak", "Walnut", "Bamboo"}, 3200},
    {"outdoor", "tents", "two-person tent", {"Ripstop", "Canvas", "Dome"}, 24900},
    {"outdoor", "backpacks", "backpack", {"Canvas", "Nylon", "Waxed"}, 8900},
    {"outdoor", "bottles", "water bottle", {"Steel", "Glass", "Titanium"}, 2400},
    {"outdoor", "gloves", "hiking gloves", {"Merino", "Fleece", "Leather"}, 2900},
    {"kids", "blocks", "building blocks", {"Beech", "Maple", "Cork"}, 3900},
    {"kids", "puzzles", "puzzle", {"Wooden", "Cardboard", "Magnetic"}, 1900},
    {"kids", "pyjamas", "pyjamas", {"Cotton", "Jersey", "Flannel"}, 2700},
    {"kids", "raincoats", "raincoat", {"Rubber", "Recycled", "Waxed"}, 4500},
};

const struct sim_style sim_styles[SIM_STYLES] = {
    {"summer", SIM_SUMMER},    {"classic", SIM_ALL_YEAR}, {"retro", SIM_ALL_YEAR},
    {"minimal", SIM_ALL_YEAR}, {"rustic", SIM_ALL_YEAR},  {"sporty", SIM_SUMMER},
    {"festive", SIM_WINTER},   {"urban", SIM_ALL_YEAR},
};

const struct sim_brand sim_brands[SIM_BRANDS] = {
    {"Solana", 0},      {"Marebel", 0}, {"Hartwig & Sons", 1}, {"Oldfield", 1},
    {"Jukebox", 2},     {"Polka", 2},   {"Plain Goods", 3},    {"Nordlys", 3},
    {"Hayloft", 4},     {"Alder", 4},   {"Kinetic", 5},        {"Velo", 5},
    {"Candlelight", 6}, {"Gala", 6},    {"Kiez", 7},           {"Blockhaus", 7},
};

const char *const sim_colours[SIM_COLOURS] = {"coral", "navy", "sand", "olive", "black",
                                              "white", "rust", "sky",  "plum",  "mint"};
