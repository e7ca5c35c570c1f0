/* SPDX-License-Identifier: MIT */
#include "engine/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool nbx_folder_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return synced;
}
