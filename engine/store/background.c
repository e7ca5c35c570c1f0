/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Answers before flushes, flushes before compactions: a flush that falls behind stalls writes, so
 * it may not starve. RocksDB's own call knows but one low priority, nice 19, and on a busy machine
 * writes did stall with it. */
static const struct {
    const char *name; /* of RocksDB's threads */
    int nice;
} pools[] = {{"rocksdb:low\n", 5}};

static void lower(const char *tid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", tid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    bool read = fgets(name, sizeof name, f) != NULL;
    fclose(f);
    for (size_t i = 0; read && i < sizeof pools / sizeof *pools; i++)
        if (strcmp(name, pools[i].name) == 0 &&
            setpriority(PRIO_PROCESS, (id_t)strtoul(tid, NULL, 10), pools[i].nice))
            nbx_log_warn("cannot lower the priority of %.12s", name);
}

void nbx_store__lower_background(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return;
    for (struct dirent *task; (task = readdir(tasks));)
        lower(task->d_name);
    closedir(tasks);
}
