/* SPDX-License-Identifier: MIT */
#include "engine/conf/doc.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct conf_doc {
    yaml_document_t document;
    struct nbx_diagnostics *diagnostics;
};

static void report_parser(const yaml_parser_t *parser, struct nbx_diagnostics *diagnostics)
{
    /* A byte that is no UTF-8 is found by the reader, which knows the offset but not the line. */
    yaml_mark_t mark = parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark;
    nbx_diagnostics_add(diagnostics, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1, "%s%s%s",
                        parser->problem ? parser->problem : "cannot be read",
                        parser->context ? " " : "", parser->context ? parser->context : "");
}

static const yaml_node_t *node_of(const struct conf_doc *doc, int index)
{
    return &doc->document.nodes.start[index - 1];
}

static const yaml_node_t *root_of(const struct conf_doc *doc)
{
    return doc->document.nodes.start == doc->document.nodes.top ? NULL : node_of(doc, 1);
}

/* NBX_EBAD where a second document follows, or what follows is no YAML. */
static enum nbx_err end_stream(yaml_parser_t *parser, struct nbx_diagnostics *diagnostics)
{
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next)) {
        report_parser(parser, diagnostics);
        return NBX_EBAD;
    }
    bool more = next.nodes.start != next.nodes.top;
    if (more)
        nbx_diagnostics_add(diagnostics, (uint32_t)next.start_mark.line + 1,
                            (uint32_t)next.start_mark.column + 1,
                            "a second document: there can be only one");
    yaml_document_delete(&next);
    return more ? NBX_EBAD : NBX_OK;
}

enum nbx_err nbx_conf__doc_open(struct conf_doc **out, const char *text, size_t len,
                                struct nbx_diagnostics *diagnostics)
{
    yaml_parser_t parser;
    struct conf_doc *doc = calloc(1, sizeof *doc);
    *out = NULL;
    if (!doc)
        return NBX_ELIMIT;
    if (!yaml_parser_initialize(&parser)) {
        free(doc);
        return NBX_ELIMIT;
    }
    doc->diagnostics = diagnostics;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    enum nbx_err err = NBX_OK;
    if (!yaml_parser_load(&parser, &doc->document)) {
        report_parser(&parser, diagnostics);
        err = NBX_EBAD;
    } else if (root_of(doc)) {
        err = end_stream(&parser, diagnostics);
    }
    yaml_parser_delete(&parser);
    *out = doc;
    if (err)
        nbx_conf__doc_close(out);
    return err;
}

void nbx_conf__doc_close(struct conf_doc **doc)
{
    if (!*doc)
        return;
    yaml_document_delete(&(*doc)->document);
    free(*doc);
    *doc = NULL;
}

static bool is_key(const yaml_node_t *node, const char *name)
{
    return node->type == YAML_SCALAR_NODE && strlen(name) == node->data.scalar.length &&
           memcmp(node->data.scalar.value, name, node->data.scalar.length) == 0;
}

static const yaml_node_t *member_of(const struct conf_doc *doc, const yaml_node_t *map,
                                    const char *name)
{
    if (!map || map->type != YAML_MAPPING_NODE)
        return NULL;
    const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
    for (; pair < map->data.mapping.pairs.top; pair++) {
        if (is_key(node_of(doc, pair->key), name))
            return node_of(doc, pair->value);
    }
    return NULL;
}

static const yaml_node_t *entry_of(const struct conf_doc *doc, const yaml_node_t *list, int64_t i)
{
    if (!list || list->type != YAML_SEQUENCE_NODE || i < 0 ||
        i >= list->data.sequence.items.top - list->data.sequence.items.start)
        return NULL;
    return node_of(doc, list->data.sequence.items.start[i]);
}

static void add_at(const struct conf_doc *doc, const yaml_node_t *node, const char *text)
{
    uint32_t line = node ? (uint32_t)node->start_mark.line + 1 : 1;
    uint32_t column = node ? (uint32_t)node->start_mark.column + 1 : 1;
    nbx_diagnostics_add(doc->diagnostics, line, column, "%s", text);
}

void nbx_conf__doc_report(const struct conf_doc *doc, struct conf_place place, const char *fmt, ...)
{
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "%s", place.key);
    const yaml_node_t *node = root_of(doc), *deeper = member_of(doc, node, place.key);
    node = deeper ? deeper : node;
    if (place.entry >= 0) {
        nbx_buf_printf(&text, "[%lld]", (long long)place.entry);
        deeper = entry_of(doc, node, place.entry);
        node = deeper ? deeper : node;
    }
    if (place.member) {
        nbx_buf_printf(&text, ".%s", place.member);
        deeper = member_of(doc, node, place.member);
        node = deeper ? deeper : node;
    }
    char *message = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&message, fmt, args);
    va_end(args);
    if (len >= 0)
        nbx_buf_printf(&text, ": %s", message);
    nbx_buf_put_u8(&text, 0);
    if (len >= 0)
        free(message);
    add_at(doc, node, text.failed ? "out of memory" : (const char *)text.p);
    nbx_buf_fini(&text);
}

