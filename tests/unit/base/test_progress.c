/* SPDX-License-Identifier: MIT */
#include "engine/base/progress.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

Test(progress, shows_share_rate_and_time_left)
{
    char line[160];
    struct nbx_progress p = {.label = "reading", .unit = "rows", .total = 1000};
    nbx_progress_format(line, sizeof line, &p, 250, 5 * SECOND);
    cr_expect_str_eq(line, "reading: 25%, 250 rows, 50/s, 15s left");
    p.total = 4000000;
    nbx_progress_format(line, sizeof line, &p, 1000000, 100 * SECOND);
    cr_expect_str_eq(line, "reading: 25%, 1.00M rows, 10.0k/s, 5m00s left");
    nbx_progress_format(line, sizeof line, &p, 1000, 100 * SECOND);
    cr_expect_str_eq(line, "reading: 0%, 1000 rows, 10/s, 111h05m left");
}

Test(progress, edges_are_no_nonsense)
{
    char line[160];
    struct nbx_progress p = {.label = "x", .unit = "", .total = 10};
    nbx_progress_format(line, sizeof line, &p, 0, 0);
    cr_expect_str_eq(line, "x: 0, 0/s");
    nbx_progress_format(line, sizeof line, &p, 20, SECOND);
    cr_expect_str_eq(line, "x: 100%, 20, 20/s, 0s left");
    p.total = 0;
    nbx_progress_format(line, sizeof line, &p, 20, SECOND);
    cr_expect_str_eq(line, "x: 20, 20/s");
}

Test(progress, is_quiet_in_a_pipe)
{
    int fds[2];
    char c;
    struct nbx_progress p;
    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    nbx_progress_start(&p, fds[1], "quiet", "rows", 10);
    nbx_progress_update(&p, 5);
    nbx_progress_end(&p);
    cr_expect_lt(read(fds[0], &c, 1), 0);
    close(fds[0]);
    close(fds[1]);
}

Test(progress, draws_on_a_terminal_and_wipes)
{
    int main_fd, terminal_fd;
    char text[512];
    struct nbx_progress p;
    cr_assert_eq(openpty(&main_fd, &terminal_fd, NULL, NULL, NULL), 0);
    nbx_progress_start(&p, terminal_fd, "loud", "rows", 10);
    nbx_progress_update(&p, 5);
    nbx_progress_update(&p, 6); /* within the same 200 ms: not drawn */
    nbx_progress_end(&p);
    ssize_t n = read(main_fd, text, sizeof text - 1);
    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_expect_not_null(strstr(text, "loud: 50%, 5 rows"));
    cr_expect_null(strstr(text, "6 rows"));
    cr_expect_not_null(strstr(text, "\r\033[K"));
    close(main_fd);
    close(terminal_fd);
}
