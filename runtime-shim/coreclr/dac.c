/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the DAC host: starts the process, asks, and believes nothing.
 *
 * States of a cordbg_dac
 *   no host --the next question--> greeted, START answered, flags and wanted methods written again
 *      ^                                                      |
 *      |                                             questions, answers
 *      '--- crash, time-out, interruption, nonsense (the host is killed) ---'
 *
 * A question during which the host crashed or hung is asked once more, of another host.
 *
 * Invariants
 *   - one question outstanding; while it is, the host's requests to write are answered;
 *   - a host is bound to the address space for which it was started: the shim makes a new
 *     cordbg_dac after an exec;
 *   - the host is killed through a pidfd that it sent itself, never by number;
 *   - what comes back is copied out only after its sizes were checked (dac-answers.c).
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-private.h"

#define DEFAULT_TIMEOUT_MS 5000u
#define MAX_TIMEOUT_MS 600000u
#define HOST_CRASHED E_UNEXPECTED

/* ---- The host's process ---- */

static void
end_host(cordbg_dac *dac)
{
  cordbg_dac_drop_kept(dac);
  if (dac->pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, dac->pidfd, 9 /* SIGKILL */, NULL, 0);
    close(dac->pidfd);
  }
  if (dac->socket >= 0)
    close(dac->socket);
  dac->pidfd = dac->socket = -1;
  dac->host_pid = 0;
}

HRESULT
cordbg_dac_distrust(cordbg_dac *dac, const char *what, cordbg_error *error)
{
  end_host(dac);
  return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, 0,
                          "the DAC host's answer makes no sense: %s", what);
}

/* ---- Bytes, with a deadline ---- */

static HRESULT
host_is_gone(cordbg_dac *dac, cordbg_error *error)
{
  end_host(dac);
  HRESULT state = cordbg_target_state(dac->target);
  if (FAILED(state))
    return cordbg_error_set(error, state, 0, 0, "the target is gone");
  return cordbg_error_set(error, HOST_CRASHED, EPIPE, 0,
                          "the DAC host crashed; the next question starts another");
}

/* The host that leaves the target as it was is listened to all the same. */
static bool
is_interrupted(const cordbg_dac *dac)
{
  return !dac->leaving && cordbg_tracer_interrupted(dac->tracer);
}

static HRESULT
await(cordbg_dac *dac, short what, gint64 deadline, cordbg_error *error)
{
  int interruption = dac->leaving ? -1 : cordbg_tracer_interrupt_fd(dac->tracer);
  struct pollfd fds[2] = {{.fd = dac->socket, .events = what},
                          {.fd = interruption, .events = POLLIN}};

  for (;;) {
    gint64 left = deadline - g_get_monotonic_time();
    int ready = left <= 0 ? 0 : poll(fds, 2, (int)(left / 1000 + 1));
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready < 0)
      return host_is_gone(dac, error);
    if (fds[1].revents) {
      end_host(dac);
      return cordbg_error_set(error, E_ABORT, 0, 0, "the question to the DAC host was interrupted");
    }
    if (ready > 0)
      return S_OK;
    end_host(dac);
    return cordbg_error_set(error, CORDBG_E_TIMEOUT, ETIMEDOUT, 0,
                            "the DAC host did not answer within %u ms and was ended",
                            dac->timeout_ms);
  }
}

/* In one piece when it goes: the host wakes up for each. The parts are used up. */
static HRESULT
transmit(cordbg_dac *dac, struct iovec *parts, size_t count, gint64 deadline, cordbg_error *error)
{
  while (count > 0) {
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t put = sendmsg(dac->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put >= 0) {
      size_t done = (size_t)put;
      for (; count > 0 && done >= parts->iov_len; parts++, count--)
        done -= parts->iov_len;
      if (count > 0) {
        parts->iov_base = (char *)parts->iov_base + done;
        parts->iov_len -= done;
      }
      continue;
    }
    if (errno == EINTR)
      continue;
    if (errno != EAGAIN)
      return host_is_gone(dac, error);
    HRESULT hr = await(dac, POLLOUT, deadline, error);
    if (FAILED(hr))
      return hr;
  }
  return S_OK;
}

