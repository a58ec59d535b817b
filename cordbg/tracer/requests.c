/* SPDX-License-Identifier: MIT */
/*
 * Requests of the client: decoded, checked, carried out. Nothing in a request is trusted: sizes
 * and counts are compared with what came before anything is read from it.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#define TRAP_FLAG 0x100u

/* A reply of `size` bytes in tracing->answer, with a descriptor if fd >= 0. */
static void
reply(cordbg_tracing *tracing, const cordbg_request_header *request, const cordbg_error *error,
      size_t size, int fd)
{
  cordbg_reply_header *header = (cordbg_reply_header *)tracing->answer;
  header->kind = request->kind;
  header->id = request->id;
  header->error = *error;
  struct iovec part = {tracing->answer, size};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  /* The client waits for this reply: its buffer is empty, so that this does not block. */
  if (sendmsg(tracing->request_fd, &message, MSG_NOSIGNAL) < 0)
    tracing->ending = true;
}

static HRESULT
refuse_size(cordbg_error *error)
{
  return cordbg_error_set(error, E_INVALIDARG, EBADMSG, 0, "a malformed request");
}

static HRESULT
check_target(const cordbg_tracing *tracing, cordbg_error *error)
{
  if (tracing->session == CORDBG_SESSION_GONE)
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ESRCH, 0, "the process has ended");
  if (tracing->session == CORDBG_SESSION_IDLE)
    return cordbg_error_set(error, E_UNEXPECTED, ESRCH, 0, "attached to no process");
  return S_OK;
}

/* ---- One function a kind. Each fills its reply's body and *size, and *fd. ---- */

static HRESULT
do_hello(cordbg_tracing *tracing, size_t length, size_t *size, int *fd, cordbg_error *error)
{
  const cordbg_request_hello *request = (const cordbg_request_hello *)tracing->packet;
  cordbg_reply_hello *answer = (cordbg_reply_hello *)tracing->answer;
  *size = sizeof *answer;
  answer->version = CORDBG_PROTOCOL_VERSION;
  answer->tracer_pid = getpid();
  if (length != sizeof *request)
    return refuse_size(error);
  if (request->magic != CORDBG_PROTOCOL_MAGIC || request->version != CORDBG_PROTOCOL_VERSION)
    return cordbg_error_set(error, E_INVALIDARG, EPROTO, 0,
                            "the tracer speaks protocol %u, the library %u: they are of different "
                            "installations",
                            CORDBG_PROTOCOL_VERSION, request->version);
  *fd = cordbg_patch_publisher_fd(tracing->patches.publisher);
  tracing->greeted = true;
  return S_OK;
}

static HRESULT
do_attach(cordbg_tracing *tracing, size_t length, size_t *size, int *fd, cordbg_error *error)
{
  const cordbg_request_attach *request = (const cordbg_request_attach *)tracing->packet;
  cordbg_reply_attach *answer = (cordbg_reply_attach *)tracing->answer;
  *size = sizeof *answer;
  if (length != sizeof *request || request->flags != 0)
    return refuse_size(error);
  HRESULT hr = cordbg_tracing_attach(tracing, request->pid,
                                     request->header.kind == CORDBG_REQUEST_ATTACH_CHILD, error);
  if (FAILED(hr))
    return hr;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", cordbg_tracing_live_tid(tracing));
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  answer->thread_count = tracing->target->threads;
  return S_OK;
}

