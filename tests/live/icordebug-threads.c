/* SPDX-License-Identifier: MIT */
/*
 * CreateThread and ExitThread of both runtimes: told when it happens, of every thread, and once. No
 * breakpoint is set and nobody calls Stop: nothing else would make them come.
 */
#include "config.h"

#include "icordebug-client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 60, LOOKED_AT = 20 };

/* What became of a thread, by its number. */
typedef struct life {
  unsigned begun, ended;
} life;

typedef struct lives {
  int out; /* of the program; does not block */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  GString *said;
  GHashTable *threads; /* tid -> life */
  unsigned looked_at;
} lives;

static void
lives_open(lives *l)
{
  *l = (lives){.out = -1, .said = g_string_new(NULL)};
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->changed, NULL);
  l->threads = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
}

static void
lives_close(lives *l)
{
  g_string_free(l->said, TRUE);
  g_hash_table_unref(l->threads);
  pthread_mutex_destroy(&l->lock);
  pthread_cond_destroy(&l->changed);
  if (l->out >= 0)
    close(l->out);
}

/* What the program said so far. Lock held. */
static void
listen(lives *l)
{
  char bytes[4096];
  ssize_t size;
  while ((size = read(l->out, bytes, sizeof bytes)) > 0)
    g_string_append_len(l->said, bytes, size);
}

static bool
has_said(const lives *l, const char *text)
{
  return strstr(l->said->str, text) != NULL;
}

/* The process has the thread that it tells of, by its number and among all. */
static void
look_at(ICorDebugThread *thread, DWORD tid)
{
  ICorDebugProcess *process;
  ICorDebugThread *same;
  ICorDebugThreadEnum *all;
  bool found = false;
  ULONG got;
  hook_ok(ICorDebugThread_GetProcess(thread, &process));
  hook_ok(ICorDebugProcess_GetThread(process, tid, &same));
  hook_true(same == thread);
  ICorDebugThread_Release(same);
  hook_ok(ICorDebugProcess_EnumerateThreads(process, &all));
  while (ICorDebugThreadEnum_Next(all, 1, &same, &got) == S_OK) {
    found |= same == thread;
    ICorDebugThread_Release(same);
  }
  hook_true(found);
  ICorDebugThreadEnum_Release(all);
  ICorDebugProcess_Release(process);
}

static then
lives_hook(client *c, const told *what)
{
  lives *l = c->data;
  bool begins = strcmp(what->name, "CreateThread") == 0;
  DWORD tid;
  if (!begins && strcmp(what->name, "ExitThread") != 0)
    return GO_ON;
  hook_ok(ICorDebugThread_GetID(what->thread, &tid));
  pthread_mutex_lock(&l->lock);
  life *of = g_hash_table_lookup(l->threads, GUINT_TO_POINTER(tid));
  if (of == NULL)
    g_hash_table_insert(l->threads, GUINT_TO_POINTER(tid), of = g_new0(life, 1));
  if (begins) {
    g_autofree char *body = g_strdup_printf("body %u\n", (unsigned)tid);
    of->begun++;
    listen(l);
    /* A thread that was there before has run already. */
    hook_true(has_said(l, "ready") || !has_said(l, body));
  } else
    of->ended++;
  hook_true(of->begun == of->ended || of->begun == of->ended + 1);
  bool looks = begins && l->looked_at++ < LOOKED_AT;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
  if (looks)
    look_at(what->thread, tid);
  return GO_ON;
}

/* Waits until the program says so. */
static void
await_said(lives *l, const char *text)
{
  for (;;) {
    pthread_mutex_lock(&l->lock);
    listen(l);
    bool done = has_said(l, text);
    pthread_mutex_unlock(&l->lock);
    struct pollfd polled = {.fd = l->out, .events = POLLIN};
    if (done)
      return;
    if (poll(&polled, 1, PATIENCE_S * 1000) <= 0)
      fail_msg("the program did not say '%s'", text);
  }
}

/* The numbers of those that said that they ran. */
static GArray *
bodies(lives *l)
{
  GArray *tids = g_array_new(FALSE, FALSE, sizeof(guint));
  pthread_mutex_lock(&l->lock);
  for (const char *at = l->said->str; (at = strstr(at, "body ")) != NULL;) {
    guint tid = (guint)strtoul(at += 5, NULL, 10);
    g_array_append_val(tids, tid);
  }
  pthread_mutex_unlock(&l->lock);
  return tids;
}