static HRESULT
receive(cordbg_dac *dac, void *data, size_t size, gint64 deadline, cordbg_error *error)
{
  for (size_t done = 0; done < size;) {
    /* A host that never ceases to speak has its deadline too. */
    if (is_interrupted(dac) || g_get_monotonic_time() >= deadline) {
      HRESULT hr = await(dac, POLLIN, deadline, error);
      if (FAILED(hr))
        return hr;
    }
    ssize_t got = recv(dac->socket, (char *)data + done, size - done, MSG_DONTWAIT);
    if (got > 0) {
      done += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return host_is_gone(dac, error);
    } else {
      HRESULT hr = await(dac, POLLIN, deadline, error);
      if (FAILED(hr))
        return hr;
    }
  }
  return S_OK;
}

static gint64
deadline_of(const cordbg_dac *dac)
{
  return g_get_monotonic_time() + (gint64)dac->timeout_ms * 1000;
}

/* ---- Writes ---- */

bool
cordbg_dac_knows(const cordbg_dac *dac)
{
  return dac->stillness != 0 && dac->stillness == cordbg_tracer_stillness(dac->tracer);
}

static HRESULT
answer_write(cordbg_dac *dac, const cordbg_dac_header *header, gint64 deadline, cordbg_error *error)
{
  cordbg_dac_request request;
  struct {
    cordbg_dac_header header;
    cordbg_dac_reply reply;
  } answer = {.header = {.kind = CORDBG_DAC_WRITE, .size = sizeof answer.reply}};
  size_t written = 0;

  if (header->size < sizeof request || header->size - sizeof request > CORDBG_DAC_WRITE_MAX)
    return cordbg_dac_distrust(dac, "a write of a strange size", error);
  size_t size = header->size - sizeof request;
  g_autofree uint8_t *data = g_malloc(size + 1);
  HRESULT hr = receive(dac, &request, sizeof request, deadline, error);
  if (SUCCEEDED(hr))
    hr = receive(dac, data, size, deadline, error);
  if (FAILED(hr))
    return hr;
  bool knows = cordbg_dac_knows(dac);
  HRESULT may = cordbg_dac_may_write(dac, request.address, size, &answer.reply.error);
  if (may == S_OK)
    may = cordbg_tracer_write(dac->tracer, request.address, data, size, &written,
                              &answer.reply.error);
  if (knows) /* the DAC knows what it writes itself */
    dac->stillness = cordbg_tracer_stillness(dac->tracer);
  answer.reply.error.hr = may;
  struct iovec part = {&answer, sizeof answer};
  return transmit(dac, &part, 1, deadline, error);
}

/* ---- Questions ---- */

/* The reply to a request that was sent; the host's writes served in between. */
static HRESULT
take_reply(cordbg_dac *dac, const cordbg_dac_header *header, cordbg_dac_reply *reply,
           size_t *length, gint64 deadline, cordbg_error *error)
{
  cordbg_dac_header back;
  HRESULT hr = S_OK;

  while (SUCCEEDED(hr)) {
    hr = receive(dac, &back, sizeof back, deadline, error);
    if (FAILED(hr) || back.kind != CORDBG_DAC_WRITE)
      break;
    hr = answer_write(dac, &back, deadline, error);
  }
  if (FAILED(hr))
    return hr;
  if (back.kind != header->kind || back.number != header->number || back.size < sizeof *reply ||
      back.size > CORDBG_DAC_REPLY_MAX)
    return cordbg_dac_distrust(dac, "another question's header", error);
  hr = receive(dac, reply, sizeof *reply, deadline, error);
  if (FAILED(hr))
    return hr;
  reply->error.sentence[sizeof reply->error.sentence - 1] = '\0';
  *length = back.size - sizeof *reply;
  g_free(dac->body);
  dac->body = g_try_malloc(*length + 1);
  if (!dac->body)
    return cordbg_dac_distrust(dac, "too long", error);
  return receive(dac, dac->body, *length, deadline, error);
}

