/* SPDX-License-Identifier: MIT
 * nbxd as a program: options, exit codes, signals, the life of its state.
 */
#include "tests/daemon/harness.h"

Test(program, says_hello)
{
    struct server s;
    server_start(&s, NULL);
    struct nbx_value *hello = get(&s.peer, "hello", "", "{'id': 7}");
    must_be(hello, "name", "'nbx'");
    must_be(hello, "protocol", "1");
    must_be(hello, "ready", "true");
    must_be(hello, "model", "{'name': '', 'version': ''}");
    must_be(hello, "id", "7");
    MUST_LIST(hello, "operations", "",
              "hello recommend rank similar observe customer.get customer.put customer.forget "
              "decision.get item.put item.patch item.get item.delete stats");
    server_stop(&s);
}
