/* SPDX-License-Identifier: MIT */
/* What the files of the DAC host's client end share. dac.c has the page. */
#ifndef CORDBG_RUNTIME_SHIM_CORECLR_DAC_PRIVATE_H
#define CORDBG_RUNTIME_SHIM_CORECLR_DAC_PRIVATE_H

#include <glib.h>
#include <stdatomic.h>

#include "runtime-shim/coreclr/dac-host/protocol.h"
#include "runtime-shim/coreclr/dac.h"

/* A frame that was unwound: from these registers. */
typedef struct cordbg_dac_unwound {
  int32_t tid;
  bool innermost;
  struct user_regs_struct before;
  cordbg_dac_wire_frame frame;
} cordbg_dac_unwound;

typedef struct cordbg_dac_range {
  uint64_t start, end;
} cordbg_dac_range;

/* Questions whose answers are kept while what they were made of stays. */
enum { CORDBG_DAC_KEPT_MODULES, CORDBG_DAC_KEPT_SOUND, CORDBG_DAC_KEPT_COUNT };

/* A piece of the target's memory: where its bytes are in `seen`, and come to lie in `now`. */
typedef struct cordbg_dac_kept_piece {
  uint64_t address;
  size_t size;
  size_t seen, now;
} cordbg_dac_kept_piece;

typedef struct cordbg_dac_kept {
  bool sure; /* the target did not run since the pieces were as they were */
  cordbg_dac_reply reply;
  uint8_t *answer;
  size_t length;
  uint8_t *seen;
  cordbg_dac_kept_piece *pieces; /* by address */
  size_t piece_count;
  cordbg_read_range *spans; /* into `now` */
  size_t span_count;
  uint8_t *now;
} cordbg_dac_kept;

struct cordbg_dac {
  cordbg_target *target;
  cordbg_tracer *tracer;
  int pid;
  char *library;
  uint64_t base;
  uint32_t timeout_ms;
  bool leaving; /* interruptions do not count any more */

  int socket; /* -1: no host */
  int pidfd;
  int host_pid;
  unsigned starts;
  uint32_t number;    /* of the last request */
  bool flush;         /* the target ran since the last request */
  uint64_t stillness; /* of the target, at the last request */

  /* What the target was told to keep: written again by a host that follows another. */
  bool flags_told;
  uint32_t flags;
  GHashTable *wanted; /* of {module, token} */

  /* Frames told so far, until the target runs. */
  cordbg_dac_unwound unwound[CORDBG_DAC_FRAMES_MAX];
  unsigned unwound_count;

  cordbg_dac_kept *kept[CORDBG_DAC_KEPT_COUNT]; /* NULL: none */

  uint8_t *body;               /* of the last reply, g_malloc'ed */
  cordbg_dac_range globals[4]; /* the runtime's writable data, once it was looked for */
  unsigned globals_count;
  uint64_t written_start, written_end; /* the block that was allowed last */
};

/* ---- dac-launch.c ---- */

#define CORDBG_DAC_HOST_NAME "cordbg-dac"
#define CORDBG_DAC_GIVEN_MAX 2 /* descriptors of one message */

/* One message that begins what the host does, with the descriptors (1 to GIVEN_MAX) that it needs. */
bool cordbg_dac_send(int socket, const cordbg_dac_header *header, const void *body,
                     const int *given, size_t count);
/* A host that was told what to load: START, number 0. *socket is the caller's. Any thread. */
HRESULT cordbg_dac_launch(int pid, const char *library, uint32_t timeout_ms, int *socket,
                          cordbg_error *error);
/* Its socket, the caller's; -1: there is no such host. begun is used up. */
int cordbg_dac_finish(cordbg_dac_begun *begun, int pid, const char *library);
/* dac.c: ends a host of which nothing but its socket is known. */
void cordbg_dac_dismiss(int socket);
/* dac.c: how long to wait for an answer, in milliseconds. */
uint32_t cordbg_dac_timeout(uint32_t asked);

/* dac-file.c: opens the DAC of a runtime, checked; *fd is the caller's. */
HRESULT cordbg_dac_open_file(int pid, const char *library, int *fd, cordbg_error *error);
/* dac-file.c: the credentials of the target. */
HRESULT cordbg_dac_credentials(int pid, cordbg_dac_request_start *start, cordbg_error *error);
/* dac-write.c: may the host have this written? S_OK, or the refusal. */
HRESULT cordbg_dac_may_write(cordbg_dac *dac, uint64_t address, size_t size, cordbg_error *error);

/* ---- dac-kept.c ---- */

/* Is the answer to this question one that is kept? */
bool cordbg_dac_is_kept(cordbg_dac_kind kind);
/*
 * Keeps the answer in dac->body, of which *length bytes are told; *length is made what the elements
 * take. false: the pieces behind them make no sense.
 */
bool cordbg_dac_keep(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_reply *reply,
                     size_t *length);
/* The kept answer, when all that it was made of is as it was. It is valid until the next ask. */
bool cordbg_dac_recall(cordbg_dac *dac, cordbg_dac_kind kind, const uint8_t **elements,
                       cordbg_dac_reply *reply, size_t *length);
/* The target ran, or memory is to be looked at anew: what is kept has to be compared again. */
void cordbg_dac_doubt_kept(cordbg_dac *dac);
/* Nothing is kept any more. */
void cordbg_dac_drop_kept(cordbg_dac *dac);

/* Has the DAC seen the target as it is now? What it learnt before is forgotten otherwise. */
bool cordbg_dac_knows(const cordbg_dac *dac);

/*
 * One request and its reply. *elements points at `count` elements of at least `size` bytes each,
 * valid until the next one; *length: bytes there. more (nullable): what follows the request's body.
 */
HRESULT cordbg_dac_ask(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_request *request,
                       const void *more, size_t more_size, size_t size, const uint8_t **elements,
                       size_t *count, size_t *length, cordbg_error *error);
/* dac.c: methods that are to be in the runtime's notification table, or no longer. */
void cordbg_dac_note_wanted(cordbg_dac *dac, uint64_t module, const uint32_t *tokens, size_t count,
                            bool on);
/* The answer makes no sense: the host is ended. */
HRESULT cordbg_dac_distrust(cordbg_dac *dac, const char *what, cordbg_error *error);

#endif
