/* SPDX-License-Identifier: MIT */
#include "proto/cli/import_field.h"

#include <stdio.h>
#include <stdlib.h>

static const struct nbx_import_field event_fields[] = {
    {"customer", " userid customerid visitorid uid user clientid memberid shopperid ",
     NBX_IMPORT_TEXT},
    {"type", " event eventtype behavior behaviour behaviortype action interaction ",
     NBX_IMPORT_TYPE},
    {"item", " itemid productid movieid stockcode sku asin iid articleid contentid ",
     NBX_IMPORT_TEXT},
    {"time", " timestamp eventtime ts datetime date createdat invoicedate eventtimestamp ",
     NBX_IMPORT_TIME},
    {"channel", " ", NBX_IMPORT_TEXT},
    {"placement", " ", NBX_IMPORT_TEXT},
    {"store", " storeid shopid ", NBX_IMPORT_TEXT},
    {"session", " sessionid usersession ", NBX_IMPORT_TEXT},
    {"order", " orderid transactionid invoiceno invoice basketid ", NBX_IMPORT_TEXT},
    {"quantity", " qty ", NBX_IMPORT_NUMBER},
    {"value", " amount revenue ", NBX_IMPORT_MONEY},
    {"currency", " ", NBX_IMPORT_TEXT},
    {"rating", " stars overall ", NBX_IMPORT_NUMBER},
    {"scope", " ", NBX_IMPORT_TEXT},
    {"actor", " ", NBX_IMPORT_TEXT},
    {"decision", " ", NBX_IMPORT_TEXT},
    {"id", " eventid uuid ", NBX_IMPORT_TEXT},
    {"attributes", " ", NBX_IMPORT_JSON},
};

static const struct nbx_import_field item_fields[] = {
    {"id", " itemid productid movieid stockcode sku asin iid articleid contentid ",
     NBX_IMPORT_TEXT},
    {"group", " groupid itemgroupid parentid parentasin ", NBX_IMPORT_TEXT},
    {"kind", " itemkind ", NBX_IMPORT_TEXT},
    {"title", " name productname itemname movietitle producttitle prodname itemtitle ",
     NBX_IMPORT_TEXT},
    {"url", " link producturl itemurl ", NBX_IMPORT_TEXT},
    {"image", " imagelink imageurl imurl ", NBX_IMPORT_TEXT},
    {"brand", " brandname manufacturer vendor ", NBX_IMPORT_TEXT},
    {"categories", " category genres genre categorycode producttype ", NBX_IMPORT_LIST},
    {"price", " unitprice listprice ", NBX_IMPORT_MONEY},
    {"sale_price", " specialprice discountprice ", NBX_IMPORT_MONEY},
    {"margin", " ", NBX_IMPORT_MONEY},
    {"currency", " ", NBX_IMPORT_TEXT},
    {"channels", " ", NBX_IMPORT_LIST},
    {"available", " availability instock ", NBX_IMPORT_BOOL},
    {"stock", " ", NBX_IMPORT_JSON},
    {"valid_from", " availabilitydate ", NBX_IMPORT_TIME},
    {"valid_to", " expirationdate ", NBX_IMPORT_TIME},
    {"vector", " embedding ", NBX_IMPORT_JSON},
    {"space", " ", NBX_IMPORT_TEXT},
    {"attributes", " ", NBX_IMPORT_JSON},
};

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

const struct nbx_import_what nbx_import_events = {
    "observe", "events", "type", event_fields, COUNT(event_fields), 500, 16};
/* An item.put is answered once every worker obeys it, so few and large ones. */
const struct nbx_import_what nbx_import_items = {"item.put",         "items", "id", item_fields,
                                                 COUNT(item_fields), 2000,    4};

static const struct nbx_import_field attribute = {"attributes.NAME", " ", NBX_IMPORT_ATTRIBUTE};

#define MAX_FIELDS 32
#define NAME_BYTES 64

struct nbx_import_mapping {
    const struct nbx_import_what *what;
    struct nbx_import_options options;
    struct nbx_str defaults[MAX_FIELDS]; /* (what->n_fields) */
    bool taken[MAX_FIELDS];              /* by a column */
    bool *map_used;                      /* (options.map->n) */
    struct nbx_import_target *targets;   /* (n) */
    uint32_t n;
};

