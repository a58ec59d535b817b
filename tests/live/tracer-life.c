/* SPDX-License-Identifier: MIT */
/* Births, execs, exits, launches, detaching: rows 23, 24, 26, 27, 30 of the checklist. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

__asm__(".text\n"
        ".globl life_add, life_sse\n"
        "life_add: addq $1, %rdi\n mov %rdi, %rax\n ret\n"
        "life_sse: cvtsi2sdq %rdi, %xmm0\n cvttsd2siq %xmm0, %rax\n ret\n");
extern long life_add(long), life_sse(long);

static void
count_forever(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->stop) {
    stage->count[1] = life_add(stage->count[0]);
    stage->count[0]++;
  }
  stage->ready = 2;
  pause();
}

/* ---- Children ---- */

static void
fork_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  for (int i = 0; i < 10; i++) {
    int status = -1, child = fork();
    if (child == 0)
      _exit(life_add(4) == 5 && life_sse(6) == 6 ? 42 : 1);
    stage->pid = child;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
      stage->result = status;
    stage->count[0]++;
  }
  stage->ready = 2;
  pause();
}

static void
row_23_a_fork_child_runs_through_the_traps_unharmed(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, fork_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
  plant(&s, CORDBG_LAYER_NATIVE, at(life_sse));
  s.stage->go = 1;
  for (int i = 0; i < 10; i++) {
    cordbg_event event = next_event(&s);
    assert_int_equal(event.kind, CORDBG_EVENT_FORK);
    assert_int_equal(event.flags & CORDBG_EVENT_STOPS, 0);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  assert_int_equal(s.stage->count[0], 10);
  assert_int_equal(raw_byte(&s, at(life_add)), CORDBG_TRAP); /* the parent keeps its own */
  assert_int_equal(statistics_of(&s).hits, 0);
  session_end(&s);
}

static void
row_23_a_fork_child_is_free_at_once(void **state)
{
  (void)state;
  test_session s;
  extern void forks_sleeper(test_stage *);
  session_begin(&s, forks_sleeper, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
  halt(&s);
  s.stage->go = 1;
  go_on(&s);
  cordbg_event event = next_event(&s);
  assert_int_equal(event.kind, CORDBG_EVENT_FORK);
  int child = (int)event.code;
  assert_true(is_free(child));
  await_int(&s.stage->ready, 2);
  kill(child, SIGKILL);
  session_end(&s);
}

void forks_sleeper(test_stage *stage);
void
forks_sleeper(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  if (fork() == 0) {
    if (life_add(1) == 2)
      stage->ready = 2;
    pause();
  }
  pause();
}

/* The child of a vfork runs through a trap in the memory that it shares, then execs. */
static void
vfork_body(test_stage *stage)
{
  char *arguments[] = {(char *)(uintptr_t) "true", NULL};
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  for (volatile int i = 0; i < 10; i++) {
    int status = -1, child = vfork();
    if (child == 0) {
      if (life_add(1) != 2 || life_sse(3) != 3)
        _exit(9);
      execv("/bin/true", arguments);
      _exit(8);
    }
    waitpid(child, &status, 0);
    stage->result |= status;
    status = -1;
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0)
      stage->result |= 1;
    waitpid(child, &status, 0);
    stage->result |= status;
    stage->count[0]++;
  }
  stage->ready = 2;
  pause();
}

static void
row_23_vfork_and_posix_spawn_children_step_over_traps_silently(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, vfork_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
  plant(&s, CORDBG_LAYER_MANAGED, at(life_sse));
  plant(&s, CORDBG_LAYER_MANAGED, at(execv)); /* in the C library too */
  s.stage->go = 1;
  for (int i = 0; i < 20; i++)
    assert_int_equal(next_event(&s).kind, CORDBG_EVENT_FORK);
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  assert_int_equal(statistics_of(&s).hits, 0);
  assert_int_equal(raw_byte(&s, at(life_add)), CORDBG_TRAP);
  assert_int_equal(raw_byte(&s, at(life_sse)), CORDBG_TRAP);
  session_end(&s);
}

/* The vfork child is alive while the target is stopped: it is not held, and a stop ends. */
static int vfork_go[2], vfork_done[2];

static void
slow_vfork_body(test_stage *stage)
{
  char byte;
  stage->ready = 1;
  int child = vfork();
  if (child == 0) {
    stage->ready = 2;
    if (read(vfork_go[0], &byte, 1) != 1 || life_sse(7) != 7)
      _exit(1);
    if (write(vfork_done[1], "d", 1) != 1 || read(vfork_go[0], &byte, 1) != 1)
      _exit(1);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  stage->result = status;
  stage->ready = 3;
  pause();
}

static void
row_23_a_stop_does_not_hang_on_a_vfork_parent_nor_holds_its_child(void **state)
{
  (void)state;
  test_session s;
  char byte;
  assert_int_equal(pipe(vfork_go), 0);
  assert_int_equal(pipe(vfork_done), 0);
  session_fork(&s, slow_vfork_body);
  /* Attached while the parent waits already: its child is not ours, and stays so. */
  await_int(&s.stage->ready, 2);
  session_attach(&s);
  halt(&s);
  go_on(&s);
  assert_int_equal(write(vfork_go[1], "gg", 2), 2);
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);

  /* Attached before: the child shares the traps and steps over them in a stopped process too. */
  assert_int_equal(read(vfork_done[0], &byte, 1), 1);
  extern void late_vfork_body(test_stage *);
  session_begin(&s, late_vfork_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_sse));
  s.stage->go = 1;
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_FORK);
  await_int(&s.stage->ready, 2);
  halt(&s);
  assert_int_equal(write(vfork_go[1], "g", 1), 1);
  assert_int_equal(read(vfork_done[0], &byte, 1), 1); /* over the trap, while stopped */
  assert_int_equal(write(vfork_go[1], "g", 1), 1);
  go_on(&s);
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

