/* SPDX-License-Identifier: MIT */
#include "proto/cli/show.h"

#include "engine/base/buf.h"
#include "engine/json/json.h"
#include "proto/cli/cli.h"
#include "proto/cli/table.h"

#include <math.h>
#include <stdio.h>

void nbx_show_json(const struct nbx_value *v)
{
    struct nbx_buf b = {0};
    if (nbx_json_encode_indented(&b, v) == NBX_OK)
        printf("%.*s\n", (int)b.len, (const char *)b.p);
    nbx_buf_fini(&b);
}

/* one value in a cell */

static void put_json_cell(struct nbx_table *t, const struct nbx_value *v)
{
    struct nbx_buf b = {0};
    if (nbx_json_encode(&b, v) == NBX_OK)
        nbx_table_cell(t, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    else
        nbx_table_cell(t, NBX_STR("?"));
    nbx_buf_fini(&b);
}

static void put_list_cell(struct nbx_table *t, const struct nbx_value *v)
{
    struct nbx_buf b = {0};
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->list[i].type != NBX_STRING) {
            nbx_buf_fini(&b);
            put_json_cell(t, v);
            return;
        }
        nbx_buf_printf(&b, "%s%.*s", i ? ", " : "", NBX_STR_ARG(v->list[i].s));
    }
    nbx_table_cell(t, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
}

static void put_cell(struct nbx_table *t, const struct nbx_value *v)
{
    if (!v || v->type == NBX_NIL)
        nbx_table_cell(t, (struct nbx_str){0});
    else if (v->type == NBX_STRING)
        nbx_table_cell(t, v->s);
    else if (v->type == NBX_FLOAT)
        nbx_table_printf(t, "%.6g", v->f);
    else if (v->type == NBX_LIST)
        put_list_cell(t, v);
    else
        put_json_cell(t, v);
}

/* any map */

#define NAME_BYTES 256

static bool is_table(const struct nbx_value *v)
{
    return v->type == NBX_LIST && v->n > 0 && v->list[0].type == NBX_MAP;
}

/* Calls itself down the tree, which the doors bound. */
static void put_members(struct nbx_table *t, const struct nbx_value *map, const char *prefix)
{
    for (uint32_t i = 0; i < map->n; i++) {
        const struct nbx_value *v = &map->members[i].value;
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s%s%.*s", prefix, *prefix ? "." : "",
                 NBX_STR_ARG(map->members[i].key));
        if (v->type == NBX_MAP && v->n > 0) {
            put_members(t, v, name);
        } else if (!is_table(v)) {
            nbx_table_cell(t, nbx_str_c(name));
            put_cell(t, v);
        }
    }
}

/* The names of all rows' members, in the order they first stand. */
static uint32_t gather_columns(const struct nbx_value *list, struct nbx_str *columns)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++)
        for (uint32_t k = 0; list->list[i].type == NBX_MAP && k < list->list[i].n; k++) {
            struct nbx_str key = list->list[i].members[k].key;
            uint32_t c = 0;
            while (c < n && !nbx_str_eq(columns[c], key))
                c++;
            if (c == n && n < NBX_TABLE_MAX_COLUMNS)
                columns[n++] = key;
        }
    return n;
}

static void show_list(struct nbx_str name, const struct nbx_value *list)
{
    struct nbx_str columns[NBX_TABLE_MAX_COLUMNS];
    uint32_t n = gather_columns(list, columns);
    if (n == 0)
        return;
    struct nbx_table *t = nbx_table_new(n);
    for (uint32_t c = 0; c < n; c++)
        nbx_table_cell(t, columns[c]);
    for (uint32_t i = 0; i < list->n; i++)
        for (uint32_t c = 0; c < n; c++)
            put_cell(t, nbx_value_get_str(&list->list[i], columns[c]));
    printf("\n%.*s\n", NBX_STR_ARG(name));
    nbx_table_print(t, stdout);
    nbx_table_destroy(&t);
}

void nbx_show_map(struct nbx_cli *cli, const struct nbx_value *map)
{
    (void)cli;
    struct nbx_table *t = nbx_table_of_pairs();
    put_members(t, map, "");
    nbx_table_print(t, stdout);
    nbx_table_destroy(&t);
    for (uint32_t i = 0; map->type == NBX_MAP && i < map->n; i++)
        if (is_table(&map->members[i].value))
            show_list(map->members[i].key, &map->members[i].value);
}

/* recommend, rank, similar */

