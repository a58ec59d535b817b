/* SPDX-License-Identifier: MIT */
/* Going on from a trap, instruction by instruction: row 34 of the breakpoint checklist. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sites whose first instruction is known. */
__asm__(".text\n"
        ".globl site_sse, site_syscall, site_pushf, site_popf, site_popf_entry, site_rep\n"
        ".globl site_call, site_call_entry, site_jcc, site_jcc_entry, site_rip, site_endbr\n"
        ".globl site_avx, site_fault, site_lock\n"
        "site_sse: cvtsi2sdq %rdi, %xmm0\n cvttsd2siq %xmm0, %rax\n ret\n"
        "site_syscall: syscall\n mov %r11, %rax\n ret\n"
        "site_pushf: pushfq\n pop %rax\n ret\n"
        "site_popf_entry: push %rdi\n"
        "site_popf: popfq\n pushfq\n pop %rax\n ret\n"
        "site_rep: rep movsb\n mov %rdi, %rax\n ret\n"
        "site_callee: mov $7, %eax\n ret\n"
        "site_call_entry: sub $8, %rsp\n"
        "site_call: call site_callee\n add $8, %rsp\n ret\n"
        "site_jcc_entry: test %rdi, %rdi\n"
        "site_jcc: jz 1f\n mov $1, %eax\n ret\n1: mov $2, %eax\n ret\n"
        "site_rip: movq site_datum(%rip), %rax\n ret\n"
        "site_endbr: endbr64\n mov $9, %eax\n ret\n"
        "site_avx: vaddpd %ymm1, %ymm2, %ymm3\n ret\n"
        "site_fault: movaps (%rdi), %xmm0\n mov $5, %eax\n ret\n"
        "site_lock: lock incq (%rdi)\n ret\n"
        ".data\n site_datum: .quad 0x1122334455667788\n.text\n");
extern long site_sse(long), site_pushf(void), site_popf_entry(long), site_call_entry(void);
extern long site_rep(char *to, const char *from, long unused, size_t count);
extern long site_jcc_entry(long), site_rip(void), site_endbr(void), site_fault(const void *);
extern void site_avx(void), site_lock(_Atomic long *);
extern const char site_popf[], site_call[], site_jcc[], site_syscall[];

static double avx_before[3][4], avx_after[4];
static char rep_from[4096], rep_to[4096];

static void
steps_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    continue;
  long bad = 0;
  for (int round = 0; round < 20; round++) {
    bad |= (site_sse(41) != 41) << 0;
    register long call __asm__("rax") = SYS_getpid;
    register long flags __asm__("rdx");
    __asm__ volatile("call site_syscall\n" : "+r"(call), "=r"(flags) : : "rcx", "r11", "memory");
    bad |= ((call & 0x100) != 0) << 1; /* r11 without the trap flag */
    bad |= ((site_pushf() & 0x100) != 0) << 2;
    bad |= ((site_popf_entry(0x246) & 0x100) != 0) << 3;
    memset(rep_to, 0, sizeof rep_to);
    for (unsigned i = 0; i < sizeof rep_from; i++)
      rep_from[i] = (char)i;
    site_rep(rep_to, rep_from, 0, 3000);
    bad |= (memcmp(rep_to, rep_from, 3000) != 0 || rep_to[3000] != 0) << 4;
    bad |= (site_call_entry() != 7) << 5;
    bad |= (site_jcc_entry(round & 1) != (round & 1 ? 1 : 2)) << 6;
    bad |= (site_rip() != 0x1122334455667788) << 7;
    bad |= (site_endbr() != 9) << 8;
    _Atomic long locked = 5;
    site_lock(&locked);
    bad |= (locked != 6) << 9;
    stage->count[0]++;
  }
  stage->result = bad;
  stage->ready = 2;
  pause();
}