static HRESULT
exchange(cordbg_dac *dac, const cordbg_dac_header *header, const void *body, const void *more,
         size_t more_size, cordbg_dac_reply *reply, size_t *length, cordbg_error *error)
{
  gint64 deadline = deadline_of(dac);
  struct iovec parts[] = {{(void *)(uintptr_t)header, sizeof *header},
                          {(void *)(uintptr_t)body, header->size - more_size},
                          {(void *)(uintptr_t)more, more_size}};
  HRESULT hr = transmit(dac, parts, G_N_ELEMENTS(parts), deadline, error);

  return FAILED(hr) ? hr : take_reply(dac, header, reply, length, deadline, error);
}

/* The greeting's descriptor of the host's process; -1: none. */
static int
pidfd_of(struct msghdr *message)
{
  struct cmsghdr *rights = CMSG_FIRSTHDR(message);
  int pidfd = -1;

  if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
      rights->cmsg_len == CMSG_LEN(sizeof pidfd))
    memcpy(&pidfd, CMSG_DATA(rights), sizeof pidfd);
  return pidfd;
}

static ssize_t
receive_greeting(int socket, cordbg_dac_header *header, int *pidfd)
{
  struct iovec part = {header, sizeof *header};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

  *pidfd = got < 0 ? -1 : pidfd_of(&message);
  return got;
}

/* One that has not greeted yet finds the socket closed when it does, and ends. */
void
cordbg_dac_dismiss(int socket)
{
  cordbg_dac_header header;
  int pidfd;

  receive_greeting(socket, &header, &pidfd);
  if (pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, pidfd, 9 /* SIGKILL */, NULL, 0);
    close(pidfd);
  }
  close(socket);
}

static HRESULT
greet(cordbg_dac *dac, cordbg_error *error)
{
  cordbg_dac_header header = {0};
  HRESULT hr = await(dac, POLLIN, deadline_of(dac), error);

  if (FAILED(hr))
    return hr;
  if (receive_greeting(dac->socket, &header, &dac->pidfd) != (ssize_t)sizeof header)
    return host_is_gone(dac, error);
  dac->host_pid = (int)header.flags;
  if (header.kind != CORDBG_DAC_GREETING || header.number != CORDBG_DAC_PROTOCOL_VERSION) {
    end_host(dac);
    return cordbg_error_set(error, E_UNEXPECTED, EPROTO, 0,
                            CORDBG_DAC_HOST_NAME " speaks protocol %u, the library %u",
                            header.number, CORDBG_DAC_PROTOCOL_VERSION);
  }
  return S_OK;
}

/* The reply to START or TARGET, which are not sent by exchange. */
static HRESULT
hear(cordbg_dac *dac, const cordbg_dac_header *header, cordbg_error *error)
{
  cordbg_dac_reply reply;
  size_t length = 0;
  HRESULT hr = take_reply(dac, header, &reply, &length, deadline_of(dac), error);

  if (SUCCEEDED(hr) && FAILED(reply.error.hr)) {
    if (error)
      *error = reply.error;
    hr = reply.error.hr;
  }
  return hr;
}

static HRESULT
show_target(cordbg_dac *dac, cordbg_error *error)
{
  cordbg_dac_request_target target = {.base = dac->base};
  cordbg_dac_header header = {
      .kind = CORDBG_DAC_TARGET, .number = ++dac->number, .size = sizeof target};
  const int given[] = {cordbg_tracer_mem_fd(dac->tracer), cordbg_tracer_table_fd(dac->tracer)};

  if (!cordbg_dac_send(dac->socket, &header, &target, given, G_N_ELEMENTS(given)))
    return host_is_gone(dac, error);
  return hear(dac, &header, error);
}

/* begun: used up; NULL: it is started from the beginning. */
static HRESULT
start_host(cordbg_dac *dac, cordbg_dac_begun *begun, cordbg_error *error)
{
  const cordbg_dac_header start = {.kind = CORDBG_DAC_START};
  HRESULT hr = S_OK;

  dac->socket = begun ? cordbg_dac_finish(begun, dac->pid, dac->library) : -1;
  if (dac->socket < 0)
    hr = cordbg_dac_launch(dac->pid, dac->library, dac->timeout_ms, &dac->socket, error);
  if (FAILED(hr))
    return hr;
  dac->starts++;
  hr = greet(dac, error);
  if (SUCCEEDED(hr))
    hr = hear(dac, &start, error);
  if (SUCCEEDED(hr))
    hr = show_target(dac, error);
  if (FAILED(hr))
    end_host(dac);
  dac->flush = false;
  return hr;
}

