/* SPDX-License-Identifier: MIT */
/*
 * Rows 37 and 41: what may forbid tracing or reading, and clear errors: another tracer, another
 * user, an undumpable target, a seccomp filter that refuses process_vm_readv, a 32-bit image. Each
 * client runs in a child of the test, whose exit code is the line of the check that failed.
 */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

__asm__(".text\n"
        ".globl refused_add, refused_sse\n"
        "refused_add: movq refused_datum(%rip), %rax\n addq %rdi, %rax\n ret\n"
        "refused_sse: cvtsi2sdq %rdi, %xmm0\n cvttsd2siq %xmm0, %rax\n ret\n"
        ".data\n refused_datum: .quad 1\n.text\n");
extern long refused_add(long), refused_sse(long);

#define check(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
      _exit(1);                                                                                    \
    }                                                                                              \
  } while (0)

static void
work_body(test_stage *stage)
{
  stage->ready = 1;
  for (;;) {
    stage->result |= refused_add(3) != 4 || refused_sse(5) != 5;
    stage->count[0]++;
  }
}

/* The whole of a small session, with checks that end the process. */
static void
use_tracer(int pid)
{
  cordbg_tracer *tracer;
  cordbg_error error = {0};
  cordbg_event event;
  const uint64_t sites[2] = {at(refused_add), at(refused_sse)};
  cordbg_plant_result results[2];
  if (FAILED(cordbg_tracer_start(&tracer, &error)) ||
      FAILED(cordbg_tracer_attach(tracer, pid, &error)))
    fprintf(stderr, "%s\n", error.sentence);
  check(error.hr == S_OK);
  check(cordbg_tracer_plant(tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &error) == S_OK);
  check(results[0].status == 0 && results[1].status == 0);
  for (int i = 0; i < 50; i++) {
    check(cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, 10000, &event, &error) == S_OK);
    check(event.address == sites[0] || event.address == sites[1]);
    check(cordbg_tracer_continue(tracer, &error) == S_OK);
  }
  check(cordbg_tracer_remove(tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &error) == S_OK);
  check(results[0].status == 0 && results[1].status == 0);
  check(cordbg_tracer_detach(tracer, &error) == S_OK);
  cordbg_tracer_destroy(tracer);
}

static void
expect_success(int child)
{
  int status;
  assert_true(child > 0);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    continue;
  assert_int_equal(status, 0);
}

static void
become_nobody(void)
{
  check(setgroups(0, NULL) == 0);
  check(setresgid(NOBODY, NOBODY, NOBODY) == 0);
  check(setresuid(NOBODY, NOBODY, NOBODY) == 0);
  check(prctl(PR_SET_DUMPABLE, 1) == 0); /* it ran as root a moment ago */
}

/* Root, and the tracer program can be reached by an ordinary user. */
static bool
can_be_nobody(void)
{
  if (getuid() != 0) {
    printf("SKIP: not root: no other user to be\n");
    return false;
  }
  const char *folder = getenv("CORDBG_LIBEXEC");
  char path[4096];
  snprintf(path, sizeof path, "%s/cordbg-tracer", folder != NULL ? folder : ".");
  int status = -1, child = fork();
  if (child == 0) {
    become_nobody();
    _exit(access(path, X_OK) == 0 ? 0 : 1);
  }
  waitpid(child, &status, 0);
  if (status != 0)
    printf("SKIP: an ordinary user cannot reach %s\n", path);
  return status == 0;
}

static void
expect_refusal(int pid, const char *word)
{
  int child = fork();
  if (child == 0) {
    cordbg_tracer *tracer;
    cordbg_error error = {0};
    become_nobody();
    check(cordbg_tracer_start(&tracer, &error) == S_OK);
    check(cordbg_tracer_attach(tracer, pid, &error) == E_ACCESSDENIED);
    if (strstr(error.sentence, word) == NULL)
      fprintf(stderr, "%s\n", error.sentence);
    check(strstr(error.sentence, word) != NULL);
    /* The tracer is of use still. */
    check(FAILED(cordbg_tracer_stop(tracer, NULL, &error)));
    cordbg_tracer_destroy(tracer);
    _exit(0);
  }
  expect_success(child);
}