/* names */

size_t nbx_import_simplify(char *out, size_t out_bytes, struct nbx_str text)
{
    size_t n = 0;
    for (uint32_t i = 0; i < text.len && n < out_bytes - 1; i++) {
        char c = text.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c < 0)
            out[n++] = upper ? (char)(c + ('a' - 'A')) : c;
    }
    out[n] = '\0';
    return n;
}

/* What stands behind a colon is not part of the name. */
static void simplify(char *out, struct nbx_str name)
{
    const char *colon = name.len ? memchr(name.p, ':', name.len) : NULL;
    if (colon)
        name.len = (uint32_t)(colon - name.p);
    nbx_import_simplify(out, NAME_BYTES, name);
}

static bool is_alias(const struct nbx_import_field *field, struct nbx_str name)
{
    char simple[NAME_BYTES], wanted[NAME_BYTES + 2];
    simplify(simple, name);
    if (!simple[0])
        return false;
    snprintf(wanted, sizeof wanted, " %s ", simple);
    char own[NAME_BYTES];
    simplify(own, nbx_str_c(field->name));
    return strcmp(simple, own) == 0 || strstr(field->aliases, wanted) != NULL;
}

static const struct nbx_import_field *find_field(const struct nbx_import_what *what,
                                                 struct nbx_str name)
{
    for (uint32_t i = 0; i < what->n_fields; i++)
        if (nbx_str_is(name, what->fields[i].name))
            return &what->fields[i];
    return NULL;
}

static struct nbx_str suffix_of(struct nbx_str name)
{
    const char *colon = name.p ? memchr(name.p, ':', name.len) : NULL;
    return colon ? (struct nbx_str){colon, (uint32_t)(name.p + name.len - colon)}
                 : (struct nbx_str){0};
}

/* pairs "left=right" */

static bool split(struct nbx_str pair, struct nbx_str *left, struct nbx_str *right)
{
    const char *equals = memrchr(pair.p, '=', pair.len);
    if (!equals || equals == pair.p)
        return false;
    *left = (struct nbx_str){pair.p, (uint32_t)(equals - pair.p)};
    *right = (struct nbx_str){equals + 1, (uint32_t)(pair.p + pair.len - equals - 1)};
    return true;
}

static uint32_t n_pairs(const struct nbx_value *list)
{
    return list ? list->n : 0;
}

static enum nbx_err refuse_field(const struct nbx_import_what *what, const char *option,
                                 struct nbx_str name, struct nbx_fault *fault)
{
    char known[NBX_FAULT_MESSAGE_BYTES];
    size_t len = 0;
    for (uint32_t i = 0; i < what->n_fields && len < sizeof known; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, " %s", what->fields[i].name);
    return nbx_fault_set(fault, NBX_EBAD, option, "no field %.*s; known:%s", NBX_STR_ARG(name),
                         known);
}

/* The field a --map names; *target stays empty for "". */
static bool resolve(const struct nbx_import_mapping *m, struct nbx_str name,
                    struct nbx_import_target *target)
{
    static const char prefix[] = "attributes.";
    const uint32_t n = sizeof prefix - 1;
    *target = (struct nbx_import_target){.quiet = true};
    if (name.len == 0)
        return true;
    if (name.len > n && memcmp(name.p, prefix, n) == 0) {
        target->field = &attribute;
        target->attribute = (struct nbx_str){name.p + n, name.len - n};
        return true;
    }
    target->field = find_field(m->what, name);
    return target->field != NULL;
}

/* Two columns for one field would send it twice. */
static bool is_mapped_before(const struct nbx_import_mapping *m, uint32_t i, struct nbx_str name)
{
    for (uint32_t k = 0; k < i && name.len; k++) {
        struct nbx_str left, right;
        if (split(m->options.map->list[k].s, &left, &right) && nbx_str_eq(right, name))
            return true;
    }
    return false;
}