/* ---- What the target is to keep, whatever becomes of the host ---- */

typedef struct wanted {
  uint64_t module;
  uint64_t token;
} wanted;

static guint
hash_wanted(gconstpointer data)
{
  const wanted *key = data;

  return (guint)(key->module >> 4) * 2654435761u + (guint)key->token;
}

static gboolean
equal_wanted(gconstpointer a, gconstpointer b)
{
  return memcmp(a, b, sizeof(wanted)) == 0;
}

void
cordbg_dac_note_wanted(cordbg_dac *dac, uint64_t module, const uint32_t *tokens, size_t count,
                       bool on)
{
  for (size_t i = 0; i < count; i++) {
    wanted key = {module, tokens[i]};
    if (on)
      g_hash_table_add(dac->wanted, g_memdup2(&key, sizeof key));
    else
      g_hash_table_remove(dac->wanted, &key);
  }
}

/* One question of a host that runs; its answer is empty. */
static HRESULT
tell(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request, const void *more,
     size_t more_size, cordbg_error *error)
{
  cordbg_dac_header header = {
      .kind = kind, .number = ++dac->number, .size = (uint32_t)(sizeof *request + more_size)};
  cordbg_dac_reply reply;
  size_t length = 0;

  return exchange(dac, &header, request, more, more_size, &reply, &length, error);
}

/*
 * The host before may have died while it wrote: flags and table entries are written again by its
 * successor. What the runtime refuses now (a module that is no more) is not asked for again.
 */
static HRESULT
rearm(cordbg_dac *dac, cordbg_error *error)
{
  cordbg_dac_request request = {.token = dac->flags};
  HRESULT hr = S_OK;
  GHashTableIter iterator;
  gpointer key;

  if (dac->flags_told)
    hr = tell(dac, CORDBG_DAC_NOTIFY, &request, NULL, 0, error);
  g_hash_table_iter_init(&iterator, dac->wanted);
  while (SUCCEEDED(hr) && g_hash_table_iter_next(&iterator, &key, NULL)) {
    const wanted *method = key;
    uint32_t token = (uint32_t)method->token;
    request = (cordbg_dac_request){.address = method->module, .token = 1};
    hr = tell(dac, CORDBG_DAC_WANT, &request, &token, sizeof token, error);
  }
  return hr;
}

/* ---- One question ---- */

static HRESULT
ask_once(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request, const void *more,
         size_t more_size, cordbg_dac_reply *reply, size_t *length, cordbg_error *error)
{
  cordbg_dac_header header = {.kind = kind, .size = (uint32_t)(sizeof *request + more_size)};
  HRESULT hr = S_OK;

  if (dac->socket < 0) {
    hr = start_host(dac, NULL, error);
    if (SUCCEEDED(hr))
      hr = rearm(dac, error);
  }
  if (FAILED(hr))
    return hr;
  header.number = ++dac->number;
  header.flags = dac->flush ? CORDBG_DAC_FLUSH : 0;
  if (cordbg_dac_is_kept(kind))
    header.flags |= CORDBG_DAC_KEEP;
  dac->flush = false;
  return exchange(dac, &header, request, more, more_size, reply, length, error);
}

/* What the answer says, and whether it is whole. */
static HRESULT
check_answer(cordbg_dac *dac, const cordbg_dac_reply *reply, size_t size, size_t length,
             cordbg_error *error)
{
  if (FAILED(reply->error.hr)) {
    if (error)
      *error = reply->error;
    return reply->error.hr;
  }
  if (reply->error.hr != S_OK && reply->error.hr != S_FALSE)
    return cordbg_dac_distrust(dac, "an unknown result", error);
  if (size && (uint64_t)reply->count * size > length)
    return cordbg_dac_distrust(dac, "shorter than its count", error);
  return reply->error.hr;
}