/* The names of wanted fields that at least one item has. */
static uint32_t gather_fields(const struct nbx_value *items, struct nbx_str *names, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < items->n; i++) {
        const struct nbx_value *fields = nbx_value_get(&items->list[i], "fields");
        for (uint32_t k = 0; fields && fields->type == NBX_MAP && k < fields->n; k++) {
            uint32_t c = 0;
            while (c < n && !nbx_str_eq(names[c], fields->members[k].key))
                c++;
            if (c == n && n < max)
                names[n++] = fields->members[k].key;
        }
    }
    return n;
}

static void put_why(struct nbx_table *t, const struct nbx_value *explain)
{
    const struct nbx_value *because = nbx_value_get(explain, "because");
    struct nbx_str code = nbx_cli_text(nbx_value_get(explain, "reason"), "code");
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "%.*s", NBX_STR_ARG(code));
    for (uint32_t i = 0; because && because->type == NBX_LIST && i < because->n && i < 3; i++) {
        const struct nbx_value *share = nbx_value_get(&because->list[i], "share");
        double f = !share                     ? 0
                   : share->type == NBX_FLOAT ? share->f
                   : share->type == NBX_INT   ? (double)share->i
                                              : 0;
        struct nbx_str item = nbx_cli_text(&because->list[i], "item");
        nbx_buf_printf(&b, "%s%.*s %.0f%%", i ? ", " : ": ", NBX_STR_ARG(item), round(100 * f));
    }
    nbx_table_cell(t, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
}

static void put_item(struct nbx_table *t, uint32_t place, const struct nbx_value *item,
                     const struct nbx_str *fields, uint32_t n_fields)
{
    nbx_table_printf(t, "%u", place);
    put_cell(t, nbx_value_get(item, "id"));
    for (uint32_t c = 0; c < n_fields; c++)
        put_cell(t, nbx_value_get_str(nbx_value_get(item, "fields"), fields[c]));
    put_cell(t, nbx_value_get(item, "score"));
    put_cell(t, nbx_value_get(item, "source"));
}

static void print_footer(const struct nbx_value *reply)
{
    const struct nbx_value *model = nbx_value_get(reply, "model");
    const struct nbx_value *known = nbx_value_get(nbx_value_get(reply, "customer"), "known");
    struct nbx_str decision = nbx_cli_text(reply, "decision"), name = nbx_cli_text(model, "name");
    if (decision.len)
        printf("decision %.*s  ", NBX_STR_ARG(decision));
    if (name.len)
        printf("model %.*s %.*s  ", NBX_STR_ARG(name), NBX_STR_ARG(nbx_cli_text(model, "version")));
    if (known && known->type == NBX_BOOL)
        printf("customer %s", known->b ? "known" : "unknown");
    if (decision.len || name.len || known)
        putchar('\n');
}

void nbx_show_items(struct nbx_cli *cli, const struct nbx_value *reply)
{
    (void)cli;
    static const struct nbx_value none = {.type = NBX_LIST};
    const struct nbx_value *items = nbx_value_get(reply, "items");
    items = items && items->type == NBX_LIST ? items : &none;
    struct nbx_str fields[NBX_TABLE_MAX_COLUMNS - 5];
    uint32_t n_fields = gather_fields(items, fields, NBX_TABLE_MAX_COLUMNS - 5);
    bool explained = items->n > 0 && nbx_value_get(&items->list[0], "explain");
    struct nbx_table *t = nbx_table_new(n_fields + 4 + explained);
    nbx_table_cell(t, NBX_STR("#"));
    nbx_table_cell(t, NBX_STR("item"));
    for (uint32_t c = 0; c < n_fields; c++)
        nbx_table_cell(t, fields[c]);
    nbx_table_cell(t, NBX_STR("score"));
    nbx_table_cell(t, NBX_STR("source"));
    if (explained)
        nbx_table_cell(t, NBX_STR("why"));
    for (uint32_t i = 0; i < items->n; i++) {
        put_item(t, i + 1, &items->list[i], fields, n_fields);
        if (explained)
            put_why(t, nbx_value_get(&items->list[i], "explain"));
    }
    nbx_table_print(t, stdout);
    nbx_table_destroy(&t);
    const struct nbx_value *unknown = nbx_value_get(reply, "unknown");
    for (uint32_t i = 0; unknown && unknown->type == NBX_LIST && i < unknown->n; i++)
        printf("%s%.*s%s", i ? ", " : "unknown: ", NBX_STR_ARG(unknown->list[i].s),
               i + 1 == unknown->n ? "\n" : "");
    print_footer(reply);
}