static unsigned
count_lives(lives *l, const GArray *tids, bool ended)
{
  unsigned count = 0;
  for (guint i = 0; i < tids->len; i++) {
    const life *of =
        g_hash_table_lookup(l->threads, GUINT_TO_POINTER(g_array_index(tids, guint, i)));
    count += of != NULL && of->begun > 0 && (!ended || of->begun == of->ended);
  }
  return count;
}

/* Each of them began (and ended). */
static void
await_lives(lives *l, const GArray *tids, bool ended)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&l->lock);
  while (late == 0 && count_lives(l, tids, ended) < tids->len)
    late = pthread_cond_timedwait(&l->changed, &l->lock, &end);
  unsigned count = count_lives(l, tids, ended);
  pthread_mutex_unlock(&l->lock);
  if (count != tids->len)
    fail_msg("%u of %u threads were told to have %s", count, tids->len, ended ? "ended" : "begun");
}

static void
never_blocks(int fd)
{
  assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* Launches it, waits until all threads ran, and (with ended) until their ends were told. */
static void
run(const char *how, unsigned threads, const char *together, bool ended)
{
  static client c;
  static lives l;
  int out[2];
  g_autofree char *count = g_strdup_printf("%u", threads);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  lives_open(&l);
  l.out = out[0];
  never_blocks(l.out);
  client_open(&c, lives_hook, &l);
  client_launch_managed(&c, 0, out[1], "../../tests/live/ThreadLives", how, count, together, NULL);
  close(out[1]);
  await_said(&l, "done\n");
  g_autoptr(GArray) tids = bodies(&l);
  assert_int_equal(tids->len, threads);
  await_lives(&l, tids, ended);
  assert_ok(ICorDebugProcess_Terminate(c.process, 0));
  client_await(&c, "ExitProcess", 1);
  client_close(&c);
  lives_close(&l);
}

static void
each_of_1000_short_threads_begins_and_ends_once(void **state)
{
  (void)state;
  run("short", 1000, "10", true);
}

static void
threads_one_after_the_other_begin_and_end_once(void **state)
{
  (void)state;
  run("short", 100, "1", true);
}

static void
a_threads_beginning_is_told_before_its_own_code_runs_in_the_pool_too(void **state)
{
  (void)state;
  run("pool", 16, NULL, false);
}

static void
threads_that_come_in_from_native_code_begin_and_end_once(void **state)
{
  (void)state;
  run("native", 50, NULL, true);
}

/* The runtime lists them for ever. */
static void
threads_that_leave_behind_the_runtimes_back_end_once(void **state)
{
  (void)state;
  run("leave", 5, NULL, true);
}

static void
threads_that_were_there_at_the_attach_end_when_they_end(void **state)
{
  (void)state;
  static client c;
  static lives l;
  program p;
  g_autofree char *folder = g_dir_make_tmp("cordbg-threads-XXXXXX", NULL);
  g_autofree char *until = g_build_filename(folder, "until", NULL);
  lives_open(&l);
  l.out = -1;
  program_start_managed(&p, "../../tests/live/ThreadLives", "old", "30", until, NULL);
  /* program_start has read all that it said: the replay tells who is there. */
  g_string_append(l.said, "ready\n");
  client_open(&c, lives_hook, &l);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 31);
  client_await_continued(&c);
  assert_int_equal(client_count(&c, "ExitThread"), 0);
  assert_true(g_file_set_contents(until, "", 0, NULL));
  client_await(&c, "ExitThread", 30);
  client_close(&c);
  program_end(&p);
  unlink(until);
  rmdir(folder);
  lives_close(&l);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(each_of_1000_short_threads_begins_and_ends_once),
      CASE_ON_BOTH(threads_one_after_the_other_begin_and_end_once),
      CASE_ON_BOTH(a_threads_beginning_is_told_before_its_own_code_runs_in_the_pool_too),
      CASE_ON_BOTH(threads_that_come_in_from_native_code_begin_and_end_once),
      CASE_ON(net, threads_that_leave_behind_the_runtimes_back_end_once),
      CASE_ON_BOTH(threads_that_were_there_at_the_attach_end_when_they_end),
  };
  return CLIENT_RUN(tests);
}
