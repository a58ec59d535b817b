/* SPDX-License-Identifier: MIT */
/*
 * cordbg-dac: the process that loads a .NET runtime's own data access library (the DAC) and answers
 * questions about one target in plain data.
 *
 * Why a process. The DAC is code from the target's directory that parses the target's memory: it
 * may crash, hang, or be somebody's. Here it has the target's credentials and no privilege, no file
 * but the four descriptors that it was given, and a filter that leaves it memory, time and its
 * socket. Its crash is an error code at the client's end, which starts another.
 *
 *   greeting -> START (privileges dropped, DAC loaded, system calls filtered)
 *            -> TARGET (memory and patch table; the DAC's instance) -> requests, one by one
 *
 * START needs no tracer: while the DAC is loaded here, the client starts one and stops the target.
 *
 * Invariants
 *   - nothing is asked of the DAC before the privileges are gone; what shows the target is given
 *     when the filter stands;
 *   - the target's memory is read through one descriptor, in the pristine view, and kept (pages
 *     here, objects in the DAC) only until the client says that the target ran (FLUSH);
 *   - the target is never written from here: WRITE asks the client, which looks where it goes;
 *   - a request takes no longer than the client waits: SIGALRM ends the process a little later, so
 *     that a host outlives no client.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-host/host.h"

/* ---- The socket ---- */

static void
receive_all(void *buffer, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t got = recv(CORDBG_DAC_FD_SOCKET, (char *)buffer + done, size - done, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      _exit(0); /* the client is gone */
    done += (size_t)got;
  }
}

/* A request's header, and the descriptors that come with it. */
static void
receive_header(dac_host *host, cordbg_dac_header *header)
{
  struct iovec part = {header, sizeof *header};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof host->given)];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t got;

  do
    got = recvmsg(CORDBG_DAC_FD_SOCKET, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got <= 0)
    _exit(0); /* the client is gone */
  host->given[0] = host->given[1] = -1;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (rights != NULL && rights->cmsg_type == SCM_RIGHTS &&
      rights->cmsg_len <= CMSG_LEN(sizeof host->given))
    memcpy(host->given, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
  receive_all((char *)header + got, sizeof *header - (size_t)got);
}

static void
send_all(const void *buffer, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t sent =
        send(CORDBG_DAC_FD_SOCKET, (const char *)buffer + done, size - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      _exit(0);
    done += (size_t)sent;
  }
}

static void
greet(void)
{
  cordbg_dac_header header = {.kind = CORDBG_DAC_GREETING,
                              .number = CORDBG_DAC_PROTOCOL_VERSION,
                              .flags = (uint32_t)getpid()};
  int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
  struct iovec part = {&header, sizeof header};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

  memset(&control, 0, sizeof control);
  if (self >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof self);
    memcpy(CMSG_DATA(rights), &self, sizeof self);
  }
  if (sendmsg(CORDBG_DAC_FD_SOCKET, &message, MSG_NOSIGNAL) != (ssize_t)sizeof header)
    _exit(1);
  if (self >= 0)
    close(self);
}

/* ---- The answer ---- */

static size_t
answer_head(void)
{
  return sizeof(cordbg_dac_header) + sizeof(cordbg_dac_reply);
}

void
host_add(dac_host *host, const void *data, size_t size)
{
  if (size > CORDBG_DAC_REPLY_MAX || host->answer_size > CORDBG_DAC_REPLY_MAX - size)
    _exit(3); /* more than the client takes: it says that the host failed */
  while (host->answer_room - host->answer_size < size) {
    host->answer_room *= 2;
    host->answer = realloc(host->answer, host->answer_room);
    if (host->answer == NULL)
      _exit(3);
  }
  memcpy(host->answer + host->answer_size, data, size);
  host->answer_size += size;
}

void
host_count(dac_host *host)
{
  host->answer_count++;
}

void
host_add_element(dac_host *host, const void *data, size_t size)
{
  host_add(host, data, size);
  host_count(host);
}

static void
send_answer(dac_host *host, const cordbg_dac_header *request, HRESULT hr, const cordbg_error *error)
{
  cordbg_dac_reply reply = {.error = *error, .count = host->answer_count};

  if (SUCCEEDED(hr) && (request->flags & CORDBG_DAC_KEEP))
    host_add_record(host, &reply);
  if (FAILED(hr)) {
    host->answer_size = answer_head();
    reply.count = 0;
  }
  reply.error.hr = hr;
  cordbg_dac_header header = {.kind = request->kind,
                              .number = request->number,
                              .size = (uint32_t)(host->answer_size - sizeof header)};
  memcpy(host->answer, &header, sizeof header);
  memcpy(host->answer + sizeof header, &reply, sizeof reply);
  send_all(host->answer, host->answer_size);
}

HRESULT
host_set(cordbg_error *error, HRESULT hr, const char *what)
{
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, 0,
                          "the runtime's data access library failed at %s (0x%08x)", what,
                          (unsigned)hr);
}

HRESULT
host_write(dac_host *host, uint64_t address, const void *data, size_t size)
{
  struct {
    cordbg_dac_header header;
    cordbg_dac_request request;
  } message = {
      .header = {.kind = CORDBG_DAC_WRITE, .size = (uint32_t)(sizeof(cordbg_dac_request) + size)},
      .request = {.address = address}};
  struct {
    cordbg_dac_header header;
    cordbg_dac_reply reply;
  } answer;

  if (size > CORDBG_DAC_WRITE_MAX)
    return E_INVALIDARG;
  send_all(&message, sizeof message);
  send_all(data, size);
  receive_all(&answer, sizeof answer);
  if (answer.header.kind != CORDBG_DAC_WRITE || answer.header.size != sizeof answer.reply)
    _exit(2);
  if (FAILED(answer.reply.error.hr)) {
    host->write_result = answer.reply.error.hr;
    host->write_error = answer.reply.error;
  }
  return answer.reply.error.hr;
}

