/* SPDX-License-Identifier: MIT */
/* Names of a program whose file nobody but itself can see: it lies in a mount namespace. */
#define _GNU_SOURCE 1
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static volatile int enough;

static void __attribute__((noinline, noclone)) parked_out_of_sight(void)
{
  if (write(STDOUT_FILENO, "r", 1) == 1)
    pause();
  enough++; /* no tail call above */
}

/* Between fork and exec: a tmpfs over the folder, and this program's copy in it. */
static void
move_out_of_sight(const char *folder, const char *copy)
{
  char buffer[65536];
  ssize_t got;
  int from, to;

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("none", folder, "tmpfs", 0, NULL) != 0 ||
      (from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0 ||
      (to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700)) < 0)
    _exit(99);
  while ((got = read(from, buffer, sizeof(buffer))) > 0)
    if (write(to, buffer, (size_t)got) != got)
      _exit(98);
  close(to);
  execl(copy, copy, "park", (char *)NULL);
  _exit(97);
}

static void
a_program_of_another_mount_namespace_is_shown_with_names(void **state)
{
  g_autofree char *folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *copy = g_build_filename(folder, "hidden-program", NULL);
  g_autofree char *sample = g_build_filename(TEST_BUILD_FOLDER, "samples/stack", NULL);
  g_autofree char *output = NULL, *errors = NULL;
  int out[2], status = 0;
  char byte;

  (void)state;
  assert_non_null(folder);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    move_out_of_sight(folder, copy);
  }
  close(out[1]);
  if (read(out[0], &byte, 1) != 1) {
    assert_int_equal(waitpid(pid, &status, 0), pid);
    g_rmdir(folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
      printf("SKIP: only root can have a mount namespace of its own\n");
      skip();
    }
    fail_msg("the program ended with status 0x%x", status);
  }
  assert_false(g_file_test(copy, G_FILE_TEST_EXISTS));

  g_autofree char *number = g_strdup_printf("%d", pid);
  char *argv[] = {sample, number, NULL};
  assert_true(
      g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, &errors, &status, NULL));
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  close(out[0]);
  g_rmdir(folder);
  if (status != 0 || !strstr(output, "parked_out_of_sight+") || !strstr(output, " main+"))
    fail_msg("status 0x%x: %s%s", status, output, errors);
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_program_of_another_mount_namespace_is_shown_with_names),
  };

  (void)argv;
  if (argc > 1) {
    parked_out_of_sight();
    return enough;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
