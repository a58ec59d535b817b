/* SPDX-License-Identifier: MIT */
/* The client's end of the tracer (client.h). */
#include "config.h"

#include "cordbg/tracer/client-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cordbg/tracer/spawn.h"

/* How long to look for a packet before sleeping, when the last event came within FAST_NS: waking
   from sleep on an idle CPU takes some fifty microseconds, and two sleepers must find back to
   looking.
 */
#define LOOK_NS 60000u
#define FAST_NS 240000u
/* For the end of a tracer that has nothing left to do. */
#define END_PATIENCE_MS 30000

static uint64_t
now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* recvmsg of one packet with at most one descriptor. */
static ssize_t
receive(int fd, void *buffer, size_t size, int flags, int *descriptor)
{
  struct iovec part = {buffer, size};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  int received = -1;
  ssize_t length = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  if (length >= 0) {
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof received))
      memcpy(&received, CMSG_DATA(header), sizeof received);
  }
  if (descriptor != NULL)
    *descriptor = received;
  else if (received >= 0)
    close(received);
  return length;
}

static HRESULT
tracer_is_gone(cordbg_tracer *tracer, cordbg_error *error)
{
  tracer->gone = true;
  return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, EPIPE, 0,
                          "the tracer process has ended");
}

/* It is stopped: since now, or still, when no CONTINUE was sent since that was last told. */
static void
now_still(cordbg_tracer *tracer)
{
  uint64_t running = 0;
  atomic_compare_exchange_strong(&tracer->stillness, &running, ++tracer->changes);
}

uint64_t
cordbg_tracer_stillness(const cordbg_tracer *tracer)
{
  return tracer->stillness;
}

/* After a request: it may have ended what was learnt of a target that stands still. */
static void
may_change(cordbg_tracer *tracer, uint32_t kind)
{
  if ((kind == CORDBG_REQUEST_WRITE || kind == CORDBG_REQUEST_SET_REGISTERS ||
       kind == CORDBG_REQUEST_CALL) &&
      tracer->stillness != 0)
    tracer->stillness = ++tracer->changes;
  if (kind == CORDBG_REQUEST_DETACH || kind == CORDBG_REQUEST_TERMINATE)
    tracer->stillness = 0;
}

static HRESULT
send_request(cordbg_tracer *tracer, const void *request, size_t size, cordbg_error *error)
{
  if (tracer->gone)
    return tracer_is_gone(tracer, error);
  while (send(tracer->request_fd, request, size, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR)
      return tracer_is_gone(tracer, error);
  }
  return S_OK;
}

/* A tracer whose target stands still looks for requests and answers most within microseconds: as in
   cordbg_tracer_next_event, looking is cheaper than sleeping then. */
static ssize_t
receive_reply(cordbg_tracer *tracer, int *descriptor)
{
  uint64_t look_until = tracer->can_look && tracer->stillness != 0 ? now_ns() + LOOK_NS : 0;
  ssize_t got;
  do {
    bool look = look_until != 0 && now_ns() < look_until;
    got = receive(tracer->request_fd, tracer->packet, sizeof tracer->packet,
                  look ? MSG_DONTWAIT : 0, descriptor);
    if (got < 0 && errno == EAGAIN)
      sched_yield(); /* the scheduler likes to put the two on one CPU */
  } while (got < 0 && (errno == EINTR || errno == EAGAIN));
  return got;
}

HRESULT
cordbg_tracer_transact(cordbg_tracer *tracer, void *request, size_t size, size_t minimum,
                       size_t *length, int *fd, cordbg_error *error)
{
  cordbg_request_header *header = request;
  header->id = ++tracer->next_id;
  HRESULT sent = send_request(tracer, request, size, error);
  if (FAILED(sent))
    return sent;
  int descriptor = -1;
  ssize_t got = receive_reply(tracer, &descriptor);
  if (got < 0)
    return tracer_is_gone(tracer, error);
  const cordbg_reply_header *reply = (const cordbg_reply_header *)tracer->packet;
  bool valid = (size_t)got >= sizeof *reply && reply->id == header->id &&
               reply->kind == header->kind && (FAILED(reply->error.hr) || (size_t)got >= minimum);
  if (fd != NULL)
    *fd = descriptor;
  else if (descriptor >= 0)
    close(descriptor);
  if (!valid)
    return tracer_is_gone(tracer, error);
  if (length != NULL)
    *length = (size_t)got;
  may_change(tracer, header->kind);
  if (FAILED(reply->error.hr) && error != NULL) {
    *error = reply->error;
    error->sentence[sizeof error->sentence - 1] = '\0';
  }
  return reply->error.hr;
}

