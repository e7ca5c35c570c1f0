/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Compactions can wait, flushes cannot: on a busy machine one at nice 5 fell so far behind that
 * writes stalled. RocksDB's own call knows but one low priority, nice 19, at which compactions
 * might. */
#define COMPACTION_THREAD "rocksdb:low\n"
#define COMPACTION_NICE   5

static void lower(const char *tid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", tid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    bool read = fgets(name, sizeof name, f) != NULL;
    fclose(f);
    if (read && strcmp(name, COMPACTION_THREAD) == 0 &&
        setpriority(PRIO_PROCESS, (id_t)strtoul(tid, NULL, 10), COMPACTION_NICE))
        nbx_log_warn("cannot lower the priority of compactions");
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
