/* SPDX-License-Identifier: MIT */
#include "engine/catalog/compile.h"

#define OPERATORS "eq, in, none, all, lt, le, gt, ge, exists"

struct compiling {
    const struct nbx_catalog *c;
    struct nbx_arena *arena;
    struct nbx_fault *fault;
    uint32_t n_nodes;
};

static enum nbx_err compile(struct nbx_filter_node *out, struct compiling *k,
                            const struct nbx_value *v, uint32_t depth);

static enum nbx_err no_memory(struct compiling *k)
{
    return nbx_fault_set(k->fault, NBX_ELIMIT, NULL, "out of memory");
}

static enum nbx_err count_node(struct compiling *k)
{
    if (++k->n_nodes <= NBX_MAX_FILTER_NODES)
        return NBX_OK;
    return nbx_fault_set(k->fault, NBX_EBAD, NULL, "more than %d conditions and joints",
                         NBX_MAX_FILTER_NODES);
}

static enum nbx_err unknown_field(struct compiling *k, struct nbx_str field)
{
    struct nbx_buf known = {0};
    nbx_catalog_list_fields(k->c, &known);
    nbx_fault_set(k->fault, NBX_EBAD, "field", "unknown field \"%.*s\"; known: %.*s",
                  NBX_STR_ARG(field), (int)known.len, known.p ? (const char *)known.p : "");
    nbx_buf_fini(&known);
    return NBX_EBAD;
}

static enum nbx_err compile_exists(struct nbx_filter_node *out, struct compiling *k,
                                   struct nbx_str field, const struct nbx_value *v)
{
    if (v->type != NBX_BOOL)
        return nbx_fault_set(k->fault, NBX_EBAD, "exists", "must be true or false, got %s",
                             nbx_value_type_name(v->type));
    *out = (struct nbx_filter_node){.test = NBX_TEST_EXISTS,
                                    .column = nbx_schema_find(k->c->schema, field)};
    if (v->b)
        return NBX_OK;
    struct nbx_filter_node *child = nbx_arena_calloc(k->arena, 1, sizeof *child);
    if (!child)
        return no_memory(k);
    *child = *out;
    *out = (struct nbx_filter_node){.test = NBX_TEST_NOT, .n = 1, .children = child};
    return NBX_OK;
}

static bool is_operator(struct nbx_str key)
{
    static const char *const operators[] = {"eq", "in", "none", "all", "lt", "le", "gt", "ge"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (nbx_str_is(key, operators[i]))
            return true;
    return false;
}

static enum nbx_err compile_operator(struct nbx_filter_node *out, struct compiling *k,
                                     struct nbx_str field, const struct nbx_member *op)
{
    enum nbx_err err = count_node(k);
    if (err)
        return err;
    if (nbx_str_is(op->key, "exists"))
        return compile_exists(out, k, field, &op->value);
    if (is_operator(op->key))
        return nbx_filter_literals(out, k->c, field, op, k->arena, k->fault);
    nbx_fault_set(k->fault, NBX_EBAD, NULL, "unknown operator; known: " OPERATORS);
    nbx_fault_prefix(k->fault, "%.*s", NBX_STR_ARG(op->key));
    return NBX_EBAD;
}

/* {field, operator...}: every operator must hold. */
static enum nbx_err compile_condition(struct nbx_filter_node *out, struct compiling *k,
                                      const struct nbx_value *v, const struct nbx_value *field)
{
    if (field->type != NBX_STRING)
        return nbx_fault_set(k->fault, NBX_EBAD, "field", "must be string, got %s",
                             nbx_value_type_name(field->type));
    if (!nbx_catalog_knows_field(k->c, field->s))
        return unknown_field(k, field->s);
    struct nbx_filter_node *tests = nbx_arena_calloc(k->arena, v->n, sizeof *tests);
    if (!tests)
        return no_memory(k);
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        if (nbx_str_is(v->members[i].key, "field"))
            continue;
        enum nbx_err err = compile_operator(&tests[n++], k, field->s, &v->members[i]);
        if (err)
            return err;
    }
    if (!n)
        return nbx_fault_set(k->fault, NBX_EBAD, NULL,
                             "needs an operator beside field: " OPERATORS);
    *out = n == 1 ? tests[0]
                  : (struct nbx_filter_node){.test = NBX_TEST_ALL, .n = n, .children = tests};
    return NBX_OK;
}