HRESULT
cordbg_dac_ask(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request,
               const void *more, size_t more_size, size_t size, const uint8_t **elements,
               size_t *count, size_t *length, cordbg_error *error)
{
  cordbg_dac_reply reply;

  if (is_interrupted(dac))
    return cordbg_error_set(error, E_ABORT, 0, 0, "questions to the DAC host are interrupted");
  HRESULT hr = cordbg_target_state(dac->target);
  if (FAILED(hr))
    return cordbg_error_set(error, hr, 0, 0, "the target is gone");
  if (!cordbg_dac_knows(dac))
    cordbg_dac_flush(dac);
  dac->stillness = cordbg_tracer_stillness(dac->tracer);
  if (cordbg_dac_is_kept(kind) && cordbg_dac_recall(dac, kind, elements, &reply, length)) {
    *count = reply.count;
    return check_answer(dac, &reply, size, *length, error);
  }
  hr = ask_once(dac, kind, request, more, more_size, &reply, length, error);
  /* Every question may be asked twice. One that ends two hosts is an error. */
  if (hr == HOST_CRASHED || hr == CORDBG_E_TIMEOUT)
    hr = ask_once(dac, kind, request, more, more_size, &reply, length, error);
  if (SUCCEEDED(hr) && cordbg_dac_is_kept(kind) && !cordbg_dac_keep(dac, kind, &reply, length))
    hr = cordbg_dac_distrust(dac, "pieces that cannot be", error);
  if (SUCCEEDED(hr))
    hr = check_answer(dac, &reply, size, *length, error);
  if (FAILED(hr))
    return hr;
  *elements = dac->body;
  *count = reply.count;
  return hr;
}

/* ---- Life ---- */

uint32_t
cordbg_dac_timeout(uint32_t asked)
{
  const char *text = getenv("CORDBG_DAC_TIMEOUT");
  unsigned long value = asked ? asked : text ? strtoul(text, NULL, 10) : DEFAULT_TIMEOUT_MS;

  return value == 0 || value > MAX_TIMEOUT_MS ? DEFAULT_TIMEOUT_MS : (uint32_t)value;
}

static HRESULT
make(cordbg_target *target, const char *library, uint64_t base, uint32_t timeout_ms,
     cordbg_dac_begun *begun, cordbg_dac **ret, cordbg_error *error)
{
  cordbg_dac *dac = g_new0(cordbg_dac, 1);

  dac->target = cordbg_target_ref(target);
  dac->tracer = cordbg_target_tracer(target);
  dac->pid = cordbg_target_pid(target);
  dac->library = g_strdup(library);
  dac->base = base;
  dac->timeout_ms = cordbg_dac_timeout(timeout_ms);
  dac->socket = dac->pidfd = -1;
  dac->wanted = g_hash_table_new_full(hash_wanted, equal_wanted, g_free, NULL);
  HRESULT hr = start_host(dac, begun, error);
  if (FAILED(hr)) {
    cordbg_dac_destroy(dac);
    return hr;
  }
  *ret = dac;
  return S_OK;
}

HRESULT
cordbg_dac_start(cordbg_target *target, const char *library, uint64_t base, uint32_t timeout_ms,
                 cordbg_dac **ret, cordbg_error *error)
{
  return make(target, library, base, timeout_ms, NULL, ret, error);
}

HRESULT
cordbg_dac_start_begun(cordbg_target *target, const char *library, uint64_t base,
                       cordbg_dac_begun *begun, cordbg_dac **ret, cordbg_error *error)
{
  return make(target, library, base, 0, begun, ret, error);
}

void
cordbg_dac_destroy(cordbg_dac *dac)
{
  if (!dac)
    return;
  end_host(dac);
  cordbg_target_unref(dac->target);
  g_hash_table_unref(dac->wanted);
  g_free(dac->library);
  g_free(dac->body);
  g_free(dac);
}

void
cordbg_dac_leave(cordbg_dac *dac)
{
  dac->leaving = true;
}

void
cordbg_dac_flush(cordbg_dac *dac)
{
  dac->flush = true;
  cordbg_dac_doubt_kept(dac);
}

int
cordbg_dac_host_pid(const cordbg_dac *dac)
{
  return dac->host_pid;
}

unsigned
cordbg_dac_starts(const cordbg_dac *dac)
{
  return dac->starts;
}

HRESULT
cordbg_dac_look(int pid, const char *library, cordbg_error *error)
{
  int fd = -1;
  HRESULT hr = cordbg_dac_open_file(pid, library, &fd, error);

  if (fd >= 0)
    close(fd);
  return hr;
}
