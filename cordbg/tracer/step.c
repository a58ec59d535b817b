/* SPDX-License-Identifier: MIT */
/*
 * Going on from a trap: the displaced instruction is executed by the tracer (emulate.h) or, in
 * place, by the thread itself while no other thread of the target runs.
 *
 * In place: the original byte is lifted into memory, one step is made, the trap is planted again.
 * Ordinary signals are blocked for that one instruction and stay queued in the kernel, in their
 * order; the synchronous ones never are, so a fault reaches the target at the right PC. A system
 * call is not stepped: the trap flag would show in r11. It is run to its entry stop instead, where
 * the instruction has been fetched and the trap can be planted again.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_BYTES 16u
#define REPEATS_STEPPED                                                                            \
  16u /* iterations of a rep that are stepped before a trap is set behind it */
#define TRAP_FLAG 0x100u

/* The address space that a thread's instructions see. */
typedef struct step_memory {
  cordbg_tracing *tracing;
  cordbg_space *space;
} step_memory;

static bool
step_read(void *data, uint64_t address, void *buffer, size_t size)
{
  step_memory *memory = data;
  if (!cordbg_space_load(memory->space, address, buffer, size))
    return false;
  cordbg_patches_strip(&memory->tracing->patches, address, buffer, size);
  return true;
}

static bool
step_write(void *data, uint64_t address, const void *buffer, size_t size)
{
  step_memory *memory = data;
  for (uint64_t at = address; at < address + size; at++) {
    /* A program that writes over a trap does so itself, in place: the tracer sees it later. */
    if (cordbg_patches_find(&memory->tracing->patches, at) != NULL)
      return false;
  }
  return cordbg_space_store(memory->space, address, buffer, size);
}

static bool
is_still(const cordbg_tracing *tracing)
{
  return tracing->hold && tracing->moving == 0;
}

static bool
is_synchronous(int signal)
{
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
         signal == SIGTRAP || signal == SIGSYS;
}

static uint64_t
blocked_in_step(void)
{
  uint64_t mask = ~0ull;
  const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
    mask &= ~(1ull << (synchronous[i] - 1));
  return mask;
}

static bool
repeats(const uint8_t *code)
{
  for (unsigned i = 0; i < CODE_BYTES - 1; i++) {
    if (code[i] == 0xf2 || code[i] == 0xf3)
      return true;
    bool prefix = code[i] == 0x66 || code[i] == 0x67 || code[i] == 0x2e || code[i] == 0x36 ||
                  code[i] == 0x3e || code[i] == 0x26 || (code[i] & 0xfe) == 0x64;
    if (!prefix)
      return false;
  }
  return false;
}

/* One resume with the given request; waits for the stop. NULL: the thread is gone. */
static cordbg_tracee *
run_to_stop(cordbg_tracing *tracing, cordbg_tracee *tracee, enum __ptrace_request how)
{
  int tid = tracee->tid;
  cordbg_tracee_flush(tracee);
  tracee->stepping = true;
  tracee->stepped = false;
  tracee->registers_valid = false;
  tracee->signal = 0;
  if (ptrace(how, tid, NULL, NULL) != 0) {
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    return NULL;
  }
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_RUNNING);
  if (!cordbg_tracee_await(tracing, tid))
    return NULL;
  return cordbg_tracee_find(tracing, tid);
}

/* A long rep: an internal trap behind it ends it, instead of a step an iteration. */
static cordbg_tracee *
run_behind(cordbg_tracing *tracing, cordbg_tracee *tracee, const uint8_t *code)
{
  size_t length = cordbg_instruction_length(code, CODE_BYTES);
  uint64_t behind = tracee->over + length;
  cordbg_plant_result result;
  if (length == 0 ||
      FAILED(cordbg_patches_plant(&tracing->patches, &tracing->space, CORDBG_LAYER_INTERNAL,
                                  &behind, 1, &result, true, NULL)) ||
      result.status != 0)
    return run_to_stop(tracing, tracee, PTRACE_SINGLESTEP);
  int tid = tracee->tid;
  tracee->step_target = behind;
  run_to_stop(tracing, tracee, PTRACE_CONT);
  cordbg_patches_remove(&tracing->patches, &tracing->space, CORDBG_LAYER_INTERNAL, &behind, 1,
                        &result, true, NULL);
  tracee = cordbg_tracee_find(tracing, tid);
  if (tracee != NULL)
    tracee->step_target = 0;
  return tracee != NULL && tracee->state == CORDBG_TRACEE_STOPPED ? tracee : NULL;
}

