/* SPDX-License-Identifier: MIT
 * Settings in the words of the modules: the one place that knows both.
 *
 * Owns:    every array and value it points at; strings stay the configuration's.
 * Threads: main.
 * Errors:  NULL where memory is out.
 */
#ifndef NBX_MAIN_OPTIONS_H
#define NBX_MAIN_OPTIONS_H

#include "engine/conf/conf.h"
#include "engine/serve/server.h"

struct nbx_main_options {
    struct nbx_server_options server;
    struct nbx_arena *arena;
};

struct nbx_main_options *nbx_main_options_new(const struct nbx_conf *conf, const char *version);
void nbx_main_options_destroy(struct nbx_main_options **options);

#endif