static enum nbx_err compile_list(struct nbx_filter_node *out, struct compiling *k,
                                 const struct nbx_member *m, uint32_t depth)
{
    const char *key = nbx_str_is(m->key, "all") ? "all" : "any";
    if (m->value.type != NBX_LIST)
        return nbx_fault_set(k->fault, NBX_EBAD, key,
                             "must be list of filters, got %s; a comparison needs field beside it",
                             nbx_value_type_name(m->value.type));
    if (m->value.n > NBX_MAX_FILTER_NODES)
        return nbx_fault_set(k->fault, NBX_EBAD, key, "more than %d conditions and joints",
                             NBX_MAX_FILTER_NODES);
    out->test = key[1] == 'l' ? NBX_TEST_ALL : NBX_TEST_ANY;
    out->n = m->value.n;
    out->children = nbx_arena_calloc(k->arena, out->n, sizeof *out->children);
    if (!out->children)
        return no_memory(k);
    for (uint32_t i = 0; i < out->n; i++) {
        enum nbx_err err = compile(&out->children[i], k, &m->value.list[i], depth + 1);
        if (err) {
            nbx_fault_prefix(k->fault, "%s[%u]", key, i);
            return err;
        }
    }
    return NBX_OK;
}

static enum nbx_err compile_not(struct nbx_filter_node *out, struct compiling *k,
                                const struct nbx_value *v, uint32_t depth)
{
    out->test = NBX_TEST_NOT;
    out->n = 1;
    out->children = nbx_arena_calloc(k->arena, 1, sizeof *out->children);
    if (!out->children)
        return no_memory(k);
    enum nbx_err err = compile(out->children, k, v, depth + 1);
    if (err)
        nbx_fault_prefix(k->fault, "not");
    return err;
}

static enum nbx_err compile_joint(struct nbx_filter_node *out, struct compiling *k,
                                  const struct nbx_value *v, uint32_t depth)
{
    if (v->n != 1)
        return nbx_fault_set(k->fault, NBX_EBAD, NULL,
                             "must have field and an operator, or one of all, any, not alone");
    const struct nbx_member *m = &v->members[0];
    if (nbx_str_is(m->key, "all") || nbx_str_is(m->key, "any"))
        return compile_list(out, k, m, depth);
    if (nbx_str_is(m->key, "not"))
        return compile_not(out, k, &m->value, depth);
    nbx_fault_set(k->fault, NBX_EBAD, NULL, "unknown joint; known: all, any, not, or field with %s",
                  OPERATORS);
    nbx_fault_prefix(k->fault, "%.*s", NBX_STR_ARG(m->key));
    return NBX_EBAD;
}

/* Recursion ends at NBX_MAX_FILTER_DEPTH. */
static enum nbx_err compile(struct nbx_filter_node *out, struct compiling *k,
                            const struct nbx_value *v, uint32_t depth)
{
    *out = (struct nbx_filter_node){.test = NBX_TEST_ALL};
    if (v->type != NBX_MAP)
        return nbx_fault_set(k->fault, NBX_EBAD, NULL, "must be map, got %s",
                             nbx_value_type_name(v->type));
    if (depth > NBX_MAX_FILTER_DEPTH)
        return nbx_fault_set(k->fault, NBX_EBAD, NULL, "nested deeper than %d",
                             NBX_MAX_FILTER_DEPTH);
    const struct nbx_value *field = nbx_value_get(v, "field");
    if (field)
        return compile_condition(out, k, v, field);
    enum nbx_err err = count_node(k);
    return err ? err : compile_joint(out, k, v, depth);
}

enum nbx_err nbx_filter_compile(struct nbx_filter_node *out, const struct nbx_catalog *c,
                                const struct nbx_value *filter, struct nbx_arena *arena,
                                struct nbx_fault *fault)
{
    struct compiling k = {.c = c, .arena = arena, .fault = fault};
    return compile(out, &k, filter, 1);
}
