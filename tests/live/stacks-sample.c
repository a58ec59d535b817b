/* SPDX-License-Identifier: MIT */
/* samples/stack as a person runs it: its output, its errors, and the program unharmed. */
#include "config.h"

#include "icordebug-client.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *
sample(void)
{
  return g_build_filename(TEST_BUILD_FOLDER, "samples/stack", NULL);
}

/* As somebody without rights. */
static void
become_nobody(gpointer data)
{
  (void)data;
  if (setgid(65534) != 0 || setuid(65534) != 0)
    _exit(125);
}

static int
run(char *const *argv, GSpawnChildSetupFunc setup, char **output, char **errors)
{
  g_autoptr(GError) error = NULL;
  int status = -1;

  if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, setup, NULL, output, errors,
                    &status, &error))
    fail_msg("%s", error->message);
  if (!WIFEXITED(status))
    fail_msg("it ended with status 0x%x: %s", status, *errors);
  return WEXITSTATUS(status);
}

static int
run_on(const char *pid, char **output, char **errors)
{
  g_autofree char *path = sample();
  char *argv[] = {path, (char *)pid, NULL};

  return run(argv, NULL, output, errors);
}

/* It ends with 2 and one line that holds the text. */
static void
is_refused(int code, const char *output, const char *errors, const char *text)
{
  if (code != 2 || !strstr(errors, text) || !g_str_has_prefix(errors, "stack: ") ||
      strchr(errors, '\n') != errors + strlen(errors) - 1 || *output)
    fail_msg("%d: %s%s", code, output, errors);
}

/* What the output says of one thread; to be freed. */
static char *
stack_of(const char *output, int tid)
{
  g_autofree char *head = g_strdup_printf("thread %d \"", tid);
  const char *start = strstr(output, head), *end;

  if (!start)
    fail_msg("no thread %d in %s", tid, output);
  end = strstr(start, "\n\n");
  return end ? g_strndup(start, (gsize)(end - start) + 1) : g_strdup(start);
}

static void
holds(const char *stack, const char *text)
{
  if (!strstr(stack, text))
    fail_msg("'%s' is not in %s", text, stack);
}

/* ---- a native program ---- */

enum { THREADS = 8, DEPTH = 6 };

typedef struct shared {
  pthread_barrier_t all;
  int tids[THREADS];
} shared;

static volatile int enough;

/* What the test asks for by name keeps its frame at any level of optimization. */
#define KEPT __attribute__((noinline, noclone))

/* Who passes the barrier knows that all stand at their deepest. */
static void KEPT
parked_deep(shared *s, int depth)
{
  if (depth > 0) {
    parked_deep(s, depth - 1);
  } else {
    pthread_barrier_wait(&s->all);
    while (!enough)
      pause();
  }
  __asm__ volatile(""); /* no tail call */
}

static void *KEPT
parked(void *data)
{
  shared *s = data;
  static int next;

  s->tids[__atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST)] = (int)gettid();
  parked_deep(s, DEPTH - 1);
  __asm__ volatile("");
  return NULL;
}

static pid_t
start_native(shared **ret)
{
  shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_barrierattr_t attributes;
  pid_t pid;

  assert_ptr_not_equal(s, MAP_FAILED);
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&s->all, &attributes, THREADS + 1);
  pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    pthread_t thread;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where the test fails */
    for (int i = 1; i < THREADS; i++)
      if (pthread_create(&thread, NULL, parked, s) != 0)
        _exit(1);
    parked(s);
    _exit(0);
  }
  pthread_barrier_wait(&s->all);
  *ret = s;
  return pid;
}

static void
end_native(pid_t pid, shared *s)
{
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  munmap(s, sizeof(*s));
}

static void
a_native_program_shows_all_threads_with_names_and_lines(void **state)
{
  g_autofree char *output = NULL, *errors = NULL, *number = NULL;
  shared *s;
  pid_t pid = start_native(&s);

  (void)state;
  number = g_strdup_printf("%d", (int)pid);
  assert_int_equal(run_on(number, &output, &errors), 0);
  for (int i = 0; i < THREADS; i++) {
    g_autofree char *stack = stack_of(output, s->tids[i]);
    unsigned frames = 0;

    for (const char *at = stack; (at = strstr(at, " parked_deep+0x")); at++)
      frames++;
    if (frames != DEPTH)
      fail_msg("%u frames in %s", frames, stack);
    holds(stack, "stacks-sample.c:");
    holds(stack, " parked+0x");
    if (s->tids[i] == pid)
      holds(stack, " main+0x");
  }
  assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
  program_check_unharmed(&(program){.pid = pid});
  end_native(pid, s);
}

/* ---- managed ones ---- */

enum { TURNS = 5, TURNS_MAX = 500 };

/* A thread is in Run all the time, and in Descend but for the moments between two calls of it: it
   is looked at until it was seen there. */