/* A request whose reply has no body that matters. */
static HRESULT
transact_simply(cordbg_tracer *tracer, void *request, size_t size, cordbg_error *error)
{
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr =
      cordbg_tracer_transact(tracer, request, size, sizeof(cordbg_reply_header), NULL, NULL, error);
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

static HRESULT
transact_header(cordbg_tracer *tracer, cordbg_request_kind kind, cordbg_error *error)
{
  cordbg_request_header request = {.kind = kind};
  return transact_simply(tracer, &request, sizeof request, error);
}

/* ---- Start and end ---- */

static HRESULT
greet(cordbg_tracer *tracer, cordbg_error *error)
{
  cordbg_request_hello request = {.header = {.kind = CORDBG_REQUEST_HELLO},
                                  .magic = CORDBG_PROTOCOL_MAGIC,
                                  .version = CORDBG_PROTOCOL_VERSION};
  int table = -1;
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request, sizeof(cordbg_reply_hello),
                                      NULL, &table, error);
  if (SUCCEEDED(hr)) {
    const cordbg_reply_hello *reply = (const cordbg_reply_hello *)tracer->packet;
    tracer->tracer_pid = reply->tracer_pid;
    if (reply->version != CORDBG_PROTOCOL_VERSION)
      hr = cordbg_error_set(error, E_UNEXPECTED, EPROTO, 0,
                            "the tracer speaks protocol %u, the library %u", reply->version,
                            CORDBG_PROTOCOL_VERSION);
    else
      hr = cordbg_patch_table_map(&tracer->table, table, error);
  }
  if (SUCCEEDED(hr))
    tracer->table_fd = table;
  else if (table >= 0)
    close(table);
  return hr;
}

HRESULT
cordbg_tracer_start(cordbg_tracer **ret, cordbg_error *error)
{
  int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  HRESULT hr = S_OK;
  cordbg_tracer *tracer = calloc(1, sizeof *tracer);
  if (tracer == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for a tracer");
  pthread_mutex_init(&tracer->lock, NULL);
  tracer->mem_fd = -1;
  tracer->table_fd = -1;
  tracer->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
  bool made = self >= 0 && tracer->interrupt_fd >= 0;
  for (int i = 0; made && i < 3; i++)
    made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[i]) == 0;
  if (!made)
    hr = cordbg_error_set_errno(error, errno, 0, "cannot make the sockets to a tracer: %s",
                                strerror(errno));
  if (SUCCEEDED(hr)) {
    const int theirs[4] = {pairs[0][1], pairs[1][1], pairs[2][1], self};
    hr = cordbg_tracer_spawn(theirs, error);
  }
  for (int i = 0; i < 3; i++) {
    if (pairs[i][1] >= 0)
      close(pairs[i][1]);
  }
  if (self >= 0)
    close(self);
  tracer->request_fd = pairs[0][0];
  for (int i = 0; i < 2; i++)
    tracer->events[i] = (cordbg_event_socket){.fd = pairs[i + 1][0],
                                              .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  cpu_set_t cpus;
  tracer->can_look = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
  if (SUCCEEDED(hr))
    hr = greet(tracer, error);
  if (FAILED(hr)) {
    cordbg_tracer_destroy(tracer);
    return hr;
  }
  *ret = tracer;
  return S_OK;
}

void
cordbg_tracer_destroy(cordbg_tracer *tracer)
{
  if (tracer == NULL)
    return;
  if (tracer->pid != 0 && !tracer->gone)
    cordbg_tracer_detach(tracer, NULL);
  if (tracer->table.header != NULL)
    cordbg_patch_table_unmap(&tracer->table);
  const int descriptors[] = {
      tracer->request_fd,        tracer->events[0].fd,     tracer->events[1].fd,
      tracer->interrupt_fd,      tracer->mem_fd,           tracer->table_fd,
      tracer->events[0].wake_fd, tracer->events[1].wake_fd};
  for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
    if (descriptors[i] >= 0)
      close(descriptors[i]);
  }
  pthread_mutex_destroy(&tracer->lock);
  free(tracer);
}

