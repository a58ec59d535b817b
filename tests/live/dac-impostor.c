/* SPDX-License-Identifier: MIT */
/* A DAC host that misbehaves, each question in its own way (dac-resilience.c asks). */
#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-host/protocol.h"

static void
take(void *buffer, size_t size)
{
  if (size && recv(CORDBG_DAC_FD_SOCKET, buffer, size, MSG_WAITALL) != (ssize_t)size)
    _exit(0);
}

static void
give(const void *buffer, size_t size)
{
  if (send(CORDBG_DAC_FD_SOCKET, buffer, size, MSG_NOSIGNAL) != (ssize_t)size)
    _exit(0);
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
  } control = {.bytes = {0}};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof self);
  memcpy(CMSG_DATA(rights), &self, sizeof self);
  if (sendmsg(CORDBG_DAC_FD_SOCKET, &message, MSG_NOSIGNAL) < 0)
    _exit(1);
  close(self);
}

/* A reply of count elements, of which `size` bytes come. */
static void
reply(const cordbg_dac_header *request, HRESULT hr, uint32_t count, const void *elements,
      uint32_t size)
{
  struct {
    cordbg_dac_header header;
    cordbg_dac_reply reply;
  } answer;

  memset(&answer, 0, sizeof answer);
  answer.header = *request;
  answer.header.flags = 0;
  answer.header.size = (uint32_t)sizeof answer.reply + size;
  answer.reply.error.hr = hr;
  answer.reply.count = count;
  give(&answer, sizeof answer);
  if (size)
    give(elements, size);
}

static HRESULT
have_written(uint64_t address)
{
  struct {
    cordbg_dac_header header;
    cordbg_dac_request request;
    uint8_t bytes[8];
  } message;
  struct {
    cordbg_dac_header header;
    cordbg_dac_reply reply;
  } answer;

  memset(&message, 0xee, sizeof message);
  message.header = (cordbg_dac_header){.kind = CORDBG_DAC_WRITE,
                                       .size = sizeof message.request + sizeof message.bytes};
  message.request.address = address;
  give(&message, sizeof message);
  take(&answer, sizeof answer);
  return answer.reply.error.hr;
}

static void
serve(const cordbg_dac_header *header, const cordbg_dac_request *request)
{
  cordbg_dac_wire_domain domain = {.domain = 1, .name_size = 1u << 30};
  const cordbg_rt_map map[] = {{5, 10, 20}, {6, 15, 30}};
  cordbg_dac_header other = *header;

  switch (header->kind) {
  case CORDBG_DAC_MODULES: /* crashes */
    _exit(9);
  case CORDBG_DAC_CODE_AT: /* hangs */
    for (;;)
      pause();
  case CORDBG_DAC_METHOD_AT: /* writes where it is told to */
    reply(header, have_written(request->address), 0, NULL, 0);
    return;
  case CORDBG_DAC_THREADS: /* more elements than it sends */
    reply(header, S_OK, 1u << 30, NULL, 0);
    return;
  case CORDBG_DAC_DOMAIN: /* a string longer than what it sends */
    reply(header, S_OK, 1, &domain, sizeof domain);
    return;
  case CORDBG_DAC_STATE: /* answers something else */
    other.number++;
    reply(&other, S_OK, 0, NULL, 0);
    return;
  case CORDBG_DAC_IL_MAP: /* ranges that overlap */
    reply(header, S_OK, 2, map, sizeof map);
    return;
  default:
    reply(header, S_OK, 0, NULL, 0);
  }
}

int
main(void)
{
  static _Alignas(16) uint8_t body[CORDBG_DAC_REQUEST_MAX];

  greet();
  for (;;) {
    cordbg_dac_header header;
    take(&header, sizeof header);
    if (header.size > sizeof body)
      return 2;
    take(body, header.size);
    serve(&header, (const cordbg_dac_request *)(const void *)body);
  }
}