static HRESULT
do_stop(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  cordbg_reply_stop *answer = (cordbg_reply_stop *)tracing->answer;
  *size = sizeof *answer;
  if (length != sizeof(cordbg_request_header))
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  cordbg_tracing_stop_all(tracing);
  if (tracing->exited)
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ESRCH, 0, "the process has ended");
  tracing->session = CORDBG_SESSION_STOPPED;
  cordbg_patches_patrol(&tracing->patches, &tracing->space, cordbg_tracing_now());
  for (const cordbg_tracee *hit = tracing->reports; hit != NULL; hit = hit->next_in_queue) {
    if (hit->report == CORDBG_REPORT_OWN_TRAP) {
      answer->queued_managed++;
      continue;
    }
    if (hit->report != CORDBG_REPORT_HIT) {
      answer->queued_unmanaged++;
      continue;
    }
    const cordbg_patch *patch = cordbg_patches_find(&tracing->patches, hit->hit);
    if (patch == NULL)
      continue;
    bool unmanaged = (tracing->wanted & CORDBG_WANT_UNMANAGED) != 0;
    if (unmanaged && (patch->layers & ~hit->told_layers & CORDBG_LAYER_NATIVE) != 0)
      answer->queued_unmanaged++;
    if (!unmanaged || (patch->layers & ~CORDBG_LAYER_NATIVE) != 0)
      answer->queued_managed++;
  }
  answer->queued_managed += tracing->exec_pending ? 1 : 0;
  answer->outstanding_managed = tracing->outstanding[0];
  answer->outstanding_unmanaged = tracing->outstanding[1];
  return S_OK;
}

static void
do_continue(cordbg_tracing *tracing)
{
  if (tracing->session != CORDBG_SESSION_STOPPED)
    return;
  tracing->outstanding[0] = tracing->outstanding[1] = 0;
  if (cordbg_tracing_report(tracing))
    return;
  /* Going on from the traps may bring new events up, which come first (resume_all holds then). */
  tracing->session = CORDBG_SESSION_RUNNING;
  cordbg_tracing_resume_all(tracing);
}

static HRESULT
do_plant(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_plant *request = (const cordbg_request_plant *)tracing->packet;
  cordbg_reply_plant *answer = (cordbg_reply_plant *)tracing->answer;
  *size = sizeof *answer;
  if (length < sizeof *request || request->count > CORDBG_PLANT_MAX ||
      length != sizeof *request + request->count * sizeof request->addresses[0])
    return refuse_size(error);
  cordbg_layer layer = (cordbg_layer)request->layer;
  if (layer != CORDBG_LAYER_MANAGED && layer != CORDBG_LAYER_NATIVE &&
      layer != CORDBG_LAYER_INTERNAL)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "%u is not one layer", request->layer);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  bool still = tracing->hold && tracing->moving == 0;
  if (request->header.kind == CORDBG_REQUEST_PLANT)
    hr = cordbg_patches_plant(&tracing->patches, &tracing->space, layer, request->addresses,
                              request->count, answer->results, still, error);
  else
    hr = cordbg_patches_remove(&tracing->patches, &tracing->space, layer, request->addresses,
                               request->count, answer->results, still, error);
  if (FAILED(hr))
    return hr;
  answer->count = request->count;
  *size += request->count * sizeof answer->results[0];
  return S_OK;
}

static HRESULT
do_write(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_write *request = (const cordbg_request_write *)tracing->packet;
  cordbg_reply_write *answer = (cordbg_reply_write *)tracing->answer;
  *size = sizeof *answer;
  if (length < sizeof *request || request->size > CORDBG_WRITE_MAX ||
      length != sizeof *request + request->size ||
      request->address + request->size < request->address)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  size_t written;
  int status = cordbg_patches_write(&tracing->patches, &tracing->space, request->address,
                                    request->data, request->size, &written);
  answer->written = written;
  if (status == 0)
    return S_OK;
  uint64_t fault = request->address + written;
  if (status == EPERM)
    return cordbg_error_set_errno(error, status, fault,
                                  "0x%llx lies in a shared mapping of a file on disk: a write "
                                  "would reach the disk",
                                  (unsigned long long)fault);
  return cordbg_error_set_errno(error, status, fault, "0x%llx cannot be written: %s",
                                (unsigned long long)fault, strerror(status));
}

