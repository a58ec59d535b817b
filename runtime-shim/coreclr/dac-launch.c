/* SPDX-License-Identifier: MIT */
/*
 * How a DAC host is started: its process, then the DAC's file, checked, with the request to load
 * it.
 *
 * A host's start takes longer than all else of an attach, and neither needs the tracer nor that the
 * target stands still: only the credentials of the target and a file. So an attach begins it on a
 * thread of its own, before it starts the tracer; what shows the target (its memory, the patch
 * table) follows when there is one.
 *
 *   cordbg_dac_begin --thread--> process runs --file checked--> START sent
 *        |                                                          |
 *        '-- cordbg_dac_start_begun (joins the thread) <------------'--> greeting, reply, TARGET
 *        '-- cordbg_dac_abandon (joins the thread, ends the host)
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cordbg/tracer/spawn.h"
#include "runtime-shim/coreclr/dac-private.h"

struct cordbg_dac_begun {
  pthread_t thread;
  int pid;
  char *library;
  int socket; /* of the thread until it is joined; -1: the host could not be started */
};

bool
cordbg_dac_send(int socket, const cordbg_dac_header *header, const void *body, const int *given,
                size_t count)
{
  struct iovec parts[] = {{(void *)(uintptr_t)header, sizeof *header},
                          {(void *)(uintptr_t)body, header->size}};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(CORDBG_DAC_GIVEN_MAX * sizeof(int))];
  } control = {.bytes = {0}};
  struct msghdr message = {.msg_iov = parts,
                           .msg_iovlen = 2,
                           .msg_control = control.bytes,
                           .msg_controllen = CMSG_SPACE(count * sizeof *given)};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  ssize_t sent;

  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(count * sizeof *given);
  memcpy(CMSG_DATA(rights), given, count * sizeof *given);
  do
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)(sizeof *header + header->size);
}

static HRESULT
ask_to_load(int socket, int pid, const char *library, uint32_t timeout_ms, cordbg_error *error)
{
  g_autofree cordbg_dac_request_start *start = g_new0(cordbg_dac_request_start, 1);
  cordbg_dac_header header = {.kind = CORDBG_DAC_START, .size = sizeof *start};
  int file = -1;
  HRESULT hr = cordbg_dac_open_file(pid, library, &file, error);

  if (FAILED(hr))
    return hr;
  start->timeout_ms = timeout_ms;
  hr = cordbg_dac_credentials(pid, start, error);
  if (SUCCEEDED(hr) && !cordbg_dac_send(socket, &header, start, &file, 1))
    hr = cordbg_error_set_errno(error, errno, 0, "the DAC host cannot be told what to load");
  close(file);
  return hr;
}

HRESULT
cordbg_dac_launch(int pid, const char *library, uint32_t timeout_ms, int *ret, cordbg_error *error)
{
  char *environment[] = {(char *)(uintptr_t) "ASAN_OPTIONS=detect_leaks=0", NULL};
  int pair[2];

  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return cordbg_error_set_errno(error, errno, 0, "no socket for " CORDBG_DAC_HOST_NAME);
  HRESULT hr = cordbg_helper_start(CORDBG_DAC_HOST_NAME, &pair[1], 1, environment, error);
  close(pair[1]);
  if (SUCCEEDED(hr))
    hr = ask_to_load(pair[0], pid, library, timeout_ms, error);
  if (FAILED(hr))
    close(pair[0]); /* which ends a host that waits for what to load */
  else
    *ret = pair[0];
  return hr;
}

/* ---- Ahead of the attach ---- */

static void *
begin(void *data)
{
  cordbg_dac_begun *begun = data;

  /* Why it fails is told by the attach, which then tries itself. */
  if (FAILED(cordbg_dac_launch(begun->pid, begun->library, cordbg_dac_timeout(0), &begun->socket,
                               NULL)))
    begun->socket = -1;
  return NULL;
}

cordbg_dac_begun *
cordbg_dac_begin(int pid, const char *library)
{
  cordbg_dac_begun *begun = g_new0(cordbg_dac_begun, 1);
  sigset_t all, before;

  begun->pid = pid;
  begun->library = g_strdup(library);
  begun->socket = -1;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool runs = pthread_create(&begun->thread, NULL, begin, begun) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (runs)
    return begun;
  g_free(begun->library);
  g_free(begun);
  return NULL;
}

int
cordbg_dac_finish(cordbg_dac_begun *begun, int pid, const char *library)
{
  pthread_join(begun->thread, NULL);
  int socket = begun->socket;
  if (socket >= 0 && (begun->pid != pid || strcmp(begun->library, library) != 0)) {
    cordbg_dac_dismiss(socket);
    socket = -1;
  }
  g_free(begun->library);
  g_free(begun);
  return socket;
}

void
cordbg_dac_abandon(cordbg_dac_begun *begun)
{
  if (!begun)
    return;
  int socket = cordbg_dac_finish(begun, begun->pid, begun->library);
  if (socket >= 0)
    cordbg_dac_dismiss(socket);
}
