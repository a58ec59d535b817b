/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug::Terminate on one thread ends an attach or a launch that waits on another: at once,
 * with E_ABORT, and not when the time for it is over (CORDBG_E_TIMEOUT). That it waits is seen by
 * what it says in the log.
 */
#include "config.h"

#include "tests/live/icordebug-client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static client c;

/* ---- What cordbg says it waits for ---- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  const char *text;
  bool said;
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
hear(void *data, int level, const char *message)
{
  (void)data;
  (void)level;
  pthread_mutex_lock(&heard.lock);
  heard.said = heard.said || strstr(message, heard.text) != NULL;
  pthread_cond_broadcast(&heard.changed);
  pthread_mutex_unlock(&heard.lock);
}

static void
listen_for(const char *text)
{
  heard.text = text;
  heard.said = false;
  cordbg_set_log(hear, NULL, 2);
}

static void
await_hearing(void)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 60;
  pthread_mutex_lock(&heard.lock);
  while (!heard.said && late == 0)
    late = pthread_cond_timedwait(&heard.changed, &heard.lock, &end);
  bool said = heard.said;
  pthread_mutex_unlock(&heard.lock);
  cordbg_set_log(NULL, NULL, 0);
  if (!said)
    fail_msg("cordbg did not say '%s'", heard.text);
}

/* ---- The call that waits ---- */

typedef struct call {
  pthread_t thread;
  char *const *argv; /* NULL: attach to pid */
  int pid, out;
  HRESULT hr;
  char *sentence;
} call;

static void *
make_call(void *data)
{
  call *made = data;
  made->hr = made->argv != NULL ? client_launch(&c, made->argv, 0, made->out)
                                : client_attach(&c, made->pid, FALSE);
  made->sentence = g_strdup(cordbg_last_error(NULL, NULL, NULL));
  return NULL;
}

/* Begins the call, terminates ICorDebug when it waits for `text`, and sees what it answers. */
static void
terminate_meanwhile(call *made, const char *text)
{
  client_open(&c, NULL, NULL);
  listen_for(text);
  assert_int_equal(pthread_create(&made->thread, NULL, make_call, made), 0);
  await_hearing();
  assert_ok(ICorDebug_Terminate(c.cordebug));
  pthread_join(made->thread, NULL);
  if (made->hr != E_ABORT)
    fail_msg("0x%08x: %s", (unsigned)made->hr, made->sentence);
  g_free(made->sentence);
  client_close(&c);
}

/* ---- A program that has loaded the runtime's library and does not start it ---- */

static char *
path_of_coreclr(void)
{
  program p;
  char *maps = NULL;
  program_start_managed(&p, "Counter", "60", NULL);
  g_autofree char *file = g_strdup_printf("/proc/%d/maps", p.pid);
  assert_true(g_file_get_contents(file, &maps, NULL, NULL));
  program_end(&p);
  char *end = strstr(maps, "/libcoreclr.so\n");
  assert_non_null(end);
  end += strlen("/libcoreclr.so");
  *end = '\0';
  char *begin = strchr(strrchr(maps, '\n'), '/');
  assert_non_null(begin);
  char *path = g_strdup(begin);
  g_free(maps);
  return path;
}

static GPtrArray *
idle_embedder(void)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
  g_free(debuggee("Counter")); /* or skips */
  g_ptr_array_add(argv, g_build_filename(TEST_BUILD_FOLDER, "tests/live/mono-embedder", NULL));
  g_ptr_array_add(argv, on_mono() ? g_strdup("libmonosgen-2.0.so.1") : path_of_coreclr());
  g_ptr_array_add(argv, g_strdup("idle"));
  g_ptr_array_add(argv, NULL);
  return argv;
}

/* ---- The cases ---- */

static void
an_attach_to_a_runtime_that_does_not_start_is_given_up(void **state)
{
  (void)state;
  program p;
  g_autoptr(GPtrArray) argv = idle_embedder();
  program_start(&p, (char *const *)argv->pdata);
  call made = {.pid = p.pid};
  terminate_meanwhile(&made, on_mono() ? "to have its Finalizer thread at rest" : "to start .NET");
  program_check_unharmed(&p);
  program_end(&p);
}

/* The launched program is ended, as by any launch that fails. */
static void
check_launch_given_up(char *const *argv, const char *text)
{
  int out[2];
  assert_int_equal(pipe(out), 0);
  call made = {.argv = argv, .out = out[1]};
  terminate_meanwhile(&made, text);
  close(out[1]);
  char *rest = NULL;
  g_autoptr(GIOChannel) end = g_io_channel_unix_new(out[0]);
  assert_int_equal(g_io_channel_read_to_end(end, &rest, NULL, NULL), G_IO_STATUS_NORMAL);
  g_free(rest);
  close(out[0]);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it was reaped */
}

static void
a_launch_of_a_runtime_that_does_not_start_is_given_up(void **state)
{
  (void)state;
  g_autoptr(GPtrArray) argv = idle_embedder();
  check_launch_given_up((char *const *)argv->pdata, on_mono() ? "to start Mono" : "to start .NET");
}

static void
a_launch_of_a_program_without_a_runtime_is_given_up(void **state)
{
  (void)state;
  char *argv[] = {(char *)"sleep", (char *)"600", NULL};
  check_launch_given_up(argv, "to start a managed runtime");
}

/* What was given up does not come back: a new ICorDebug attaches as if nothing had been. */
static void
a_program_whose_attach_was_given_up_can_be_attached_to(void **state)
{
  (void)state;
  program p;
  g_autoptr(GPtrArray) argv = idle_embedder();
  program_start(&p, (char *const *)argv->pdata);
  const char *text = on_mono() ? "to have its Finalizer thread at rest" : "to start .NET";
  for (int i = 0; i < 5; i++) {
    call made = {.pid = p.pid};
    terminate_meanwhile(&made, text);
    assert_int_equal(program_tracer(&p), 0);
  }
  program_end(&p);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(an_attach_to_a_runtime_that_does_not_start_is_given_up),
      CASE_ON_BOTH(a_launch_of_a_runtime_that_does_not_start_is_given_up),
      CLIENT_TEST(a_launch_of_a_program_without_a_runtime_is_given_up),
      CASE_ON_BOTH(a_program_whose_attach_was_given_up_can_be_attached_to),
  };
  return CLIENT_RUN(tests);
}
