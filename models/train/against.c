/* SPDX-License-Identifier: MIT */
#include "models/train/against.h"

#include "engine/base/parallel.h"

void nbx_against_init(struct nbx_against *against)
{
    *against = (struct nbx_against){.threads = nbx_parallel_processors()};
    nbx_types_default(&against->types);
}

bool nbx_against_take(struct nbx_against *against, int option, struct nbx_argument a)
{
    uint64_t whole = 0;
    bool ok;
    switch (option) {
    case NBX_AGAINST_BUNDLE: against->bundle = a.text; return true;
    case NBX_AGAINST_EVENTS: against->events = a.text; return true;
    case NBX_AGAINST_TEST: against->test = a.text; return true;
    case NBX_AGAINST_TYPES: return nbx_argument_types(&against->types, a);
    case NBX_AGAINST_WEIGHTED: against->weighted = true; return true;
    case NBX_AGAINST_JSON: against->json = true; return true;
    default:
        ok = nbx_argument_whole(&whole, a, 1, NBX_PARALLEL_MAX_THREADS);
        against->threads = (unsigned)whole;
        return ok;
    }
}

bool nbx_against_given(const struct nbx_against *against)
{
    return nbx_argument_given((struct nbx_argument){"--bundle", against->bundle}) &&
           nbx_argument_given((struct nbx_argument){"--events", against->events}) &&
           nbx_argument_given((struct nbx_argument){"--test", against->test});
}
