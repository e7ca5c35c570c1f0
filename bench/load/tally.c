/* SPDX-License-Identifier: MIT */
#include "bench/load/tally.h"

static bool is_of_a_status(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

static void add_status(struct nbx_load_tally *t, struct nbx_str status, uint64_t n)
{
    char name[sizeof t->statuses[0].name] = "";
    for (size_t k = 0; k < status.len && k + 1 < sizeof name; k++)
        name[k] = is_of_a_status(status.p[k]) ? status.p[k] : '?';
    uint32_t i = 0;
    while (i < t->n_statuses && strcmp(t->statuses[i].name, name) != 0)
        i++;
    if (i == NBX_LOAD_MAX_STATUSES)
        return;
    if (i == t->n_statuses) {
        memcpy(t->statuses[i].name, name, sizeof name);
        t->n_statuses++;
    }
    t->statuses[i].n += n;
}

void nbx_load_tally_answer(struct nbx_load_tally *t, struct nbx_str status, uint64_t latency_ns)
{
    t->answered++;
    nbx_hist_add(&t->latency_ns, latency_ns);
    add_status(t, status, 1);
}

void nbx_load_tally_merge(struct nbx_load_tally *t, const struct nbx_load_tally *other)
{
    t->sent += other->sent;
    t->answered += other->answered;
    t->lost += other->lost;
    t->not_sent += other->not_sent;
    t->late += other->late;
    nbx_hist_merge(&t->latency_ns, &other->latency_ns);
    for (uint32_t i = 0; i < other->n_statuses; i++)
        add_status(t, nbx_str_c(other->statuses[i].name), other->statuses[i].n);
}

uint64_t nbx_load_tally_status(const struct nbx_load_tally *t, const char *status)
{
    for (uint32_t i = 0; i < t->n_statuses; i++)
        if (strcmp(t->statuses[i].name, status) == 0)
            return t->statuses[i].n;
    return 0;
}

uint64_t nbx_load_tally_failed(const struct nbx_load_tally *t)
{
    return t->sent + t->not_sent - nbx_load_tally_status(t, "ok");
}