static void
row_34_each_kind_of_instruction_is_gone_over_exactly(void **state)
{
  (void)state;
  test_session s;
  const uint64_t sites[] = {at(site_sse),   at(site_syscall), at(site_pushf), at(site_popf),
                            at(site_rep),   at(site_call),    at(site_jcc),   at(site_rip),
                            at(site_endbr), at(site_lock)};
  enum { SITES = sizeof sites / sizeof sites[0] };
  cordbg_plant_result results[SITES];
  session_begin(&s, steps_body, 1);
  must(&s, cordbg_tracer_plant(s.tracer, CORDBG_LAYER_MANAGED, sites, SITES, results, &s.error));
  s.stage->go = 1;
  for (int i = 0; i < 20 * SITES; i++) {
    next_hit(&s, sites[i % SITES]);
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_true(no_event(&s, 20));
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
avx_body(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    continue;
  for (int i = 0; i < 4; i++) {
    avx_before[1][i] = i + 1.5;
    avx_before[2][i] = 100.0 * i;
  }
  __asm__ volatile("vmovupd %1, %%ymm1\n vmovupd %2, %%ymm2\n call site_avx\n vmovupd %%ymm3, %0"
                   : "=m"(avx_after)
                   : "m"(avx_before[1]), "m"(avx_before[2])
                   : "xmm1", "xmm2", "xmm3", "memory");
  for (int i = 0; i < 4; i++)
    stage->result |= (avx_after[i] != avx_before[1][i] + avx_before[2][i]) << i;
  stage->ready = 2;
  pause();
}

static void
row_34_the_avx_state_is_intact(void **state)
{
  (void)state;
  if (!__builtin_cpu_supports("avx")) {
    printf("SKIP: this CPU has no AVX\n");
    skip();
  }
  test_session s;
  cordbg_registers registers;
  session_begin(&s, avx_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_avx));
  s.stage->go = 1;
  cordbg_event event = next_hit(&s, at(site_avx));
  /* Getting and setting all registers in between must not disturb the upper halves. */
  must(&s, cordbg_tracer_get_registers(s.tracer, event.tid, &registers, &s.error));
  must(&s, cordbg_tracer_set_registers(s.tracer, event.tid, &registers, &s.error));
  go_on(&s);
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
on_segv(int number, siginfo_t *info, void *context)
{
  ucontext_t *where = context;
  (void)number;
  handler_stage->address[0] = (uint64_t)where->uc_mcontext.gregs[REG_RIP];
  handler_stage->address[1] = (uint64_t)(uintptr_t)info->si_addr;
  handler_stage->count[3] += info->si_code == SEGV_MAPERR;
  handler_stage->count[0]++;
  where->uc_mcontext.gregs[REG_RIP] += 3; /* behind the movaps */
}

static void
fault_body(test_stage *stage)
{
  handle_by(stage, SIGSEGV, on_segv);
  stage->ready = 1;
  while (!stage->go)
    continue;
  for (int i = 0; i < 10; i++)
    stage->result += site_fault((void *)0x1000);
  stage->ready = 2;
  pause();
}

static void
row_34_a_fault_in_the_stepped_instruction_reaches_the_target(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, fault_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_fault));
  s.stage->go = 1;
  for (int i = 0; i < 10; i++) {
    next_hit(&s, at(site_fault));
    assert_int_equal(s.stage->count[0], i);
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 50);
  assert_int_equal(s.stage->count[0], 10);
  assert_int_equal(s.stage->count[3], 10);
  assert_int_equal(s.stage->address[0], at(site_fault));
  assert_int_equal(s.stage->address[1], 0x1000);
  session_end(&s);
}

static void
sse_signalled_body(test_stage *stage)
{
  handle_by(stage, SIGUSR1, count_signal);
  stage->ready = 1;
  while (!stage->stop) {
    stage->result |= site_sse(stage->count[0] + 1) != stage->count[0] + 1;
    stage->count[0]++;
  }
  stage->ready = 2;
  pause();
}

static void
row_34_a_signal_in_mid_step_comes_after_the_step(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, sse_signalled_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(site_sse));
  int sent = 0;
  long first = 0;
  for (int i = 0; i < 1000; i++) {
    next_hit(&s, at(site_sse));
    if (i == 0)
      first = s.stage->count[0];
    assert_int_equal(s.stage->count[0] - first, i);
    kill(s.pid, SIGUSR1); /* pending when the step begins */
    sent++;
    go_on(&s);
  }
  next_hit(&s, at(site_sse));
  assert_int_equal(s.stage->count[0] - first, 1000);
  assert_int_equal(s.stage->count[2], sent);
  take_away(&s, CORDBG_LAYER_MANAGED, at(site_sse));
  s.stage->stop = 1;
  go_on(&s);
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_34_each_kind_of_instruction_is_gone_over_exactly),
      cmocka_unit_test(row_34_the_avx_state_is_intact),
      cmocka_unit_test(row_34_a_fault_in_the_stepped_instruction_reaches_the_target),
      cmocka_unit_test(row_34_a_signal_in_mid_step_comes_after_the_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