/* ---- Requests ---- */

static HRESULT
start(dac_host *host, const uint8_t *body, size_t size, cordbg_error *error)
{
  cordbg_dac_request_start request;

  if (size != sizeof request || host->create != NULL || host->given[0] < 0)
    _exit(2);
  memcpy(&request, body, sizeof request);
  host->timeout_ms = request.timeout_ms;
  HRESULT hr = host_drop_privileges(&request, error);
  if (SUCCEEDED(hr))
    hr = host_load(host, host->given[0], error);
  close(host->given[0]);
  return hr;
}

static HRESULT
show_target(dac_host *host, const uint8_t *body, size_t size, cordbg_error *error)
{
  cordbg_dac_request_target request;

  if (size != sizeof request || host->create == NULL || host->process != NULL || host->given[1] < 0)
    _exit(2);
  memcpy(&request, body, sizeof request);
  host->base = request.base;
  host->memory = host->given[0];
  HRESULT hr = cordbg_patch_table_map(&host->table, host->given[1], error);
  close(host->given[1]);
  if (SUCCEEDED(hr))
    hr = host_create(host, error);
  return hr;
}

static HRESULT
dispatch(dac_host *host, uint32_t kind, const uint8_t *more, size_t size, cordbg_error *error)
{
  switch (kind) {
  case CORDBG_DAC_MODULES:
    return host_modules(host, error);
  case CORDBG_DAC_MODULE_AT:
    return host_module_at(host, error);
  case CORDBG_DAC_DOMAIN:
    return host_domain(host, error);
  case CORDBG_DAC_THREADS:
    return host_threads(host, error);
  case CORDBG_DAC_STATE:
    return host_state(host, error);
  case CORDBG_DAC_SOUND:
    return host_sound(host, error);
  case CORDBG_DAC_CODES:
    return host_codes(host, error);
  case CORDBG_DAC_CODE_AT:
    return host_code_at(host, error);
  case CORDBG_DAC_IL_MAP:
    return host_il_map(host, error);
  case CORDBG_DAC_METHOD_AT:
    return host_method_at(host, error);
  case CORDBG_DAC_NOTIFY:
    return host_notify(host, error);
  case CORDBG_DAC_WANT:
    return host_want(host, (const uint32_t *)(const void *)more, size / sizeof(uint32_t), error);
  case CORDBG_DAC_DECODE:
    return host_decode(host, error);
  case CORDBG_DAC_UNWIND:
    return host_unwind(host, error);
  case CORDBG_DAC_NEXT_MANAGED:
    return host_next_managed(host, error);
  default:
    return E_NOTIMPL;
  }
}

static HRESULT
serve(dac_host *host, const cordbg_dac_header *header, const uint8_t *body, cordbg_error *error)
{
  if (header->kind == CORDBG_DAC_START)
    return start(host, body, header->size, error);
  if (header->kind == CORDBG_DAC_TARGET)
    return show_target(host, body, header->size, error);
  if (host->process == NULL || header->size < sizeof host->request)
    _exit(2);
  memcpy(&host->request, body, sizeof host->request);
  host->write_result = S_OK;
  if (header->flags & CORDBG_DAC_FLUSH) {
    host_forget_stacks(host);
    host_forget_pages(host);
    host_record_begin(host, (header->flags & CORDBG_DAC_KEEP) != 0);
    host->process->lpVtbl->Flush(host->process);
  }
  HRESULT hr = dispatch(host, header->kind, body + sizeof host->request,
                        header->size - sizeof host->request, error);
  /* What the client said of a write tells more than what the DAC made of it. */
  if (FAILED(host->write_result)) {
    hr = host->write_result;
    *error = host->write_error;
  }
  return hr;
}

/* The client waits no longer: end, whatever the DAC is at. */
static void
set_alarm(const dac_host *host, bool on)
{
  struct itimerval timer = {.it_value = {on ? (time_t)(host->timeout_ms / 1000 + 10) : 0, 0}};

  setitimer(ITIMER_REAL, &timer, NULL);
}

int
main(void)
{
  static dac_host host;
  static _Alignas(16) uint8_t body[CORDBG_DAC_REQUEST_MAX];
  sigset_t none;

  host.answer_room = 64u << 10;
  host.answer = malloc(host.answer_room);
  host.pages = malloc(HOST_PAGES * sizeof *host.pages);
  if (host.answer == NULL || host.pages == NULL)
    return 1;
  setsid();
  prctl(PR_SET_NAME, "cordbg-dac");
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  host_forget_pages(&host);
  host_make_target(&host);
  greet();
  for (;;) {
    cordbg_dac_header header;
    cordbg_error error = {0};
    receive_header(&host, &header);
    if (header.size > sizeof body)
      return 2;
    receive_all(body, header.size);
    host.answer_size = answer_head();
    host.answer_count = 0;
    set_alarm(&host, true);
    HRESULT hr = serve(&host, &header, body, &error);
    set_alarm(&host, false);
    send_answer(&host, &header, hr, &error);
  }
}
