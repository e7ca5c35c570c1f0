/* SPDX-License-Identifier: MIT
 * Requests as another msgpack library wrote them. A file that is here stays as it is: old clients
 * send these bytes. Each has the operation, the body in notation and the bytes in hex. */
#include "tests/unit/proto/bodies.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

TestSuite(golden, .init = bodies_set_up, .fini = bodies_tear_down);

struct golden {
    char op[64], body[8192];
    uint8_t bytes[8192];
    size_t len;
};

static void add_hex(struct golden *g, const char *line)
{
    unsigned byte;
    for (; sscanf(line, "%2x", &byte) == 1; line += 2)
        g->bytes[g->len++] = (uint8_t)byte;
}

/* Lines are joined as they stand: each ends behind a comma or the last bracket. */
static void add_text(char *to, size_t room, const char *line)
{
    size_t used = strlen(to);
    snprintf(to + used, room - used, "%s", line);
}

static void read_golden(struct golden *g, const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    *g = (struct golden){0};
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#')
            add_hex(g, line);
        else if (g->op[0])
            add_text(g->body, sizeof g->body, line + 2);
        else
            add_text(g->op, sizeof g->op, line + 2);
    }
    fclose(file);
}

static void check_golden(const struct golden *g, const char *path)
{
    const struct nbx_op_info *info = nbx_op_find(nbx_str_c(g->op));
    cr_assert(info, "%s: operation %s", path, g->op);
    struct nbx_body ours = body_of(g->body);
    cr_assert_eq(ours.len, g->len, "%s: %zu bytes, wanted %zu", path, ours.len, g->len);
    cr_assert_arr_eq((const uint8_t *)ours.p, g->bytes, g->len, "%s: other bytes", path);
    cr_assert_eq(bodies_decode(info->op, ours), NBX_OK, "%s: %s %s", path, fault.field,
                 fault.message);
    for (size_t len = 0; len < g->len; len++) {
        uint8_t *cut = malloc(len ? len : 1);
        memcpy(cut, g->bytes, len);
        nbx_arena_reset(arena);
        cr_assert_eq(bodies_decode(info->op, (struct nbx_body){cut, len}), NBX_EBAD,
                     "%s: the first %zu bytes passed", path, len);
        free(cut);
    }
}

Test(golden, requests_are_read_and_written_as_ever)
{
    bool seen[NBX_N_OPS] = {false};
    glob_t found;
    cr_assert_eq(glob(NBX_SOURCE_DIR "/tests/golden/proto/*.hex", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct golden g;
        read_golden(&g, found.gl_pathv[i]);
        check_golden(&g, found.gl_pathv[i]);
        seen[nbx_op_find(nbx_str_c(g.op))->op] = true;
    }
    globfree(&found);
    for (int op = 0; op < NBX_N_OPS; op++)
        cr_assert(seen[op], "no golden request for %s", nbx_ops[op].name);
}