void late_vfork_body(test_stage *stage);
void
late_vfork_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  slow_vfork_body(stage);
}

static char clone_stack[65536] __attribute__((aligned(16)));

static int
clone_child(void *data)
{
  test_stage *stage = data;
  for (int i = 0; i < 100; i++) {
    if (life_add(i) != i + 1 || life_sse(i) != i)
      return 1;
    stage->count[1]++;
  }
  return 0;
}

static void
clone_vm_body(test_stage *stage)
{
  int status = -1;
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  int child = clone(clone_child, clone_stack + sizeof clone_stack, CLONE_VM | SIGCHLD, stage);
  for (int i = 0; i < 100; i++) { /* hits of the parent, at the same time */
    life_add(i);
    stage->count[0]++;
  }
  waitpid(child, &status, 0);
  stage->result = status;
  stage->ready = 2;
  pause();
}

static void
row_23_a_clone_vm_child_beside_its_running_parent(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, clone_vm_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
  plant(&s, CORDBG_LAYER_MANAGED, at(life_sse));
  s.stage->go = 1;
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_FORK);
  for (int i = 0; i < 100; i++) {
    next_hit(&s, at(life_add));
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  assert_int_equal(s.stage->count[1], 100);
  assert_true(no_event(&s, 10));
  session_end(&s);
}

static int
orphan_child(void *data)
{
  test_stage *stage = data;
  stage->pid = getpid();
  prctl(PR_SET_PDEATHSIG, 0);
  stage->ready = 2;
  while (stage->go != 2)
    sched_yield();
  for (int i = 0; i < 100; i++)
    stage->result += life_add(i) != i + 1 || life_sse(i) != i;
  stage->ready = 3;
  for (;;)
    pause();
  return 0;
}

static void
orphaning_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  clone(orphan_child, clone_stack + sizeof clone_stack, CLONE_VM | SIGCHLD, stage);
  pause();
}

static void
row_23_a_child_that_shares_the_memory_outlives_the_target(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, orphaning_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
  plant(&s, CORDBG_LAYER_MANAGED, at(life_sse));
  s.stage->go = 1;
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_FORK);
  await_int(&s.stage->ready, 2);
  kill(s.pid, SIGKILL);
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_EXITED);
  int orphan = s.stage->pid;
  cordbg_tracer_destroy(s.tracer); /* the tracer ends too */
  s.tracer = NULL;
  assert_true(is_free(orphan));
  s.stage->go = 2;
  await_int(&s.stage->ready, 3);
  assert_int_equal(s.stage->result, 0);
  kill(orphan, SIGKILL);
  session_end(&s);
}

/* ---- Exec and exit ---- */

static void *
exec_thread(void *data)
{
  char *arguments[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "100", NULL};
  (void)data;
  execv("/bin/sleep", arguments);
  return NULL;
}

static void *
wait_thread(void *data)
{
  (void)data;
  for (;;)
    pause();
  return NULL;
}

