/* SPDX-License-Identifier: MIT
 * nbx-bench: open-loop load on nbxd.
 */
#include "bench/load/report.h"
#include "bench/load/scenario.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static struct nbx_load_result result;
    struct nbx_load_arguments arguments;
    struct nbx_load_scenario *scenario;
    struct nbx_fault fault;
    if (!nbx_load_parse(&arguments, argc, argv))
        return 2;
    if (arguments.help) {
        nbx_load_print_help("nbx-bench", false);
        return 0;
    }
    if (nbx_load_scenario_new(&scenario, &arguments, &fault)) {
        fprintf(stderr, "nbx-bench: %s: %s\n", fault.field, fault.message);
        return 2;
    }
    enum nbx_err err = nbx_load_run(&result, &arguments.load, nbx_load_scenario_make, scenario);
    nbx_load_scenario_destroy(&scenario);
    if (err) {
        fprintf(stderr, "nbx-bench: %s: %s\n", nbx_err_status(err),
                err == NBX_EBUSY ? "nobody answers at the endpoint" : arguments.load.endpoint);
        return err == NBX_EBAD ? 2 : 1;
    }
    nbx_load_report(&result, &arguments);
    return nbx_load_is_clean(&result) ? 0 : 1;
}