/*
 * Steps the lifted instruction. A plain signal that comes in spite of the mask (a SIGSEGV sent by
 * kill) is kept in *held. NULL: the thread is gone.
 */
static cordbg_tracee *
step_lifted(cordbg_tracing *tracing, cordbg_tracee *tracee, const uint8_t *code, siginfo_t *held)
{
  bool repeated = repeats(code);
  for (unsigned tries = 0;; tries++) {
    tracee = repeated && tries >= REPEATS_STEPPED ? run_behind(tracing, tracee, code)
                                                  : run_to_stop(tracing, tracee, PTRACE_SINGLESTEP);
    if (tracee == NULL)
      return NULL;
    if (tracee->stepped) {
      if (repeated && tracee->registers.rip == tracee->over)
        continue;
      return tracee;
    }
    if (tracee->stop == CORDBG_STOP_INTERRUPT)
      continue;
    siginfo_t info;
    if (tracee->stop != CORDBG_STOP_SIGNAL ||
        ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &info) != 0)
      return tracee; /* a group stop, or an event of the instruction itself */
    if (info.si_code > 0 && is_synchronous(info.si_signo))
      return tracee;         /* the instruction's own fault */
    if (held->si_signo != 0) /* a second one: back into the kernel's queue */
      syscall(SYS_tgkill, tracee->process->pid, tracee->tid, held->si_signo);
    *held = info;
  }
}

void
cordbg_tracee_mend_pushed_flags(cordbg_tracee *tracee, cordbg_space *space)
{
  uint8_t second;
  if (cordbg_tracee_fetch(tracee) &&
      cordbg_space_load(space, tracee->registers.rsp + 1, &second, 1) && (second & 1) != 0) {
    second = (uint8_t)(second & ~1u);
    cordbg_space_store(space, tracee->registers.rsp + 1, &second, 1);
  }
}

static bool
finish_step(cordbg_tracing *tracing, cordbg_tracee *tracee, uint64_t address, const siginfo_t *held)
{
  tracee->stepping = false;
  if (tracee->stop == CORDBG_STOP_GROUP)
    return false; /* rolled back: it still stands on the trap */
  bool faulted = tracee->stop == CORDBG_STOP_SIGNAL && !tracee->stepped && tracee->signal != 0;
  if (held->si_signo != 0) {
    if (tracee->stop == CORDBG_STOP_SIGNAL && tracee->stepped) {
      siginfo_t info = *held;
      ptrace(PTRACE_SETSIGINFO, tracee->tid, NULL, &info);
      tracee->signal = held->si_signo;
    } else {
      syscall(SYS_tgkill, tracee->process->pid, tracee->tid, held->si_signo);
    }
  }
  if (tracee->over == address)
    tracee->over = 0;
  tracing->statistics.stepped++;
  tracee->went_over = true;
  if (faulted && cordbg_tracing_tells_signal(tracing, tracee)) {
    cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_SIGNAL);
    return false;
  }
  return true;
}

static bool
step_in_place(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_space *space,
              cordbg_patch *patch, const uint8_t *code)
{
  uint64_t address = patch->address, mask = 0, blocked = blocked_in_step();
  int tid = tracee->tid;
  siginfo_t held = {0};
  cordbg_step_leak leak = cordbg_instruction_step_leak(code, CODE_BYTES);
  bool own_trap_flag = (tracee->registers.eflags & TRAP_FLAG) != 0;

  if (tracee->stop == CORDBG_STOP_SIGNAL && tracee->signal != 0)
    ptrace(PTRACE_GETSIGINFO, tid, NULL, &held);
  if (!cordbg_patches_lift(&tracing->patches, &tracing->space, patch))
    return false;
  if (leak == CORDBG_STEP_SYSCALL) {
    tracee->entering = true;
    tracee = run_to_stop(tracing, tracee, PTRACE_SYSCALL);
  } else {
    bool masked = ptrace(PTRACE_GETSIGMASK, tid, sizeof mask, &mask) == 0 &&
                  ptrace(PTRACE_SETSIGMASK, tid, sizeof blocked, &blocked) == 0;
    tracee = step_lifted(tracing, tracee, code, &held);
    if (masked)
      ptrace(PTRACE_SETSIGMASK, tid, sizeof mask, &mask);
  }
  cordbg_patches_replant(&tracing->patches, &tracing->space, address);
  if (tracee == NULL) {
    if ((tracee = cordbg_tracee_find(tracing, tid)) != NULL)
      tracee->stepping = false;
    return false;
  }
  if (leak == CORDBG_STEP_PUSHES_FLAGS && tracee->stepped && !own_trap_flag)
    cordbg_tracee_mend_pushed_flags(tracee, space);
  if (leak == CORDBG_STEP_SYSCALL && tracee->stop == CORDBG_STOP_SIGNAL) {
    /* A signal came before the call: its handler runs first and comes back to the trap. */
    tracee->stepping = false;
    tracee->silent = address;
    tracee->over = 0;
    return true;
  }
  return finish_step(tracing, tracee, address, &held);
}