static void
a_managed_program_shows_managed_and_native_frames_of_each_thread(void **state)
{
  g_autofree char *library = g_build_filename(TEST_BUILD_FOLDER, "tests/live/.libs", NULL);
  bool descended[2] = {false, false};
  int tids[2];
  program p;

  (void)state;
  g_setenv("LD_LIBRARY_PATH", library, TRUE);
  program_start_managed(&p, "../../tests/live/Transitions", NULL);
  g_unsetenv("LD_LIBRARY_PATH");
  for (int i = 0; i < 2; i++) {
    g_autofree char *line = program_line(p.out, "shadow ");

    assert_int_equal(sscanf(line, "shadow %d", &tids[i]), 1);
  }
  for (int turn = 0; turn < TURNS || !descended[0] || !descended[1]; turn++) {
    g_autofree char *output = NULL, *errors = NULL, *number = g_strdup_printf("%d", p.pid);
    int code = run_on(number, &output, &errors);

    if (code != 0)
      fail_msg("%d: %s", code, errors);
    if (turn >= TURNS_MAX)
      fail_msg("no frame of Descend in %d looks; the last: %s", turn, output);
    for (int i = 0; i < 2; i++) {
      g_autofree char *stack = stack_of(output, tids[i]);

      descended[i] |= strstr(stack, " Debuggees.Transitions.Descend+0x") != NULL;
      holds(stack, " Debuggees.Transitions.Run+0x");
      holds(stack, "Transitions.cs:");
      if (tids[i] == p.pid)
        holds(stack, " Debuggees.Transitions.Main+0x");
      /* Where there are no symbols of the C library's own, its name stands for clone3. */
      if (tids[i] == p.pid || !strstr(stack, "clone"))
        holds(stack, tids[i] == p.pid ? "_start" : " in libc.so.6+0x");
    }
    assert_null(strstr(output, "\"cordbg\"")); /* the agent's own thread */
    program_check_unharmed(&p);
  }
  program_end(&p);
}

/* ---- what cannot be ---- */

static void
what_is_no_process_is_refused(void **state)
{
  static const char *const bad[][2] = {
      {"x", "is not a process id"},
      {"-1", "is not a process id"},
      {"0", "is not a process id"},
      {"4194305", "there is no process 4194305"}}; /* over the max */

  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *output = NULL, *errors = NULL;
    int code = run_on(bad[i][0], &output, &errors);

    is_refused(code, output, errors, bad[i][1]);
  }
}

static void
its_own_process_is_refused(void **state)
{
  g_autofree char *path = sample(), *command = g_strdup_printf("exec '%s' $$", path);
  g_autofree char *output = NULL, *errors = NULL;
  char *argv[] = {"sh", "-c", command, NULL};
  int code = run(argv, NULL, &output, &errors);

  (void)state;
  is_refused(code, output, errors, "is this program itself");
}

static void
a_process_that_is_debugged_already_is_refused_and_its_tracer_named(void **state)
{
  g_autofree char *output = NULL, *errors = NULL, *number = NULL, *text = NULL;
  shared *s;
  pid_t pid = start_native(&s);
  int code;

  (void)state;
  assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
  number = g_strdup_printf("%d", (int)pid);
  text = g_strdup_printf("by process %d", (int)getpid());
  code = run_on(number, &output, &errors);
  is_refused(code, output, errors, text);
  end_native(pid, s);
}

/* Every folder on the way may be passed, and the file be run, by others. */
static bool
everybody_reaches(const char *path)
{
  g_autofree char *way = g_strdup(path);

  for (char *slash = way + 1;; slash++) {
    bool whole = *slash == 0;
    struct stat status;

    if (!whole && *slash != '/')
      continue;
    *slash = 0;
    if (stat(way, &status) != 0 || !(status.st_mode & S_IXOTH))
      return false;
    if (whole)
      return true;
    *slash = '/';
  }
}

static void
another_users_process_is_refused(void **state)
{
  g_autofree char *output = NULL, *errors = NULL, *number = NULL, *path = sample();
  shared *s;
  pid_t pid;
  int code;

  (void)state;
  if (geteuid() != 0) {
    printf("SKIP: only root can become another user\n");
    skip();
  }
  if (!everybody_reaches(path)) {
    printf("SKIP: an ordinary user cannot reach the build folder\n");
    skip();
  }
  pid = start_native(&s);
  number = g_strdup_printf("%d", (int)pid);
  char *argv[] = {path, number, NULL};
  code = run(argv, become_nobody, &output, &errors);
  if (code != 2 || !g_str_has_prefix(errors, "stack: ") || *output)
    fail_msg("%d: %s%s", code, output, errors);
  program_check_unharmed(&(program){.pid = pid});
  end_native(pid, s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CLIENT_TEST(what_is_no_process_is_refused),
      CLIENT_TEST(its_own_process_is_refused),
      CLIENT_TEST(a_process_that_is_debugged_already_is_refused_and_its_tracer_named),
      CLIENT_TEST(another_users_process_is_refused),
      CLIENT_TEST(a_native_program_shows_all_threads_with_names_and_lines),
      CASE_ON_ALL(a_managed_program_shows_managed_and_native_frames_of_each_thread),
  };

  return CLIENT_RUN(tests);
}