static void
row_41_another_users_process_is_refused_with_its_reason(void **state)
{
  (void)state;
  test_session s;
  if (!can_be_nobody())
    skip();
  session_fork(&s, work_body);
  await_int(&s.stage->ready, 1);
  expect_refusal(s.pid, "user 0");
  session_end(&s);
}

static void
undumpable_body(test_stage *stage)
{
  become_nobody();
  prctl(PR_SET_DUMPABLE, 0);
  work_body(stage);
}

static void
row_41_an_undumpable_process_is_refused_with_its_reason(void **state)
{
  (void)state;
  test_session s;
  if (!can_be_nobody())
    skip();
  session_fork(&s, undumpable_body);
  await_int(&s.stage->ready, 1);
  expect_refusal(s.pid, "undumpable");
  session_end(&s);
}

static void
nobody_body(test_stage *stage)
{
  become_nobody();
  work_body(stage);
}

static void
row_41_an_ordinary_user_traces_a_process_of_its_own(void **state)
{
  (void)state;
  test_session s;
  if (!can_be_nobody())
    skip();
  session_fork(&s, nobody_body);
  await_int(&s.stage->ready, 1);
  int child = fork();
  if (child == 0) {
    become_nobody();
    use_tracer(s.pid);
    _exit(0);
  }
  expect_success(child);
  assert_true(is_free(s.pid));
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
refuse_vm_calls(void)
{
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void
row_41_a_filter_that_refuses_process_vm_readv_is_no_obstacle(void **state)
{
  (void)state;
  test_session s;
  session_fork(&s, work_body);
  await_int(&s.stage->ready, 1);
  int child = fork();
  if (child == 0) {
    char byte;
    struct iovec part = {&byte, 1};
    refuse_vm_calls(); /* the tracer inherits it */
    check(process_vm_readv(s.pid, &part, 1, &part, 1, 0) < 0 && errno == EPERM);
    use_tracer(s.pid);
    _exit(0);
  }
  expect_success(child);
  assert_true(is_free(s.pid));
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* exit(pause()) for i386, as a whole file: the C library for it need not be installed. */
static void
write_32_bit_program(const char *path)
{
  static const uint8_t code[] = {0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7};
  struct {
    Elf32_Ehdr header;
    Elf32_Phdr segment;
    uint8_t code[sizeof code];
  } file = {
      .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = EM_386,
                 .e_version = EV_CURRENT,
                 .e_entry = 0x8048000 + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
                 .e_phoff = sizeof(Elf32_Ehdr),
                 .e_ehsize = sizeof(Elf32_Ehdr),
                 .e_phentsize = sizeof(Elf32_Phdr),
                 .e_phnum = 1},
      .segment = {.p_type = PT_LOAD,
                  .p_vaddr = 0x8048000,
                  .p_filesz = sizeof file,
                  .p_memsz = sizeof file,
                  .p_flags = PF_R | PF_X,
                  .p_align = 4096},
  };
  memcpy(file.code, code, sizeof code);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, &file, sizeof file), sizeof file);
  close(fd);
}

static void
row_40_a_32_bit_target_is_refused_clearly(void **state)
{
  (void)state;
  static char path[] = "./tracer-32-bit";
  cordbg_tracer *tracer;
  cordbg_error error = {0};
  int report[2], why = 0;
  write_32_bit_program(path);
  assert_int_equal(pipe2(report, O_CLOEXEC), 0);
  int child = fork();
  if (child == 0) {
    char *arguments[] = {path, NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    execv(path, arguments);
    why = errno;
    if (write(report[1], &why, sizeof why) < 0)
      _exit(2);
    _exit(1);
  }
  close(report[1]);
  bool ran = read(report[0], &why, sizeof why) == 0;
  close(report[0]);
  if (!ran) {
    waitpid(child, NULL, 0);
    unlink(path);
    printf("SKIP: this kernel runs no 32-bit programs\n");
    skip();
  }
  assert_int_equal(cordbg_tracer_start(&tracer, &error), S_OK);
  assert_int_equal(cordbg_tracer_attach(tracer, child, &error),
                   HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED));
  assert_non_null(strstr(error.sentence, "32-bit"));
  assert_true(is_free(child));
  cordbg_tracer_destroy(tracer);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  unlink(path);
}

