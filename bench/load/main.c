/* SPDX-License-Identifier: MIT
 * nbx-bench: open-loop load on nbxd.
 */
#include "bench/load/drive.h"
#include "bench/load/scenario.h"

int main(int argc, char **argv)
{
    struct nbx_load_arguments arguments;
    struct nbx_load_scenario *scenario;
    struct nbx_fault fault = {.code = NBX_OK};
    if (!nbx_load_parse(&arguments, argc, argv))
        return 2;
    if (arguments.help) {
        nbx_load_print_help(arguments.program, false);
        return 0;
    }
    enum nbx_err err = nbx_load_scenario_new(&scenario, &arguments, &fault);
    if (err)
        return nbx_load_complain(&arguments, err, &fault);
    int code = nbx_load_drive(&arguments, nbx_load_scenario_make, scenario);
    nbx_load_scenario_destroy(&scenario);
    return code;
}