const cordbg_patch_table *
cordbg_tracer_patch_table(const cordbg_tracer *tracer)
{
  return &tracer->table;
}

int
cordbg_tracer_mem_fd(const cordbg_tracer *tracer)
{
  return tracer->mem_fd;
}

int
cordbg_tracer_table_fd(const cordbg_tracer *tracer)
{
  return tracer->table_fd;
}

int
cordbg_tracer_pid(const cordbg_tracer *tracer)
{
  return tracer->pid;
}

int
cordbg_tracer_tracer_pid(const cordbg_tracer *tracer)
{
  return tracer->tracer_pid;
}

void
cordbg_tracer_set_mem(cordbg_tracer *tracer, int mem)
{
  int before = tracer->mem_fd;
  if (before < 0) {
    tracer->mem_fd = mem;
    return;
  }
  /* Readers on other threads may hold the number: it stays, what it means changes at once. */
  dup3(mem, before, O_CLOEXEC);
  close(mem);
}

/* ---- Requests ---- */

HRESULT
cordbg_tracer_attach(cordbg_tracer *tracer, int pid, cordbg_error *error)
{
  cordbg_request_attach request = {.header = {.kind = CORDBG_REQUEST_ATTACH}, .pid = pid};
  int mem = -1;
  if (pid == getpid())
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "a process cannot debug itself");
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request, sizeof(cordbg_reply_attach),
                                      NULL, &mem, error);
  if (SUCCEEDED(hr)) {
    tracer->pid = pid;
    if (mem >= 0)
      cordbg_tracer_set_mem(tracer, mem);
  }
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