static enum nbx_err check_map(const struct nbx_import_mapping *m, struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < n_pairs(m->options.map); i++) {
        struct nbx_str pair = m->options.map->list[i].s, column, name;
        struct nbx_import_target target;
        if (!split(pair, &column, &name))
            return nbx_fault_set(fault, NBX_EBAD, "--map", "must be column=field, got %.*s",
                                 NBX_STR_ARG(pair));
        if (!resolve(m, name, &target))
            return refuse_field(m->what, "--map", name, fault);
        if (is_mapped_before(m, i, name))
            return nbx_fault_set(fault, NBX_EBAD, "--map", "two columns for %.*s",
                                 NBX_STR_ARG(name));
    }
    return NBX_OK;
}

static enum nbx_err read_defaults(struct nbx_import_mapping *m, struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < n_pairs(m->options.defaults); i++) {
        struct nbx_str pair = m->options.defaults->list[i].s, name, value;
        const char *equals = memchr(pair.p, '=', pair.len);
        if (!equals || equals + 1 == pair.p + pair.len)
            return nbx_fault_set(fault, NBX_EBAD, "--default", "must be field=value, got %.*s",
                                 NBX_STR_ARG(pair));
        name = (struct nbx_str){pair.p, (uint32_t)(equals - pair.p)};
        value = (struct nbx_str){equals + 1, (uint32_t)(pair.p + pair.len - equals - 1)};
        const struct nbx_import_field *field = find_field(m->what, name);
        if (!field)
            return refuse_field(m->what, "--default", name, fault);
        m->defaults[field - m->what->fields] = value;
    }
    return NBX_OK;
}

static enum nbx_err check_types(const struct nbx_import_mapping *m, struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < n_pairs(m->options.types); i++) {
        struct nbx_str pair = m->options.types->list[i].s, from, to;
        if (!split(pair, &from, &to) || to.len == 0)
            return nbx_fault_set(fault, NBX_EBAD, "--type", "must be FROM=TO, got %.*s",
                                 NBX_STR_ARG(pair));
    }
    return NBX_OK;
}

enum nbx_err nbx_import_mapping_new(struct nbx_import_mapping **out,
                                    const struct nbx_import_what *what,
                                    const struct nbx_import_options *options,
                                    struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_import_mapping *m = calloc(1, sizeof *m);
    if (!m)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    m->what = what;
    m->options = *options;
    m->map_used = calloc(n_pairs(options->map) + 1, sizeof *m->map_used);
    enum nbx_err err =
        m->map_used ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err)
        err = check_map(m, fault);
    if (!err)
        err = read_defaults(m, fault);
    if (!err)
        err = check_types(m, fault);
    if (err)
        nbx_import_mapping_destroy(&m);
    *out = m;
    return err;
}

void nbx_import_mapping_destroy(struct nbx_import_mapping **mapping)
{
    if (!*mapping)
        return;
    free((*mapping)->targets);
    free((*mapping)->map_used);
    free(*mapping);
    *mapping = NULL;
}

/* columns */

/* A column of nbx's own name counts milliseconds, as the format says; a foreign one may count
 * anything. */
static void set_details(const struct nbx_import_mapping *m, struct nbx_str column,
                        struct nbx_import_target *target)
{
    bool sequence = nbx_str_is(suffix_of(column), ":token_seq");
    bool own = target->field && nbx_str_is(column, target->field->name);
    target->separator = sequence ? " " : m->options.google ? ">" : "|";
    target->time_unit = m->options.time_unit_given ? m->options.time_unit
                        : own                      ? NBX_TIME_MS
                                                   : NBX_TIME_AUTO;
}

static bool map_by_wish(struct nbx_import_mapping *m, struct nbx_str column,
                        struct nbx_import_target *target)
{
    for (uint32_t i = 0; i < n_pairs(m->options.map); i++) {
        struct nbx_str left, right;
        if (!split(m->options.map->list[i].s, &left, &right) || !nbx_str_eq(left, column))
            continue;
        m->map_used[i] = true;
        return resolve(m, right, target);
    }
    return false;
}

static void take(struct nbx_import_mapping *m, struct nbx_import_target *target,
                 const struct nbx_import_field *field)
{
    target->field = field;
    if (field && field != &attribute)
        m->taken[field - m->what->fields] = true;
}