static void
exec_body(test_stage *stage)
{
  pthread_t thread;
  for (int i = 0; i < 3; i++)
    pthread_create(&thread, NULL, wait_thread, NULL);
  stage->ready = 1;
  while (!stage->go)
    life_add(1);
  if (stage->go == 2) {
    pthread_create(&thread, NULL, exec_thread, NULL);
    pthread_join(thread, NULL);
  }
  exec_thread(NULL);
}

static void
exec_drops_all(int how)
{
  test_session s;
  session_begin(&s, exec_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(life_sse));
  uint64_t space = cordbg_tracer_patch_table(s.tracer)->header->space;
  s.stage->go = how;
  cordbg_event event = next_event(&s);
  assert_int_equal(event.kind, CORDBG_EVENT_EXEC);
  assert_true((event.flags & CORDBG_EVENT_STOPS) != 0);
  assert_int_equal(event.tid, s.pid);
  cordbg_patch_entry entry;
  const cordbg_patch_table *table = cordbg_tracer_patch_table(s.tracer);
  assert_false(cordbg_patch_table_find(table, at(life_sse), &entry));
  assert_int_equal(table->header->space, space + 1);
  /* The descriptor shows the new image; a trap can be planted at its first instruction. */
  uint64_t first = event.registers.rip;
  uint8_t byte;
  assert_int_equal(pread(cordbg_tracer_mem_fd(s.tracer), &byte, 1, (off_t)first), 1);
  assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, first), byte);
  go_on(&s);
  next_hit(&s, first);
  session_detach(&s);
  assert_true(is_free(s.pid));
  char now = state_of(s.pid); /* it runs, or waits for something, a page of its image even */
  assert_true(now == 'S' || now == 'R' || now == 'D');
  session_end(&s);
}

static void
row_24_an_exec_drops_the_patches_and_reopens_the_descriptors(void **state)
{
  (void)state;
  exec_drops_all(1);
}

static void
row_24_an_exec_by_another_thread_than_the_leader(void **state)
{
  (void)state;
  exec_drops_all(2);
}

static void
exit_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    life_add(1);
  _exit(37);
}

static void
row_26_an_exit_is_the_last_event_and_tells_the_status(void **state)
{
  (void)state;
  test_session s;
  int status;
  session_begin(&s, exit_body, 1);
  s.stage->go = 1;
  cordbg_event event = next_event(&s);
  assert_int_equal(event.kind, CORDBG_EVENT_EXITED);
  assert_int_equal(event.code, 37 << 8);
  assert_int_equal(cordbg_patch_table_gone(cordbg_tracer_patch_table(s.tracer)),
                   CORDBG_GONE_EXITED);
  assert_int_equal(waitpid(s.pid, &status, 0), s.pid); /* the real parent still gets it */
  assert_int_equal(status, 37 << 8);
  s.pid = 0;
  assert_int_equal(cordbg_tracer_stop(s.tracer, NULL, &s.error), CORDBG_E_PROCESS_TERMINATED);
  session_end(&s);
}

static void
row_26_killed_while_running_stopped_and_at_a_trap(void **state)
{
  (void)state;
  for (int how = 0; how < 4; how++) {
    test_session s;
    int status;
    session_begin(&s, count_forever, 1);
    if (how >= 1)
      plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
    if (how == 1)
      next_hit(&s, at(life_add));
    if (how == 2)
      halt(&s);
    if (how == 3)
      must(&s, cordbg_tracer_terminate(s.tracer, &s.error));
    else
      kill(s.pid, SIGKILL);
    cordbg_event event = next_event(&s);
    if (event.kind == CORDBG_EVENT_TRAP) /* the hit came first */
      event = next_event(&s);
    assert_int_equal(event.kind, CORDBG_EVENT_EXITED);
    assert_int_equal(event.code, SIGKILL);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    s.pid = 0;
    session_end(&s);
  }
}

static void *
outliving_thread(void *data)
{
  test_stage *stage = data;
  stage->ready = 1;
  while (!stage->stop) {
    stage->count[1] = life_add(stage->count[0]);
    stage->count[0]++;
  }
  _exit(5);
}

static void
leader_exits_body(test_stage *stage)
{
  pthread_t thread;
  pthread_create(&thread, NULL, outliving_thread, stage);
  while (!stage->go)
    sched_yield();
  pthread_exit(NULL);
}

