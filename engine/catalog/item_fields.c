/* SPDX-License-Identifier: MIT */
#include "engine/catalog/item.h"

#include "engine/base/check.h"

static struct nbx_value strings_value(const struct nbx_catalog *c, const uint32_t *codes,
                                      uint32_t n, struct nbx_arena *arena)
{
    struct nbx_value *list = nbx_arena_calloc(arena, n, sizeof *list);
    if (!list)
        return nbx_value_nil();
    for (uint32_t i = 0; i < n; i++)
        list[i] = nbx_value_string(nbx_words_text(c->home->words, codes[i]));
    return (struct nbx_value){.type = NBX_LIST, .n = n, .list = list};
}

static struct nbx_value counts_value(const struct nbx_catalog *c, const uint32_t *pairs, uint32_t n,
                                     struct nbx_arena *arena)
{
    struct nbx_member *members = nbx_arena_calloc(arena, n / 2, sizeof *members);
    if (!members)
        return nbx_value_nil();
    for (uint32_t i = 0; i < n / 2; i++)
        members[i] = (struct nbx_member){nbx_words_text(c->home->words, pairs[2 * i]),
                                         nbx_value_int(pairs[2 * i + 1])};
    return (struct nbx_value){.type = NBX_MAP, .n = n / 2, .members = members};
}

static struct nbx_value vector_value(const struct nbx_own_vector *v)
{
    if (!v)
        return nbx_value_nil();
    struct nbx_str bytes = {(const char *)v->p, (uint32_t)(v->n * sizeof *v->p)};
    return (struct nbx_value){.type = NBX_BIN, .s = bytes};
}

struct nbx_value nbx_item_value(const struct nbx_catalog *c, const struct nbx_chunk *chunk,
                                uint32_t column, uint32_t row, struct nbx_arena *arena)
{
    const struct nbx_segment *s = nbx_chunk_segment(chunk, column);
    if (!s)
        return nbx_value_nil();
    uint32_t n = 0, code = 0;
    const uint32_t *many = NULL;
    switch (s->type) {
    case NBX_COLUMN_STRING:
        code = nbx_segment_codes(s)[row];
        return code ? nbx_value_string(nbx_words_text(c->home->words, code)) : nbx_value_nil();
    case NBX_COLUMN_STRINGS:
        many = nbx_segment_many(s, row, &n);
        return many ? strings_value(c, many, n, arena) : nbx_value_nil();
    case NBX_COLUMN_COUNTS:
        many = nbx_segment_many(s, row, &n);
        return many ? counts_value(c, many, n, arena) : nbx_value_nil();
    case NBX_COLUMN_INT: {
        int64_t i = nbx_segment_ints(s)[row];
        return i != NBX_INT_MISSING ? nbx_value_int(i) : nbx_value_nil();
    }
    case NBX_COLUMN_FLOAT: {
        double f = nbx_segment_floats(s)[row];
        return !isnan(f) ? nbx_value_float(f) : nbx_value_nil();
    }
    case NBX_COLUMN_BOOL:
        return s->data[row] ? nbx_value_bool(s->data[row] == NBX_BOOL_TRUE) : nbx_value_nil();
    default: return vector_value(nbx_segment_vectors(s)[row]);
    }
}

static void add_member(struct nbx_value *map, struct nbx_str key, struct nbx_value value)
{
    if (value.type != NBX_NIL)
        map->members[map->n++] = (struct nbx_member){key, value};
}

static bool empty_map(struct nbx_value *map, size_t room, struct nbx_arena *arena)
{
    *map = (struct nbx_value){.type = NBX_MAP,
                              .members = nbx_arena_calloc(arena, room, sizeof *map->members)};
    return map->members != NULL;
}

bool nbx_item_fields(struct nbx_value *out, const struct nbx_catalog *c, uint32_t item_no,
                     struct nbx_arena *arena)
{
    uint32_t row;
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    NBX_ASSERT(chunk);
    struct nbx_value attributes;
    if (!empty_map(out, NBX_N_BUILT_IN + 2, arena) || !empty_map(&attributes, c->schema->n, arena))
        return false;
    for (uint32_t i = 0; i < c->schema->n; i++) {
        const struct nbx_column *column = &c->schema->columns[i];
        if (column->name.len)
            add_member(i < NBX_N_BUILT_IN ? out : &attributes, column->name,
                       nbx_item_value(c, chunk, i, row, arena));
    }
    struct nbx_vector vector = nbx_catalog_vector(c, item_no);
    add_member(out, NBX_STR("vector"), nbx_item_value(c, chunk, NBX_COL_VECTOR, row, arena));
    if (vector.space.len)
        add_member(out, NBX_STR("space"), nbx_value_string(vector.space));
    if (attributes.n)
        add_member(out, NBX_STR("attributes"), attributes);
    return true;
}

#define FEW_KEYS 16

/* Finding keys in a map of members: one after the other where they are few, else by a hash map. */
struct keys {
    const struct nbx_value *of;
    struct nbx_map *map; /* NULL where few */
};

static bool keys_init(struct keys *keys, const struct nbx_value *of)
{
    *keys = (struct keys){.of = of};
    if (of->n <= FEW_KEYS)
        return true;
    keys->map = nbx_map_new();
    for (uint32_t i = 0; keys->map && i < of->n; i++)
        if (nbx_map_put(keys->map, of->members[i].key, i))
            nbx_map_destroy(&keys->map);
    return keys->map != NULL;
}

static bool keys_have(const struct keys *keys, struct nbx_str key)
{
    return keys->map ? nbx_map_get(keys->map, key) != NBX_MAP_NONE
                     : nbx_value_get_str(keys->of, key) != NULL;
}

/* Members of `old` that `changes` does not name, then those of `changes` that are no null. */
static bool merge_members(struct nbx_value *out, const struct nbx_value *old,
                          const struct nbx_value *changes, struct nbx_arena *arena)
{
    struct keys changed;
    uint32_t n_old = old ? old->n : 0;
    if (!empty_map(out, (size_t)n_old + changes->n, arena) || !keys_init(&changed, changes))
        return false;
    for (uint32_t i = 0; i < n_old; i++)
        if (!keys_have(&changed, old->members[i].key))
            out->members[out->n++] = old->members[i];
    for (uint32_t i = 0; i < changes->n; i++)
        add_member(out, changes->members[i].key, changes->members[i].value);
    nbx_map_destroy(&changed.map);
    return true;
}

static bool merges_by_key(struct nbx_str field)
{
    return nbx_str_is(field, "stock") || nbx_str_is(field, "attributes");
}

static void drop_space_alone(struct nbx_value *fields)
{
    if (nbx_value_get(fields, "vector"))
        return;
    for (uint32_t i = 0; i < fields->n; i++)
        if (nbx_str_is(fields->members[i].key, "space"))
            fields->members[i--] = fields->members[--fields->n];
}

bool nbx_item_merge(struct nbx_value *out, const struct nbx_value *fields,
                    const struct nbx_value *changes, struct nbx_arena *arena)
{
    if (!merge_members(out, fields, changes, arena))
        return false;
    for (uint32_t i = 0; i < out->n; i++) {
        struct nbx_member *m = &out->members[i];
        const struct nbx_value *before = nbx_value_get_str(fields, m->key);
        const struct nbx_value *after = nbx_value_get_str(changes, m->key);
        if (after && merges_by_key(m->key) && !merge_members(&m->value, before, after, arena))
            return false;
    }
    drop_space_alone(out);
    return true;
}