HRESULT
cordbg_tracer_stop(cordbg_tracer *tracer, cordbg_reply_stop *state, cordbg_error *error)
{
  cordbg_request_header request = {.kind = CORDBG_REQUEST_STOP};
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr =
      cordbg_tracer_transact(tracer, &request, sizeof request, sizeof *state, NULL, NULL, error);
  if (SUCCEEDED(hr) && state != NULL)
    memcpy(state, tracer->packet, sizeof *state);
  if (SUCCEEDED(hr))
    now_still(tracer);
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

HRESULT
cordbg_tracer_continue(cordbg_tracer *tracer, cordbg_error *error)
{
  cordbg_request_header request = {.kind = CORDBG_REQUEST_CONTINUE};
  pthread_mutex_lock(&tracer->lock);
  tracer->stillness = 0;
  HRESULT hr = send_request(tracer, &request, sizeof request, error);
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

/* pidfd: of the tracer, -1: it has ended. Readable when its tracees are released. */
static HRESULT
await_end_of_tracer(const cordbg_tracer *tracer, int pidfd, cordbg_error *error)
{
  struct pollfd polled = {.fd = pidfd, .events = POLLIN};
  uint64_t end = now_ns() + (uint64_t)END_PATIENCE_MS * 1000000u;
  int ready = pidfd < 0;
  while (ready <= 0 && now_ns() < end)
    ready = poll(&polled, 1, END_PATIENCE_MS);
  if (ready > 0)
    return S_OK;
  return cordbg_error_set(error, CORDBG_E_TIMEOUT, ETIMEDOUT, 0,
                          "the tracer %d of process %d does not end", tracer->tracer_pid,
                          tracer->pid);
}

HRESULT
cordbg_tracer_detach(cordbg_tracer *tracer, cordbg_error *error)
{
  int pidfd = (int)syscall(SYS_pidfd_open, tracer->tracer_pid, 0);
  HRESULT hr = transact_header(tracer, CORDBG_REQUEST_DETACH, error);
  if (hr == S_FALSE)
    hr = await_end_of_tracer(tracer, pidfd, error);
  if (pidfd >= 0)
    close(pidfd);
  return hr;
}

HRESULT
cordbg_tracer_terminate(cordbg_tracer *tracer, cordbg_error *error)
{
  return transact_header(tracer, CORDBG_REQUEST_TERMINATE, error);
}

static HRESULT
plant_or_remove(cordbg_tracer *tracer, cordbg_request_kind kind, cordbg_layer layer,
                const uint64_t *addresses, size_t count, cordbg_plant_result *results,
                cordbg_error *error)
{
  HRESULT hr = S_OK;
  size_t most = count < CORDBG_PLANT_MAX ? count : CORDBG_PLANT_MAX;
  cordbg_request_plant *request = malloc(sizeof *request + most * sizeof addresses[0]);
  if (request == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for a request");
  pthread_mutex_lock(&tracer->lock);
  for (size_t done = 0; SUCCEEDED(hr) && done < count;) {
    size_t part = count - done < most ? count - done : most;
    *request =
        (cordbg_request_plant){.header = {.kind = kind}, .layer = layer, .count = (uint32_t)part};
    memcpy(request->addresses, addresses + done, part * sizeof addresses[0]);
    hr = cordbg_tracer_transact(tracer, request, sizeof *request + part * sizeof addresses[0],
                                sizeof(cordbg_reply_plant) + part * sizeof results[0], NULL, NULL,
                                error);
    if (SUCCEEDED(hr))
      memcpy(results + done, ((const cordbg_reply_plant *)tracer->packet)->results,
             part * sizeof results[0]);
    done += part;
  }
  pthread_mutex_unlock(&tracer->lock);
  free(request);
  return hr;
}

HRESULT
cordbg_tracer_plant(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                    size_t count, cordbg_plant_result *results, cordbg_error *error)
{
  return plant_or_remove(tracer, CORDBG_REQUEST_PLANT, layer, addresses, count, results, error);
}

HRESULT
cordbg_tracer_remove(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                     size_t count, cordbg_plant_result *results, cordbg_error *error)
{
  return plant_or_remove(tracer, CORDBG_REQUEST_REMOVE, layer, addresses, count, results, error);
}

HRESULT
cordbg_tracer_write(cordbg_tracer *tracer, uint64_t address, const void *data, size_t size,
                    size_t *written, cordbg_error *error)
{
  HRESULT hr = S_OK;
  *written = 0;
  if (address + size < address)
    return cordbg_error_set(error, E_INVALIDARG, EFAULT, address, "the range wraps");
  size_t most = size < CORDBG_WRITE_MAX ? size : CORDBG_WRITE_MAX;
  cordbg_request_write *request = malloc(sizeof *request + most);
  if (request == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for a request");
  pthread_mutex_lock(&tracer->lock);
  while (SUCCEEDED(hr) && *written < size) {
    size_t part = size - *written < most ? size - *written : most, length = 0;
    *request = (cordbg_request_write){.header = {.kind = CORDBG_REQUEST_WRITE},
                                      .address = address + *written,
                                      .size = (uint32_t)part};
    memcpy(request->data, (const uint8_t *)data + *written, part);
    hr = cordbg_tracer_transact(tracer, request, sizeof *request + part, sizeof(cordbg_reply_write),
                                &length, NULL, error);
    if (length < sizeof(cordbg_reply_write))
      break;
    uint64_t done = ((const cordbg_reply_write *)tracer->packet)->written;
    *written += done <= part ? (size_t)done : 0;
    if (SUCCEEDED(hr) && done != part)
      hr = tracer_is_gone(tracer, error);
  }
  pthread_mutex_unlock(&tracer->lock);
  free(request);
  return hr;
}

HRESULT
cordbg_tracer_get_registers(cordbg_tracer *tracer, int tid, cordbg_registers *ret,
                            cordbg_error *error)
{
  cordbg_request_registers request = {.header = {.kind = CORDBG_REQUEST_REGISTERS}, .tid = tid};
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request,
                                      sizeof(cordbg_reply_registers), NULL, NULL, error);
  if (SUCCEEDED(hr))
    *ret = ((const cordbg_reply_registers *)tracer->packet)->registers;
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

HRESULT
cordbg_tracer_set_registers(cordbg_tracer *tracer, int tid, const cordbg_registers *registers,
                            cordbg_error *error)
{
  cordbg_request_set_registers request = {
      .header = {.kind = CORDBG_REQUEST_SET_REGISTERS}, .tid = tid, .registers = *registers};
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_threads(cordbg_tracer *tracer, cordbg_thread_info **ret, size_t *count,
                      cordbg_error *error)
{
  cordbg_request_header request = {.kind = CORDBG_REQUEST_THREADS};
  size_t length;
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request,
                                      sizeof(cordbg_reply_threads), &length, NULL, error);
  if (SUCCEEDED(hr)) {
    const cordbg_reply_threads *reply = (const cordbg_reply_threads *)tracer->packet;
    size_t most = (length - sizeof *reply) / sizeof reply->threads[0];
    size_t number = reply->count < most ? reply->count : most;
    cordbg_thread_info *threads = malloc(number * sizeof *threads + 1);
    if (threads == NULL) {
      hr = cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for the threads");
    } else {
      memcpy(threads, reply->threads, number * sizeof *threads);
      *ret = threads;
      *count = number;
    }
  }
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

HRESULT
cordbg_tracer_call(cordbg_tracer *tracer, const cordbg_call *call, uint64_t *result,
                   cordbg_error *error)
{
  if (call->data_size > 4096)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "a call carries at most 4096 bytes");
  cordbg_request_call *request = calloc(1, sizeof *request + call->data_size);
  if (request == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, ENOMEM, 0, "no memory for a request");
  request->header.kind = CORDBG_REQUEST_CALL;
  request->tid = call->tid;
  request->flags = call->flags;
  request->function = call->function;
  memcpy(request->arguments, call->arguments, sizeof request->arguments);
  request->timeout_ms = call->timeout_ms;
  request->data_size = call->data_size;
  if (call->data_size > 0)
    memcpy(request->data, call->data, call->data_size);
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, request, sizeof *request + call->data_size,
                                      sizeof(cordbg_reply_call), NULL, NULL, error);
  if (SUCCEEDED(hr))
    *result = ((const cordbg_reply_call *)tracer->packet)->result;
  pthread_mutex_unlock(&tracer->lock);
  free(request);
  return hr;
}

HRESULT
cordbg_tracer_kick(cordbg_tracer *tracer, int tid, cordbg_error *error)
{
  cordbg_request_kick request = {.header = {.kind = CORDBG_REQUEST_KICK}, .tid = tid};
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_on_cleanup(cordbg_tracer *tracer, const cordbg_cleanup_word *words, size_t count,
                         int kick_tid, cordbg_error *error)
{
  cordbg_request_on_cleanup request = {.header = {.kind = CORDBG_REQUEST_ON_CLEANUP},
                                       .kick_tid = kick_tid,
                                       .count = (uint32_t)count};
  if (count > CORDBG_CLEANUP_WORDS_MAX)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "at most %u words",
                            CORDBG_CLEANUP_WORDS_MAX);
  if (count > 0)
    memcpy(request.words, words, count * sizeof words[0]);
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_own_traps(cordbg_tracer *tracer, uint64_t start, uint64_t end, cordbg_error *error)
{
  cordbg_request_own_traps request = {
      .header = {.kind = CORDBG_REQUEST_OWN_TRAPS}, .start = start, .end = end};
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_set_passes(cordbg_tracer *tracer, const cordbg_pass *passes, size_t count,
                         cordbg_error *error)
{
  cordbg_request_passes request = {.header = {.kind = CORDBG_REQUEST_PASSES},
                                   .count = (uint32_t)count};
  if (count > CORDBG_PASSES_MAX)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "at most %u kinds of hits pass",
                            CORDBG_PASSES_MAX);
  if (count > 0)
    memcpy(request.passes, passes, count * sizeof passes[0]);
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = send_request(tracer, &request, sizeof request, error);
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

HRESULT
cordbg_tracer_want_signals(cordbg_tracer *tracer, uint32_t wanted, uint64_t signals,
                           cordbg_error *error)
{
  cordbg_request_events request = {
      .header = {.kind = CORDBG_REQUEST_EVENTS}, .wanted = wanted, .signals = signals};
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_want_events(cordbg_tracer *tracer, uint32_t wanted, cordbg_error *error)
{
  return cordbg_tracer_want_signals(tracer, wanted, 0, error);
}

HRESULT
cordbg_tracer_set_signal(cordbg_tracer *tracer, int tid, int number, cordbg_error *error)
{
  cordbg_request_signal request = {
      .header = {.kind = CORDBG_REQUEST_SIGNAL}, .tid = tid, .number = number};
  return transact_simply(tracer, &request, sizeof request, error);
}

HRESULT
cordbg_tracer_statistics(cordbg_tracer *tracer, cordbg_statistics *ret, cordbg_error *error)
{
  cordbg_request_header request = {.kind = CORDBG_REQUEST_STATISTICS};
  pthread_mutex_lock(&tracer->lock);
  HRESULT hr = cordbg_tracer_transact(tracer, &request, sizeof request,
                                      sizeof(cordbg_reply_statistics), NULL, NULL, error);
  if (SUCCEEDED(hr))
    *ret = ((const cordbg_reply_statistics *)tracer->packet)->statistics;
  pthread_mutex_unlock(&tracer->lock);
  return hr;
}

/* ---- Events ---- */

/* One event if there is one. S_FALSE: none; failure: the tracer is gone. */
static HRESULT
take_event(cordbg_tracer *tracer, cordbg_event_socket *socket, cordbg_event *event,
           cordbg_error *error)
{
  cordbg_event taken;
  int mem = -1;
  ssize_t got = receive(socket->fd, &taken, sizeof taken, MSG_DONTWAIT, &mem);
  if (got == (ssize_t)sizeof taken) {
    if (mem >= 0)
      cordbg_tracer_set_mem(tracer, mem);
    if (taken.flags & CORDBG_EVENT_STOPS)
      now_still(tracer);
    *event = taken;
    return S_OK;
  }
  if (mem >= 0)
    close(mem);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return S_FALSE;
  return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, EPIPE, 0,
                          "the tracer process has ended");
}

HRESULT
cordbg_tracer_next_event(cordbg_tracer *tracer, cordbg_event_channel channel, int timeout_ms,
                         cordbg_event *event, cordbg_error *error)
{
  cordbg_event_socket *socket = &tracer->events[channel];
  uint64_t start = now_ns();
  uint64_t end = timeout_ms < 0 ? UINT64_MAX : start + (uint64_t)timeout_ms * 1000000u;
  uint64_t look_until = start + (socket->events_come_fast ? LOOK_NS : 0);
  while (!tracer->interrupted) {
    struct pollfd polled[3] = {{.fd = socket->fd, .events = POLLIN},
                               {.fd = tracer->interrupt_fd, .events = POLLIN},
                               {.fd = socket->wake_fd, .events = POLLIN}};
    HRESULT hr = take_event(tracer, socket, event, error);
    uint64_t now = now_ns();
    if (hr == S_OK)
      socket->events_come_fast = tracer->can_look && now - start < FAST_NS;
    if (hr == S_OK || FAILED(hr))
      return hr;
    if (now < look_until)
      continue;
    if (now >= end)
      return S_FALSE;
    struct timespec left = {.tv_sec = (time_t)((end - now) / 1000000000u),
                            .tv_nsec = (long)((end - now) % 1000000000u)};
    int ready = ppoll(polled, 3, timeout_ms < 0 ? NULL : &left, NULL);
    if (ready > 0 && polled[1].revents != 0)
      return S_FALSE;
    uint64_t wakes;
    if (ready > 0 && polled[2].revents != 0 &&
        read(socket->wake_fd, &wakes, sizeof wakes) == (ssize_t)sizeof wakes)
      return S_FALSE;
  }
  return S_FALSE;
}

static void
signal_eventfd(int fd)
{
  const uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
    continue;
}

void
cordbg_tracer_interrupt(cordbg_tracer *tracer)
{
  tracer->interrupted = true;
  signal_eventfd(tracer->interrupt_fd); /* never read: it stays readable for each later wait */
}

bool
cordbg_tracer_interrupted(const cordbg_tracer *tracer)
{
  return tracer->interrupted;
}

int
cordbg_tracer_interrupt_fd(const cordbg_tracer *tracer)
{
  return tracer->interrupt_fd;
}

void
cordbg_tracer_wake(cordbg_tracer *tracer, cordbg_event_channel channel)
{
  signal_eventfd(tracer->events[channel].wake_fd);
}