/* First what is said, then nbx's own names, then the foreign ones, each for a field still free. */
static void learn(struct nbx_import_mapping *m, const struct nbx_source *source, uint32_t from)
{
    for (uint32_t c = from; c < m->n; c++)
        if (map_by_wish(m, nbx_source_column(source, c), &m->targets[c]))
            take(m, &m->targets[c], m->targets[c].field);
    for (int exact = 1; exact >= 0; exact--)
        for (uint32_t c = from; c < m->n; c++) {
            struct nbx_str name = nbx_source_column(source, c);
            struct nbx_import_target *target = &m->targets[c];
            for (uint32_t f = 0; f < m->what->n_fields && !target->field && !target->quiet; f++) {
                const struct nbx_import_field *field = &m->what->fields[f];
                if (!m->taken[f] && (exact ? nbx_str_is(name, field->name) : is_alias(field, name)))
                    take(m, target, field);
            }
        }
    for (uint32_t c = from; c < m->n; c++)
        set_details(m, nbx_source_column(source, c), &m->targets[c]);
}

enum nbx_err nbx_import_mapping_learn(struct nbx_import_mapping *m, const struct nbx_source *source)
{
    uint32_t n = nbx_source_n_columns(source), from = m->n;
    if (n == from)
        return NBX_OK;
    struct nbx_import_target *targets = realloc(m->targets, n * sizeof *targets);
    if (!targets)
        return NBX_ELIMIT;
    memset(targets + from, 0, (n - from) * sizeof *targets);
    m->targets = targets;
    m->n = n;
    learn(m, source, from);
    return NBX_OK;
}

const struct nbx_import_target *nbx_import_mapping_target(const struct nbx_import_mapping *m,
                                                          uint32_t column)
{
    return &m->targets[column];
}

bool nbx_import_mapping_fills(const struct nbx_import_mapping *m, const char *name)
{
    const struct nbx_import_field *field = find_field(m->what, nbx_str_c(name));
    return field && (m->taken[field - m->what->fields] || m->defaults[field - m->what->fields].len);
}

struct nbx_str nbx_import_mapping_default(const struct nbx_import_mapping *m, uint32_t f)
{
    return m->defaults[f];
}

enum nbx_err nbx_import_mapping_check(const struct nbx_import_mapping *m, struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < n_pairs(m->options.map); i++)
        if (!m->map_used[i])
            return nbx_fault_set(fault, NBX_EBAD, "--map", "the file has no such column: %.*s",
                                 NBX_STR_ARG(m->options.map->list[i].s));
    return NBX_OK;
}

void nbx_import_mapping_unused(const struct nbx_import_mapping *m, const struct nbx_source *source,
                               char *out, size_t out_bytes)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t c = 0; c < m->n && len < out_bytes; c++)
        if (!m->targets[c].field && !m->targets[c].quiet)
            len += (size_t)snprintf(out + len, out_bytes - len, "%s%.*s", len ? ", " : "",
                                    NBX_STR_ARG(nbx_source_column(source, c)));
}

/* event types */

static const struct {
    const char *names, *type;
} usual_types[] = {
    {" addtocart addedtocart addtobasket basket ", "cart"},
    {" transaction buy order ordered bought checkout purchased ", "purchase"},
    {" pv pageview detail productview viewitem viewed ", "view"},
    {" clk clicked ", "click"},
    {" rate rated ", "rating"},
    {" refund returned ", "return"},
};

struct nbx_str nbx_import_type(struct nbx_str text, const struct nbx_value *types)
{
    for (uint32_t i = 0; i < n_pairs(types); i++) {
        struct nbx_str from, to;
        if (split(types->list[i].s, &from, &to) && nbx_str_eq(from, text))
            return to;
    }
    char simple[NAME_BYTES], wanted[NAME_BYTES + 2];
    simplify(simple, text);
    snprintf(wanted, sizeof wanted, " %s ", simple);
    for (size_t i = 0; i < COUNT(usual_types) && simple[0]; i++)
        if (strstr(usual_types[i].names, wanted))
            return nbx_str_c(usual_types[i].type);
    return text;
}