/* The thread for a request about registers: STOPPED, woken if it was asleep. */
static cordbg_tracee *
stopped_thread(cordbg_tracing *tracing, int tid, cordbg_error *error)
{
  if (FAILED(check_target(tracing, error)))
    return NULL;
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
  if (tracee == NULL || tracee->process != tracing->target) {
    cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                     "process %d has no thread %d", tracing->target->pid, tid);
    return NULL;
  }
  if (!tracing->hold) {
    cordbg_error_set(error, CORDBG_E_PROCESS_NOT_SYNCHRONIZED, EBUSY, 0,
                     "thread %d runs: stop the process first", tid);
    return NULL;
  }
  if (!cordbg_tracee_wake(tracing, tracee) || (tracee = cordbg_tracee_find(tracing, tid)) == NULL ||
      !cordbg_tracee_fetch(tracee)) {
    cordbg_error_set(error, CORDBG_E_THREAD_NOT_SCHEDULED, EAGAIN, 0,
                     "thread %d is in an uninterruptible wait of the kernel or has ended: its "
                     "registers cannot be had",
                     tid);
    return NULL;
  }
  return tracee;
}

static HRESULT
do_registers(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_registers *request = (const cordbg_request_registers *)tracing->packet;
  cordbg_reply_registers *answer = (cordbg_reply_registers *)tracing->answer;
  *size = sizeof *answer;
  if (length != sizeof *request)
    return refuse_size(error);
  cordbg_tracee *tracee = stopped_thread(tracing, request->tid, error);
  if (tracee == NULL)
    return error->hr;
  answer->registers.general = tracee->registers;
  if (tracee->steps)
    answer->registers.general.eflags |= TRAP_FLAG;
  if (ptrace(PTRACE_GETFPREGS, tracee->tid, NULL, &answer->registers.floating) != 0)
    return cordbg_error_set_errno(error, errno, 0, "cannot read the registers of thread %d",
                                  tracee->tid);
  return S_OK;
}

static HRESULT
do_set_registers(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_set_registers *request =
      (const cordbg_request_set_registers *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof *request)
    return refuse_size(error);
  cordbg_tracee *tracee = stopped_thread(tracing, request->tid, error);
  if (tracee == NULL)
    return error->hr;
  struct user_regs_struct before = tracee->registers;
  struct user_fpregs_struct floating;
  /* The floating registers only if they change: setting them resets parts of the state. */
  bool change_floating = ptrace(PTRACE_GETFPREGS, tracee->tid, NULL, &floating) != 0 ||
                         memcmp(&floating, &request->registers.floating, sizeof floating) != 0;
  struct user_regs_struct general = request->registers.general;
  bool own_flag = (before.eflags & TRAP_FLAG) != 0;
  bool steps = !own_flag && (general.eflags & TRAP_FLAG) != 0;
  if (steps)
    general.eflags &= ~(unsigned long long)TRAP_FLAG;
  if (ptrace(PTRACE_SETREGS, tracee->tid, NULL, &general) != 0 ||
      (change_floating &&
       ptrace(PTRACE_SETFPREGS, tracee->tid, NULL, &request->registers.floating) != 0)) {
    int why = errno;
    ptrace(PTRACE_SETREGS, tracee->tid, NULL, &before);
    return cordbg_error_set_errno(error, why, 0,
                                  "thread %d cannot take these registers (a bad flag or segment?)",
                                  tracee->tid);
  }
  tracee->registers = general;
  tracee->registers_dirty = false;
  tracee->steps = steps;
  if (tracee->registers.rip != before.rip) {
    tracee->restarts = tracee->mended = false;
    tracee->at_sigtrap = false;
    if (tracee->queued && tracee->report == CORDBG_REPORT_HIT &&
        tracee->registers.rip != tracee->hit)
      cordbg_tracing_unqueue(tracing, tracee);
  }
  return S_OK;
}

static HRESULT
do_threads(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  cordbg_reply_threads *answer = (cordbg_reply_threads *)tracing->answer;
  *size = sizeof *answer;
  if (length != sizeof(cordbg_request_header))
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  uint32_t most = (uint32_t)((CORDBG_PACKET_MAX - sizeof *answer) / sizeof answer->threads[0]);
  for (const cordbg_tracee *tracee = tracing->tracees; tracee != NULL && answer->count < most;
       tracee = tracee->next) {
    if (tracee->process != tracing->target || tracee->state == CORDBG_TRACEE_EXITING)
      continue;
    cordbg_thread_info *info = &answer->threads[answer->count++];
    info->tid = tracee->tid;
    info->state = CORDBG_THREAD_ASLEEP;
    if (tracee->state == CORDBG_TRACEE_STOPPED)
      info->state = CORDBG_THREAD_STOPPED;
    else if (tracee->state == CORDBG_TRACEE_RUNNING || tracee->state == CORDBG_TRACEE_NEW)
      info->state = CORDBG_THREAD_RUNNING;
  }
  *size += answer->count * sizeof answer->threads[0];
  return S_OK;
}