/* The displaced byte is the program's own int3: it gets the SIGTRAP that it would have got. */
static bool
pass_own_trap(cordbg_tracee *tracee)
{
  if (tracee->at_sigtrap) {
    tracee->registers.rip = tracee->over + 1;
    tracee->registers_dirty = true;
    tracee->signal = SIGTRAP;
    tracee->over = 0;
  } else {
    tracee->own_trap = true; /* executed once more, and passed on then */
  }
  return true;
}

/*
 * The mapping under the patch is the one that it was planted in. Asked of the kernel only when the
 * bytes are not those of the last time: a trap of ours before the same instruction is the same one.
 */
static bool
is_still_ours(cordbg_tracing *tracing, cordbg_patch *patch, const uint8_t *bytes, size_t size)
{
  if (bytes[0] == CORDBG_TRAP && patch->seen_size == size && memcmp(patch->seen, bytes, size) == 0)
    return true;
  if (!cordbg_patches_verify(&tracing->patches, &tracing->space, patch->address))
    return false;
  memcpy(patch->seen, bytes, size);
  patch->seen_size = (uint8_t)size;
  return true;
}

static bool
go_over(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  cordbg_patch *patch = cordbg_patches_find(&tracing->patches, tracee->over);
  uint8_t code[CODE_BYTES] = {0};
  cordbg_space guest = CORDBG_SPACE_NONE;
  cordbg_space *space = &tracing->space;

  if (!cordbg_tracee_fetch(tracee)) {
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    return false;
  }
  if (patch == NULL || tracee->registers.rip != tracee->over) {
    tracee->over = 0;
    return true;
  }
  if (!tracee->process->target && !tracee->process->shares_memory) {
    guest.tid = tracee->tid;
    guest.mem = tracee->process->mem;
    guest.vm_calls = true;
    space = &guest;
  }
  ssize_t size = pread(space->mem, code, sizeof code, (off_t)tracee->over);
  if (size <= 0 || !is_still_ours(tracing, patch, code, (size_t)size)) {
    tracee->over = 0;
    return true;
  }
  /* Read again each time: runtimes rewrite code under traps. A first byte that is not the trap
     was written over it, and is what the CPU would execute. */
  if (code[0] == CORDBG_TRAP && patch->original == CORDBG_TRAP)
    return pass_own_trap(tracee);
  cordbg_patches_strip(&tracing->patches, tracee->over, code, (size_t)size);

  step_memory memory = {.tracing = tracing, .space = space};
  cordbg_emulate_memory access = {.read = step_read,
                                  .write = step_write,
                                  .data = &memory,
                                  .flags =
                                      is_still(tracing) && space == &tracing->space
                                          ? tracing->emulate_flags
                                          : tracing->emulate_flags | CORDBG_EMULATE_OTHERS_RUN};
  if (tracee->signal == 0 && cordbg_emulate(tracing->emulate_cache, code, (size_t)size,
                                            &tracee->registers, &access) == CORDBG_EMULATED) {
    tracee->registers_dirty = true;
    tracee->over = 0;
    tracee->went_over = true;
    tracing->statistics.emulated++;
    return true;
  }
  if (!is_still(tracing)) {
    tracing->needs_still = true;
    return false;
  }
  return step_in_place(tracing, tracee, space, patch, code);
}

bool
cordbg_tracee_step_over(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  int tid = tracee->tid;
  tracee->went_over = false;
  if (!go_over(tracing, tracee))
    return false;
  /* The events taken meanwhile may have removed it. */
  if ((tracee = cordbg_tracee_find(tracing, tid)) == NULL)
    return false;
  if (!tracee->steps || !tracee->went_over || tracee->stop == CORDBG_STOP_SYSCALL_ENTRY ||
      tracee->signal != 0)
    return true;
  /* The displaced instruction was the step that the client asked for. */
  if (!cordbg_tracee_fetch(tracee))
    return false;
  tracee->step_leak = CORDBG_STEP_PLAIN;
  cordbg_tracee_step_done(tracing, tracee);
  return false;
}
