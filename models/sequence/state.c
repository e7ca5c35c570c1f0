/* SPDX-License-Identifier: MIT */
#include "models/sequence/internal.h"

#include "engine/base/hash.h"

#include <string.h>

/* Head, then arrays, each with the hash of its bytes behind it. The machine's own representation:
 * a checkpoint goes on where it was made, as its bits hold for one machine only. */
#define MAGIC "nbxseq1"

struct head {
    char magic[8];
    uint64_t n_items, n_targets, data; /* data: hash of the sequences */
    uint64_t dim, recent, groups, epochs, batch, negatives, seed;
    uint32_t rate, history_dropout, dropout, decay; /* bits of floats */
    uint64_t epoch, steps;
};

static uint64_t hash_of_data(const struct nbx_dataset *d)
{
    uint64_t parts[2] = {
        nbx_hash64(d->sequence, nbx_csr_entries(&d->by_customer) * sizeof *d->sequence),
        nbx_hash64(d->by_customer.start, (d->n_customers + 1) * sizeof *d->by_customer.start)};
    return nbx_hash64(parts, sizeof parts);
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static struct head head_of(const struct nbx_sequence *s)
{
    const struct nbx_sequence_options *o = &s->options;
    struct head h = {.magic = MAGIC,
                     .n_items = s->dataset->n_items,
                     .n_targets = s->chunks.n_targets,
                     .data = hash_of_data(s->dataset),
                     .dim = o->dim,
                     .recent = o->recent,
                     .groups = o->groups,
                     .epochs = o->epochs,
                     .batch = o->batch,
                     .negatives = o->negatives,
                     .seed = o->seed,
                     .rate = bits_of(o->rate),
                     .history_dropout = bits_of(o->history_dropout),
                     .dropout = bits_of(o->dropout),
                     .decay = bits_of(o->decay),
                     .epoch = s->epoch,
                     .steps = s->steps};
    return h;
}

struct array {
    void *p;
    size_t bytes;
};
#define ARRAYS 12

static void list_table(struct array *out, const struct nbx_sequence_table *t)
{
    size_t bytes = t->n * t->width * sizeof *t->value;
    out[0] = (struct array){t->value, bytes};
    out[1] = (struct array){t->first, bytes};
    out[2] = (struct array){t->second, bytes};
    out[3] = (struct array){t->last, t->last ? t->n * sizeof *t->last : 0};
}

static void list_arrays(struct array *out, const struct nbx_sequence *s)
{
    list_table(out, &s->items);
    list_table(out + 4, &s->history);
    list_table(out + 8, &s->positions);
}

static bool write_array(FILE *to, struct array a)
{
    uint64_t hash = nbx_hash64(a.p, a.bytes);
    return (a.bytes == 0 || fwrite(a.p, a.bytes, 1, to) == 1) &&
           fwrite(&hash, sizeof hash, 1, to) == 1;
}

static enum nbx_err read_array(struct array a, FILE *from)
{
    uint64_t hash;
    if ((a.bytes > 0 && fread(a.p, a.bytes, 1, from) != 1) ||
        fread(&hash, sizeof hash, 1, from) != 1)
        return ferror(from) ? NBX_ESTORAGE : NBX_ECORRUPT;
    return hash == nbx_hash64(a.p, a.bytes) ? NBX_OK : NBX_ECORRUPT;
}

enum nbx_err nbx_sequence_save(const struct nbx_sequence *sequence, FILE *to,
                               struct nbx_fault *fault)
{
    struct head head = head_of(sequence);
    struct array arrays[ARRAYS];
    bool good = write_array(to, (struct array){&head, sizeof head});
    list_arrays(arrays, sequence);
    for (size_t i = 0; good && i < ARRAYS; i++)
        good = write_array(to, arrays[i]);
    if (!good || fflush(to) != 0)
        return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot write the state of sequence");
    return NBX_OK;
}

/* As head_of has it, but for how far it has come. */
static enum nbx_err read_head(struct nbx_sequence *s, FILE *from)
{
    struct head head, expected = head_of(s);
    enum nbx_err err = read_array((struct array){&head, sizeof head}, from);
    if (err)
        return err;
    expected.epoch = head.epoch;
    expected.steps = head.steps;
    if (memcmp(&head, &expected, sizeof head) != 0 || head.epoch > s->options.epochs)
        return NBX_ECONFLICT;
    s->epoch = (unsigned)head.epoch;
    s->steps = (uint32_t)head.steps;
    return NBX_OK;
}

enum nbx_err nbx_sequence_restore(struct nbx_sequence *sequence, FILE *from,
                                  struct nbx_fault *fault)
{
    struct array arrays[ARRAYS];
    enum nbx_err err = read_head(sequence, from);
    list_arrays(arrays, sequence);
    for (size_t i = 0; !err && i < ARRAYS; i++)
        err = read_array(arrays[i], from);
    if (err == NBX_ECONFLICT)
        return nbx_fault_set(fault, err, NULL, "the state is of other data or options");
    if (err == NBX_ESTORAGE)
        return nbx_fault_set(fault, err, NULL, "cannot read the state of sequence");
    return err ? nbx_fault_set(fault, err, NULL, "the state of sequence is damaged") : NBX_OK;
}