static HRESULT
do_call(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_call *request = (const cordbg_request_call *)tracing->packet;
  cordbg_reply_call *answer = (cordbg_reply_call *)tracing->answer;
  *size = sizeof *answer;
  if (length < sizeof *request || request->data_size > 4096 ||
      length != sizeof *request + request->data_size || request->timeout_ms < 1 ||
      request->timeout_ms > 60000)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  return cordbg_tracing_call(tracing, request, &answer->result, error);
}

static HRESULT
do_kick(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_kick *request = (const cordbg_request_kick *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof *request)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, request->tid);
  if (tracee == NULL || tracee->process != tracing->target)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "process %d has no thread %d", tracing->target->pid, request->tid);
  /* In a stopped process it comes out of its call and looks again when the process goes on. */
  cordbg_tracee_interrupt(tracing, tracee);
  return S_OK;
}

static HRESULT
do_on_cleanup(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_on_cleanup *request = (const cordbg_request_on_cleanup *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof *request || request->count > CORDBG_CLEANUP_WORDS_MAX)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  memcpy(tracing->cleanup_words, request->words, sizeof tracing->cleanup_words);
  tracing->cleanup_count = request->count;
  tracing->cleanup_kick = request->kick_tid;
  return S_OK;
}

static void
do_passes(cordbg_tracing *tracing, size_t length)
{
  const cordbg_request_passes *request = (const cordbg_request_passes *)tracing->packet;
  if (length != sizeof *request || request->count > CORDBG_PASSES_MAX ||
      FAILED(check_target(tracing, NULL)))
    return;
  memcpy(tracing->passes, request->passes, sizeof tracing->passes);
  tracing->pass_count = request->count;
}

static HRESULT
do_own_traps(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_own_traps *request = (const cordbg_request_own_traps *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof *request)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  if (request->end < request->start)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, request->start,
                            "a range that ends before it begins");
  tracing->own_start = request->start;
  tracing->own_end = request->end;
  return S_OK;
}

static HRESULT
do_terminate(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof(cordbg_request_header))
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  /* The pid is the target's: its zombie is not reaped before `exited` is set. */
  if (kill(tracing->target->pid, SIGKILL) != 0)
    return cordbg_error_set_errno(error, errno, 0, "cannot end process %d", tracing->target->pid);
  /* A process that is ending already takes no SIGKILL: its threads must not be held any more. */
  tracing->wanted &= ~(uint32_t)CORDBG_WANT_THREAD_STOPS;
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && tracee->state == CORDBG_TRACEE_STOPPED &&
        tracee->stop == CORDBG_STOP_EXIT) {
      cordbg_tracing_unqueue(tracing, tracee);
      cordbg_tracee_resume(tracing, tracee);
    }
  }
  return S_OK;
}

static HRESULT
do_signal(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  const cordbg_request_signal *request = (const cordbg_request_signal *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof *request)
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  return cordbg_tracing_set_signal(tracing, request->tid, request->number, error);
}

static HRESULT
do_detach(cordbg_tracing *tracing, size_t length, size_t *size, cordbg_error *error)
{
  *size = sizeof(cordbg_reply_header);
  if (length != sizeof(cordbg_request_header))
    return refuse_size(error);
  HRESULT hr = check_target(tracing, error);
  if (FAILED(hr))
    return hr;
  cordbg_tracing_cleanup(tracing);
  /* A thread that could not be stopped is let go by the kernel when this process ends. */
  return tracing->tracees == NULL ? S_OK : S_FALSE;
}