static void
row_26_the_leader_exits_before_the_others(void **state)
{
  (void)state;
  for (int attached_late = 0; attached_late < 2; attached_late++) {
    test_session s;
    session_fork(&s, leader_exits_body);
    await_int(&s.stage->ready, 1);
    if (!attached_late)
      session_attach(&s);
    s.stage->go = 1;
    while (state_of(s.pid) != 'Z')
      sched_yield();
    if (attached_late)
      session_attach(&s);
    plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
    for (int i = 0; i < 10; i++) {
      next_hit(&s, at(life_add));
      go_on(&s);
    }
    next_hit(&s, at(life_add));
    take_away(&s, CORDBG_LAYER_MANAGED, at(life_add));
    s.stage->stop = 1;
    go_on(&s);
    cordbg_event event = next_event(&s);
    assert_int_equal(event.kind, CORDBG_EVENT_EXITED);
    session_end(&s);
  }
}

static void *
short_thread(void *data)
{
  test_stage *stage = data;
  stage->count[0]++;
  return NULL;
}

static void
threads_body(test_stage *stage)
{
  pthread_t thread;
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  for (int i = 0; i < 50; i++) {
    pthread_create(&thread, NULL, short_thread, stage);
    pthread_join(thread, NULL);
  }
  stage->ready = 2;
  pause();
}

static void
threads_that_start_and_end_are_told_when_asked_for(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, threads_body, 1);
  must(&s, cordbg_tracer_want_events(s.tracer, CORDBG_WANT_THREADS, &s.error));
  s.stage->go = 1;
  int created = 0, exited = 0;
  while (exited < 50) {
    cordbg_event event = next_event(&s);
    created += event.kind == CORDBG_EVENT_THREAD_CREATED;
    exited += event.kind == CORDBG_EVENT_THREAD_EXITED;
    assert_true(created >= exited);
  }
  assert_int_equal(created, 50);
  session_end(&s);
}

/* ---- Launching ---- */

static void
a_launched_program_stops_at_its_first_instruction_and_leaves_its_status(void **state)
{
  (void)state;
  test_session s = {0};
  char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                       (char *)(uintptr_t) "exit $X", NULL};
  char *environment[] = {(char *)(uintptr_t) "X=23", NULL};
  cordbg_launch launch = {
      .path = "sh", .argv = arguments, .envp = environment, .stdio = {-1, -1, -1}};
  cordbg_registers registers;
  int status;
  must(&s, cordbg_tracer_start(&s.tracer, &s.error));
  must(&s, cordbg_tracer_launch(s.tracer, &launch, &s.pid, &s.error));
  assert_int_equal(waitpid(s.pid, &status, WNOHANG), 0); /* our own child, running */
  must(&s, cordbg_tracer_get_registers(s.tracer, s.pid, &registers, &s.error));
  assert_int_not_equal(plant(&s, CORDBG_LAYER_MANAGED, registers.general.rip), 0);
  go_on(&s);
  next_hit(&s, registers.general.rip);
  go_on(&s);
  assert_int_equal(next_event(&s).kind, CORDBG_EVENT_EXITED);
  assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
  assert_int_equal(status, 23 << 8);
  s.pid = 0;
  session_end(&s);
}

static void
a_launch_that_cannot_exec_tells_the_errno(void **state)
{
  (void)state;
  test_session s = {0};
  char *arguments[] = {(char *)(uintptr_t) "x", NULL};
  cordbg_launch launch = {.path = "/no/such/program", .argv = arguments, .stdio = {-1, -1, -1}};
  must(&s, cordbg_tracer_start(&s.tracer, &s.error));
  assert_true(FAILED(cordbg_tracer_launch(s.tracer, &launch, &s.pid, &s.error)));
  assert_int_equal(s.error.sys, ENOENT);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left behind */
  assert_int_equal(errno, ECHILD);
  cordbg_tracer_destroy(s.tracer);
}

static void
no_helper_is_a_child_of_the_client(void **state)
{
  (void)state;
  test_session s = {0};
  must(&s, cordbg_tracer_start(&s.tracer, &s.error));
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
  cordbg_tracer_destroy(s.tracer);
}

/* ---- Attaching: errors ---- */