/* ---- A thread that another tracer has ---- */

static void *
second_thread(void *data)
{
  test_stage *stage = data;
  stage->tid = (int)syscall(SYS_gettid);
  stage->ready++;
  while (stage->stop == 0)
    stage->count[1]++;
  return NULL;
}

static void
two_threads_body(test_stage *stage)
{
  pthread_t thread;
  if (pthread_create(&thread, NULL, second_thread, stage) != 0)
    _exit(1);
  stage->ready++;
  while (stage->stop == 0)
    stage->count[0]++;
  pthread_join(thread, NULL);
}

static bool
leader_is_traced(void *data)
{
  return tracer_of(*(int *)data) != 0;
}

/* A process that has the thread until the leader is traced too, or (wait == false) for good. */
static int
fork_holder(int pid, int tid, bool wait)
{
  int report[2];
  char byte;
  assert_int_equal(pipe(report), 0);
  fflush(NULL);
  int holder = fork();
  if (holder == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    check(ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0);
    check(write(report[1], "h", 1) == 1);
    if (wait)
      check(await_until(leader_is_traced, &pid, 60000));
    else
      pause();
    _exit(0);
  }
  close(report[1]);
  assert_int_equal(read(report[0], &byte, 1), 1);
  close(report[0]);
  return holder;
}

static void
row_37_a_thread_that_is_traced_already_refuses_the_whole_process(void **state)
{
  test_session session = {0};
  char text[32];
  (void)state;
  session_fork(&session, two_threads_body);
  await_int(&session.stage->ready, 2);
  int holder = fork_holder(session.pid, session.stage->tid, false);
  assert_int_equal(cordbg_tracer_start(&session.tracer, &session.error), S_OK);
  assert_int_equal(cordbg_tracer_attach(session.tracer, session.pid, &session.error),
                   CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  snprintf(text, sizeof text, "process %d", holder);
  assert_non_null(strstr(session.error.sentence, text));
  assert_true(is_free(session.pid));
  assert_int_equal(tracer_of(session.stage->tid), holder);
  kill(holder, SIGKILL);
  waitpid(holder, NULL, 0);
  session_end(&session);
}

/* As when the tracer of a session that was killed has let go of some threads and not of others. */
static void
row_37_a_thread_that_its_tracer_lets_go_is_waited_for(void **state)
{
  test_session session = {0};
  int status = -1;
  (void)state;
  session_fork(&session, two_threads_body);
  await_int(&session.stage->ready, 2);
  int holder = fork_holder(session.pid, session.stage->tid, true);
  session_attach(&session);
  assert_int_equal(tracer_of(session.stage->tid), cordbg_tracer_tracer_pid(session.tracer));
  assert_int_equal(waitpid(holder, &status, 0), holder);
  assert_int_equal(status, 0);
  halt(&session);
  long before = session.stage->count[1];
  for (int i = 0; i < 1000; i++)
    sched_yield();
  assert_int_equal(session.stage->count[1], before);
  session_detach(&session);
  session_end(&session);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_37_a_thread_that_is_traced_already_refuses_the_whole_process),
      cmocka_unit_test(row_37_a_thread_that_its_tracer_lets_go_is_waited_for),
      cmocka_unit_test(row_41_another_users_process_is_refused_with_its_reason),
      cmocka_unit_test(row_41_an_undumpable_process_is_refused_with_its_reason),
      cmocka_unit_test(row_41_an_ordinary_user_traces_a_process_of_its_own),
      cmocka_unit_test(row_41_a_filter_that_refuses_process_vm_readv_is_no_obstacle),
      cmocka_unit_test(row_40_a_32_bit_target_is_refused_clearly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