/* A walk over the shapes. path is "" at the top, "events[2]." inside an entry. */
struct walk {
    struct conf_doc *doc;
    size_t errors;
    bool loadable;
    char path[128];
};

static void complain(struct walk *walk, const yaml_node_t *node, bool stops, const char *fmt, ...)
    NBX_PRINTF(4, 5);
static void complain(struct walk *walk, const yaml_node_t *node, bool stops, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    add_at(walk->doc, node, text);
    walk->errors++;
    walk->loadable = walk->loadable && !stops;
}

static void check_record(struct walk *walk, const yaml_node_t *node,
                         const struct conf_record *record);

static void check_entries(struct walk *walk, const yaml_node_t *list, const struct conf_row *row)
{
    int64_t n = list->data.sequence.items.top - list->data.sequence.items.start;
    if (n < row->min || n > row->max)
        complain(walk, list, true, "%s: must have %lld to %lld entries, has %lld", row->name,
                 (long long)row->min, (long long)row->max, (long long)n);
    for (int64_t i = 0; i < n && i <= row->max; i++) {
        const yaml_node_t *entry = entry_of(walk->doc, list, i);
        if (row->type == CONF_RECORDS) {
            snprintf(walk->path, sizeof walk->path, "%s[%lld]", row->name, (long long)i);
            check_record(walk, entry, row->record);
            walk->path[0] = '\0';
        } else if (entry->type != YAML_SCALAR_NODE) {
            complain(walk, entry, true, "%s[%lld]: must be a single value", row->name,
                     (long long)i);
        }
    }
}

static void check_value(struct walk *walk, const yaml_node_t *node, const struct conf_row *row)
{
    const char *dot = walk->path[0] ? "." : "";
    bool list = row->type == CONF_TEXTS || row->type == CONF_RECORDS;
    if (list && node->type == YAML_SEQUENCE_NODE)
        check_entries(walk, node, row);
    else if (list || node->type != YAML_SCALAR_NODE)
        complain(walk, node, true, "%s%s%s: must be a %s", walk->path, dot, row->name,
                 list ? "list" : "single value");
}

static void complain_unknown(struct walk *walk, const yaml_node_t *key,
                             const struct conf_record *record)
{
    struct nbx_buf known = {0};
    for (size_t i = 0; i < record->n; i++)
        nbx_buf_printf(&known, "%s%s", i ? ", " : "", record->rows[i].name);
    nbx_buf_put_u8(&known, 0);
    complain(walk, key, false, "%s%sunknown key \"%.*s\"; known: %s", walk->path,
             walk->path[0] ? ": " : "", (int)key->data.scalar.length,
             (const char *)key->data.scalar.value, known.failed ? "" : (const char *)known.p);
    nbx_buf_fini(&known);
}

static void check_pair(struct walk *walk, const yaml_node_t *map, const yaml_node_pair_t *pair,
                       const struct conf_record *record)
{
    const yaml_node_t *key = node_of(walk->doc, pair->key);
    const yaml_node_t *value = node_of(walk->doc, pair->value);
    if (key->type != YAML_SCALAR_NODE) {
        complain(walk, key, true, "%s%sa key must be a word", walk->path,
                 walk->path[0] ? ": " : "");
        return;
    }
    for (size_t i = 0; i < record->n; i++) {
        const struct conf_row *row = &record->rows[i];
        if (!is_key(key, row->name))
            continue;
        if (member_of(walk->doc, map, row->name) != value)
            complain(walk, key, true, "%s%s%s: given twice", walk->path, walk->path[0] ? "." : "",
                     row->name);
        else
            check_value(walk, value, row);
        return;
    }
    complain_unknown(walk, key, record);
}

static void check_record(struct walk *walk, const yaml_node_t *node,
                         const struct conf_record *record)
{
    if (node->type != YAML_MAPPING_NODE) {
        complain(walk, node, true, "%s%smust be a mapping of keys to values", walk->path,
                 walk->path[0] ? ": " : "");
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++)
        check_pair(walk, node, pair, record);
    for (size_t i = 0; i < record->n; i++) {
        if (!record->rows[i].preset && !member_of(walk->doc, node, record->rows[i].name))
            complain(walk, node, false, "%s.%s: is missing", walk->path, record->rows[i].name);
    }
}

size_t nbx_conf__doc_check(struct conf_doc *doc, const struct conf_record *record, bool *loadable)
{
    struct walk walk = {.doc = doc, .loadable = true};
    const yaml_node_t *root = root_of(doc);
    if (root)
        check_record(&walk, root, record);
    *loadable = walk.loadable;
    return walk.errors;
}