static HRESULT
dispatch(cordbg_tracing *tracing, size_t length, size_t *size, int *fd, cordbg_error *error)
{
  const cordbg_request_header *header = (const cordbg_request_header *)tracing->packet;
  *size = sizeof(cordbg_reply_header);
  if (!tracing->greeted && header->kind != CORDBG_REQUEST_HELLO)
    return refuse_size(error);
  switch (header->kind) {
  case CORDBG_REQUEST_HELLO:
    return do_hello(tracing, length, size, fd, error);
  case CORDBG_REQUEST_ATTACH:
  case CORDBG_REQUEST_ATTACH_CHILD:
    return do_attach(tracing, length, size, fd, error);
  case CORDBG_REQUEST_STOP:
    return do_stop(tracing, length, size, error);
  case CORDBG_REQUEST_PLANT:
  case CORDBG_REQUEST_REMOVE:
    return do_plant(tracing, length, size, error);
  case CORDBG_REQUEST_WRITE:
    return do_write(tracing, length, size, error);
  case CORDBG_REQUEST_REGISTERS:
    return do_registers(tracing, length, size, error);
  case CORDBG_REQUEST_SET_REGISTERS:
    return do_set_registers(tracing, length, size, error);
  case CORDBG_REQUEST_THREADS:
    return do_threads(tracing, length, size, error);
  case CORDBG_REQUEST_CALL:
    return do_call(tracing, length, size, error);
  case CORDBG_REQUEST_KICK:
    return do_kick(tracing, length, size, error);
  case CORDBG_REQUEST_ON_CLEANUP:
    return do_on_cleanup(tracing, length, size, error);
  case CORDBG_REQUEST_EVENTS:
    if (length != sizeof(cordbg_request_events))
      return refuse_size(error);
    tracing->wanted = ((const cordbg_request_events *)tracing->packet)->wanted;
    tracing->wanted_signals = ((const cordbg_request_events *)tracing->packet)->signals;
    return S_OK;
  case CORDBG_REQUEST_DETACH:
    return do_detach(tracing, length, size, error);
  case CORDBG_REQUEST_TERMINATE:
    return do_terminate(tracing, length, size, error);
  case CORDBG_REQUEST_STATISTICS:
    *size = sizeof(cordbg_reply_statistics);
    ((cordbg_reply_statistics *)tracing->answer)->statistics = tracing->statistics;
    return S_OK;
  case CORDBG_REQUEST_OWN_TRAPS:
    return do_own_traps(tracing, length, size, error);
  case CORDBG_REQUEST_SIGNAL:
    return do_signal(tracing, length, size, error);
  default:
    return cordbg_error_set(error, E_NOTIMPL, ENOSYS, 0, "request %u is unknown", header->kind);
  }
}

bool
cordbg_tracing_take_request(cordbg_tracing *tracing)
{
  ssize_t length =
      recv(tracing->request_fd, tracing->packet, CORDBG_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
  if (length < 0) {
    if (errno != EAGAIN && errno != EINTR)
      tracing->ending = true;
    return false;
  }
  if (length == 0) { /* the client closed its end */
    tracing->ending = true;
    return false;
  }
  const cordbg_request_header *header = (const cordbg_request_header *)tracing->packet;
  if ((size_t)length < sizeof *header || length > (ssize_t)CORDBG_PACKET_MAX) {
    tracing->ending = true; /* not our client's library: nothing it says can be trusted */
    return false;
  }
  if (header->kind == CORDBG_REQUEST_CONTINUE) {
    do_continue(tracing);
    return true;
  }
  if (header->kind == CORDBG_REQUEST_PASSES) {
    do_passes(tracing, (size_t)length);
    return true;
  }
  cordbg_error error = {0};
  size_t size;
  int fd = -1;
  cordbg_request_header request = *header;
  memset(tracing->answer, 0, sizeof(cordbg_reply_registers) + 64);
  HRESULT hr = dispatch(tracing, (size_t)length, &size, &fd, &error);
  error.hr = hr;
  reply(tracing, &request, &error, size, fd);
  if (fd >= 0 && request.kind != CORDBG_REQUEST_HELLO)
    close(fd);
  return true;
}