static void
attach_errors_say_what_to_do(void **state)
{
  (void)state;
  test_session s = {0};
  int status_pid;
  must(&s, cordbg_tracer_start(&s.tracer, &s.error));
  assert_int_equal(cordbg_tracer_attach(s.tracer, 0x3ffffff, &s.error),
                   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  assert_non_null(strstr(s.error.sentence, "no process"));
  assert_true(FAILED(cordbg_tracer_attach(s.tracer, getpid(), &s.error)));
  assert_int_equal(cordbg_tracer_attach(s.tracer, 2, &s.error), /* kthreadd, or nothing */
                   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  status_pid = fork();
  if (status_pid == 0)
    _exit(0);
  while (state_of(status_pid) != 'Z')
    sched_yield();
  assert_int_equal(cordbg_tracer_attach(s.tracer, status_pid, &s.error),
                   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  assert_non_null(strstr(s.error.sentence, "zombie"));
  waitpid(status_pid, NULL, 0);
  cordbg_tracer_destroy(s.tracer);
}

/* ---- Detaching ---- */

static void
row_27_detach_restores_bytes_and_program_counters(void **state)
{
  (void)state;
  for (int round = 0; round < 60; round++) {
    test_session s;
    session_begin(&s, count_forever, 1);
    uint8_t original = plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
    if (round % 3 == 0) { /* at the trap */
      next_hit(&s, at(life_add));
    } else if (round % 3 == 1) { /* on the way into it */
      next_hit(&s, at(life_add));
      go_on(&s);
    } else {
      halt(&s);
    }
    session_detach(&s);
    assert_int_equal(raw_byte(&s, at(life_add)), original);
    assert_true(is_free(s.pid));
    long before = s.stage->count[0];
    await_long(&s.stage->count[0], before + 100);
    s.stage->stop = 1;
    await_int(&s.stage->ready, 2);
    assert_int_equal(s.stage->count[1], s.stage->count[0]);
    session_end(&s);
  }
}

static void *
busy_thread(void *data)
{
  test_stage *stage = data;
  stage->ready++;
  while (!stage->stop) {
    long value = stage->count[2];
    if (life_add(value) != value + 1)
      stage->result++;
    stage->count[0]++;
  }
  return NULL;
}

static void
busy_body(test_stage *stage)
{
  pthread_t threads[8];
  for (int i = 0; i < 8; i++)
    pthread_create(&threads[i], NULL, i < 4 ? busy_thread : wait_thread, stage);
  pause();
}

static void
a_busy_program_is_attached_to_a_hundred_times(void **state)
{
  (void)state;
  test_session s;
  session_fork(&s, busy_body);
  await_int(&s.stage->ready, 4);
  for (int round = 0; round < 100; round++) {
    session_attach(&s);
    plant(&s, CORDBG_LAYER_MANAGED, at(life_add));
    for (int i = 0; i < 5; i++) {
      next_hit(&s, at(life_add));
      go_on(&s);
    }
    session_detach(&s);
    assert_int_not_equal(raw_byte(&s, at(life_add)), CORDBG_TRAP);
    assert_true(is_alive(s.pid));
  }
  assert_true(is_free(s.pid));
  long before = s.stage->count[0];
  await_long(&s.stage->count[0], before + 1000);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_helper_is_a_child_of_the_client),
      cmocka_unit_test(attach_errors_say_what_to_do),
      cmocka_unit_test(row_23_a_fork_child_runs_through_the_traps_unharmed),
      cmocka_unit_test(row_23_a_fork_child_is_free_at_once),
      cmocka_unit_test(row_23_vfork_and_posix_spawn_children_step_over_traps_silently),
      cmocka_unit_test(row_23_a_stop_does_not_hang_on_a_vfork_parent_nor_holds_its_child),
      cmocka_unit_test(row_23_a_clone_vm_child_beside_its_running_parent),
      cmocka_unit_test(row_23_a_child_that_shares_the_memory_outlives_the_target),
      cmocka_unit_test(row_24_an_exec_drops_the_patches_and_reopens_the_descriptors),
      cmocka_unit_test(row_24_an_exec_by_another_thread_than_the_leader),
      cmocka_unit_test(row_26_an_exit_is_the_last_event_and_tells_the_status),
      cmocka_unit_test(row_26_killed_while_running_stopped_and_at_a_trap),
      cmocka_unit_test(row_26_the_leader_exits_before_the_others),
      cmocka_unit_test(threads_that_start_and_end_are_told_when_asked_for),
      cmocka_unit_test(a_launched_program_stops_at_its_first_instruction_and_leaves_its_status),
      cmocka_unit_test(a_launch_that_cannot_exec_tells_the_errno),
      cmocka_unit_test(row_27_detach_restores_bytes_and_program_counters),
      cmocka_unit_test(a_busy_program_is_attached_to_a_hundred_times),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
