/* SPDX-License-Identifier: MIT
 * model.*: what is wrong with a request, and by which words it is refused. */
#include "tests/unit/proto/bodies.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(message_models, .init = bodies_set_up, .fini = bodies_tear_down);

Test(message_models, fields)
{
    static const struct {
        enum nbx_op op;
        const char *text, *field, *message; /* message: a part of it */
    } rows[] = {
        {NBX_OP_MODEL_PUSH, "{digest:5, bytes:1}", "digest", "b2sum -l 256 prints, got int"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:1}", NULL, NULL}, /* 64 times a */
        {NBX_OP_MODEL_PUSH, "{digest:#63, bytes:1}", "digest", "the 64 hex digits"},
        {NBX_OP_MODEL_PUSH, "{digest:#65, bytes:1}", "digest", "the 64 hex digits"},
        {NBX_OP_MODEL_PUSH,
         "{digest:'00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff', bytes:1}",
         "digest", "the 64 hex digits"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:0}", "bytes", "from 1"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:1.5}", "bytes", "got float"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, offset:-1}", "offset", "from 0"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, data:'abc'}", "data", "a bin, got string"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, data:x'0a0b'}", NULL, NULL},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:true}", "commit", "a map"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{note:'x'}}", "commit.note",
         "notes, metrics, parent, by, activate"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{notes:''}}", "commit.notes", "1 to"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{notes:#2049}}", "commit.notes", "2048"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{parent:'a b'}}", "commit.parent",
         "may have only"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{by:#256}}", "commit.by", "255"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{activate:1}}", "commit.activate",
         "true or false"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{metrics:[1]}}", "commit.metrics",
         "a map of label to number"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{metrics:{'recall@20':'x'}}}",
         "commit.metrics.recall@20", "a number"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{metrics:{'':1}}}", "commit.metrics",
         "1 to 64"},
        {NBX_OP_MODEL_PUSH, "{digest:#64, bytes:9, commit:{metrics:{'recall@20':0.5,n:3}}}", NULL,
         NULL},
        {NBX_OP_MODEL_GET, "{name:'a/b', version:'v'}", "name", "may have only"},
        {NBX_OP_MODEL_ACTIVATE, "{name:'a', version:'v@1'}", "version", "may have only"},
        {NBX_OP_MODEL_DELETE, "{name:'a', version:''}", "version", "1 to 64"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:'live'}", "stage",
         "staged, shadow, canary, active, archived"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:3}", "stage", "got int"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:'shadow', share:0}", "share",
         "above 0"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:'shadow', share:1.1}", "share",
         "at most 1"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:'shadow', share:'1'}", "share",
         "a number"},
        {NBX_OP_MODEL_STAGE, "{name:'a', version:'v', stage:'shadow', share:1}", NULL, NULL},
        {NBX_OP_MODEL_ACTIVATE, "{name:'a', version:'v', share:0.1}", "share", "unknown field"},
        {NBX_OP_MODEL_GET, "{name:'a', version:'v', stage:'staged'}", "stage", "unknown field"},
        {NBX_OP_MODEL_READ, "{name:'a', version:'v', offset:5}", NULL, NULL},
        {NBX_OP_MODEL_READ, "{name:'a', version:'v', offset:-1}", "offset", "from 0"},
        {NBX_OP_MODEL_READ, "{name:'a b', version:'v'}", "name", "may have only"},
        {NBX_OP_MODEL_LIST, "{id:[]}", "id", "an int or a string"},
        {NBX_OP_MODEL_ROLLBACK, "{name:'a'}", "name", "unknown field"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum nbx_err want = rows[i].field ? NBX_EBAD : NBX_OK;
        cr_expect_eq(refusal(rows[i].op, rows[i].text), want, "%s: %s", rows[i].text,
                     fault.message);
        if (!rows[i].field)
            continue;
        cr_expect_str_eq(fault.field, rows[i].field, "%s", rows[i].text);
        cr_expect(strstr(fault.message, rows[i].message), "%s: %s", rows[i].text, fault.message);
    }
}
