/* SPDX-License-Identifier: MIT
 * What must hold of who is linked to whom: each record of an identity that is there, and together
 * trees that none is too large of.
 */
#include "engine/base/grow.h"
#include "engine/care/verify_internal.h"
#include "engine/customer/customers.h"

#include <stdlib.h>

static enum nbx_err note_node(struct nbx_check *c, struct nbx_check_node node)
{
    struct nbx_check_node *p = nbx_grow(c->links.p, c->links.n, &c->links.room, sizeof *p);
    if (!p)
        return NBX_ELIMIT;
    c->links.p = p;
    c->links.p[c->links.n++] = node;
    return NBX_OK;
}

static bool was_given(const struct nbx_check *c, uint64_t number)
{
    uint64_t serial = NBX_CUSTOMER_SERIAL(number);
    return serial && serial <= c->groups[NBX_CUSTOMER_GROUP(number)].serial;
}

/* Whether the number is one that a forgotten customer had. Hardly ever asked. */
static bool was_forgotten(struct nbx_check *c, uint64_t number)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_forgotten_record r = {0};
    bool found = false;
    enum nbx_err err = nbx_cursor_open(&cursor, c->store, NBX_FAMILY_FORGOTTEN, all, all, false);
    while (!err && !found && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(c->scratch);
        found =
            nbx_forgotten_record_decode(&r, &stored, c->scratch) == NBX_OK && r.number == number;
    }
    nbx_cursor_close(&cursor);
    c->err = err == NBX_ELIMIT || err == NBX_ESTORAGE ? err : c->err;
    return found;
}

/* What is wrong with whose record it is. Of linked identities that are being forgotten the records
 * stay until the last one's turn: *gone. */
static const char *check_identity(struct nbx_check *c, uint64_t number, struct nbx_str id,
                                  bool *gone)
{
    static const char nobody[] = "its id names nobody", another[] = "its id names another customer";
    struct nbx_key key = nbx_key_identity(NBX_STR(""), id);
    struct nbx_identity_record identity = {0};
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), c->arena, &stored);
    if (!err)
        err = nbx_identity_record_decode(&identity, &stored, c->arena);
    const char *what = nbx_verify__read(c, err, nobody);
    if (!err && identity.number != number)
        what = another;
    *gone = (what == nobody || what == another) && was_forgotten(c, number);
    return *gone ? NULL : what;
}

const char *nbx_verify__link(struct nbx_check *c, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    struct nbx_check_node node = {0};
    struct nbx_link_record r;
    if (key.len != sizeof node.number || !nbx_key_number_parse(key, &node.number))
        return "has a key that is no customer number";
    const char *what = nbx_verify__undecoded(c, nbx_link_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    if (!was_given(c, node.number) || (r.parent && !was_given(c, r.parent)))
        return "names a number that was never given";
    what = check_identity(c, node.number, r.id, &node.gone);
    node.parent = r.parent;
    if (!c->err)
        c->err = note_node(c, node);
    return what;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct nbx_check_node *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* They were read in the order of their numbers. */
static struct nbx_check_node *find_node(const struct nbx_check *c, uint64_t number)
{
    struct nbx_check_node wanted = {.number = number};
    return number && c->links.n
               ? bsearch(&wanted, c->links.p, c->links.n, sizeof wanted, compare_nodes)
               : NULL;
}

/* The node that the path from this one ends at; NULL where it goes on for longer than it may.
 * *cycle: the node is on it again. */
static struct nbx_check_node *root_of(const struct nbx_check *c, struct nbx_check_node *node,
                                      bool *cycle)
{
    struct nbx_check_node *at = node, *up = find_node(c, node->parent);
    *cycle = false;
    for (int i = 0; up && up != node && i < NBX_LINKED_MAX; i++) {
        at = up;
        up = find_node(c, at->parent);
    }
    *cycle = up == node;
    return up ? NULL : at;
}

/* A customer who is there accepts links where they lead to him; one who was forgotten by himself
 * took his record along. */
static bool parent_is_missing(struct nbx_check *c, const struct nbx_check_node *node)
{
    struct nbx_key key = nbx_key_customer(node->parent);
    if (!node->parent || find_node(c, node->parent))
        return false;
    return nbx_verify__is_vacant(c, node->parent) ||
           nbx_store_has(c->store, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &c->err);
}

static const char *check_node(struct nbx_check *c, struct nbx_check_node *node)
{
    bool cycle;
    struct nbx_check_node *root = root_of(c, node, &cycle);
    if (parent_is_missing(c, node))
        return "is linked to a customer who has no such record";
    if (cycle)
        return "is linked to itself in the end";
    if (!root)
        return "is further from whom all are linked to than there may be linked";
    root->n_below++;
    root->n_gone += node->gone;
    return NULL;
}

static const char *check_tree(const struct nbx_check_node *root)
{
    if (root->n_below > NBX_LINKED_MAX)
        return "more are linked to it than may be";
    return root->n_gone && root->n_gone == root->n_below ? "is of who was forgotten" : NULL;
}

static void tell(struct nbx_check *c, const struct nbx_check_node *node, const char *what)
{
    struct nbx_key key = nbx_key_customer(node->number);
    if (what && !c->err)
        nbx_verify__found(c, NBX_FAMILY_LINKS, nbx_key_str(&key), what);
}

void nbx_verify__link_ends(struct nbx_check *c)
{
    for (size_t i = 0; !c->err && i < c->links.n; i++)
        tell(c, &c->links.p[i], check_node(c, &c->links.p[i]));
    for (size_t i = 0; !c->err && i < c->links.n; i++)
        tell(c, &c->links.p[i], check_tree(&c->links.p[i]));
}

const char *nbx_verify__parts(const struct nbx_check *c, const struct nbx_decision_record *r,
                              uint64_t number)
{
    uint64_t digest = 0;
    bool own = false;
    if (!r->n_parts)
        return NULL;
    for (uint32_t i = 0; i < r->n_parts; i++) {
        digest += r->parts[i].seen_digest;
        own |= r->parts[i].number == number;
        if (!was_given(c, r->parts[i].number))
            return "is of a number that was never given";
    }
    return !own || r->n_parts < 2 || r->n_parts > NBX_LINKED_MAX || digest != r->seen_digest
               ? "is of linked customers who cannot have been"
               : NULL;
}
