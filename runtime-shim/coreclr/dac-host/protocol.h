/* SPDX-License-Identifier: MIT */
/*
 * What the client's end (../dac.c) and the DAC host say to each other, over one stream socket.
 *
 * Each message is a header, then a body of `size` bytes more. The host greets first, with a
 * descriptor that stands for its process; the client sends START, which it may do before it traces
 * the target, then TARGET, then requests, one at a time. While
 * the host works on one it may ask the client to WRITE for it, and waits for the answer. A reply
 * repeats the request's kind and number; its body is an array of `count` elements that dac.h or the
 * text below lays out.
 *
 * Both are of one build (the version says so), so structures cross as they are. The client believes
 * nothing: sizes, counts, kinds and ranges are checked, booleans are bytes.
 */
#ifndef CORDBG_DAC_HOST_PROTOCOL_H
#define CORDBG_DAC_HOST_PROTOCOL_H

#include <stdint.h>
#include <sys/user.h>

#include "cordbg/com/error.h"
#include "runtime-shim/coreclr/dac.h"

#define CORDBG_DAC_PROTOCOL_VERSION 4u
#define CORDBG_DAC_REQUEST_MAX (64u << 10)
#define CORDBG_DAC_REPLY_MAX (64u << 20)
#define CORDBG_DAC_WRITE_MAX (64u << 10)
#define CORDBG_DAC_GROUPS_MAX 1024u
#define CORDBG_DAC_FRAMES_MAX 32u /* of one reply */

/* Of the host's descriptors; the others come by the socket. */
enum { CORDBG_DAC_FD_SOCKET = 3 };

typedef enum cordbg_dac_kind {
  CORDBG_DAC_GREETING = 1, /* host: version in number, pid in flags. + SCM_RIGHTS: its pidfd */
  CORDBG_DAC_START,        /* body: cordbg_dac_request_start. + the DAC's file, checked */
  CORDBG_DAC_TARGET,       /* body: cordbg_dac_request_target. + the target's /proc/PID/mem and the
                              patch table, read-only */
  CORDBG_DAC_MODULES,      /* -> cordbg_dac_wire_module, each followed by its strings */
  CORDBG_DAC_MODULE_AT,    /* address. -> the same; S_FALSE */
  CORDBG_DAC_DOMAIN,       /* -> cordbg_dac_wire_domain and its name */
  CORDBG_DAC_THREADS,      /* -> cordbg_dac_thread */
  CORDBG_DAC_STATE,        /* -> cordbg_dac_state */
  CORDBG_DAC_CODES,        /* address: Module; token. -> cordbg_dac_code */
  CORDBG_DAC_CODE_AT,      /* address. -> cordbg_dac_code; S_FALSE */
  CORDBG_DAC_IL_MAP,       /* address. -> cordbg_rt_map; S_FALSE */
  CORDBG_DAC_METHOD_AT,    /* address: MethodDesc. -> cordbg_dac_method */
  CORDBG_DAC_NOTIFY,       /* token: the flags */
  CORDBG_DAC_WANT,         /* address: Module; token: wanted or not; then uint32_t tokens[] */
  CORDBG_DAC_DECODE,       /* -> cordbg_dac_notification; S_FALSE */
  CORDBG_DAC_UNWIND,       /* token: innermost; registers. -> cordbg_dac_wire_frame, and those of
                              the callers as far as they are managed; S_FALSE */
  CORDBG_DAC_NEXT_MANAGED, /* registers. -> struct user_regs_struct; S_FALSE */
  CORDBG_DAC_SOUND,        /* -> uint32_t: 0 while a collection changes the structures */
  CORDBG_DAC_WRITE,        /* host: address; then the bytes. -> empty reply with the result */
} cordbg_dac_kind;

enum { /* flags of a request */
       CORDBG_DAC_FLUSH = 1, /* the target ran since the last one */
       CORDBG_DAC_KEEP = 2,  /* tell what the answer is made of */
};

typedef struct cordbg_dac_header {
  uint32_t kind;
  uint32_t number;
  uint32_t size; /* of what follows the header */
  uint32_t flags;
} cordbg_dac_header;

typedef struct cordbg_dac_request_start {
  uint32_t timeout_ms;
  uint32_t become; /* 1: take the credentials below */
  uint32_t uid, gid;
  uint32_t group_count;
  uint32_t groups[CORDBG_DAC_GROUPS_MAX];
} cordbg_dac_request_start;

typedef struct cordbg_dac_request_target {
  uint64_t base; /* of libcoreclr */
} cordbg_dac_request_target;

/* The body of every other request, and of WRITE. */
typedef struct cordbg_dac_request {
  uint64_t address;
  uint32_t token;
  int32_t tid;
  struct user_regs_struct registers;
} cordbg_dac_request;

/* The body of every reply begins with this. */
typedef struct cordbg_dac_reply {
  cordbg_error error; /* hr: the request's result, S_FALSE too */
  uint32_t count;
  uint32_t pieces; /* KEEP: behind the elements, cordbg_dac_wire_piece[pieces] and then the bytes
                      of each; 0: the answer is not to be kept */
  uint32_t piece_bytes; /* of all of them */
  uint32_t pad;
} cordbg_dac_reply;

/* [address, address + size) of the target's memory, in the pristine view. */
typedef struct cordbg_dac_wire_piece {
  uint64_t address, size;
} cordbg_dac_wire_piece;

typedef struct cordbg_dac_wire_module {
  uint64_t module, assembly, domain;
  uint64_t base, size;
  uint64_t metadata, metadata_size;
  uint32_t flags;
  uint32_t flat;
  uint8_t mvid[16];
  uint32_t path_size, name_size, assembly_name_size; /* of the strings, without a NUL, in order */
  uint32_t pad;
} cordbg_dac_wire_module;

typedef struct cordbg_dac_wire_domain {
  uint64_t domain;
  uint32_t number;
  uint32_t name_size;
} cordbg_dac_wire_domain;

typedef struct cordbg_dac_wire_frame {
  uint32_t kind; /* cordbg_rt_frame_kind */
  uint32_t pad;
  cordbg_dac_code code;
  struct user_regs_struct caller;
} cordbg_dac_wire_frame;

#endif
