/* SPDX-License-Identifier: MIT */
/* What the files of the DAC host share. main.c has the page that explains it. */
#ifndef CORDBG_DAC_HOST_HOST_H
#define CORDBG_DAC_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "cordbg/memory/patch-table.h"
#include "runtime-shim/coreclr/dac-host/protocol.h"
#include "runtime-shim/coreclr/dac-host/structures.h"

#define HOST_PAGE 4096u
#define HOST_PAGES 512u


#define HOST_IMAGES 4096u
#define HOST_BODIES 64u
#define HOST_THREADS 64u

/* Bounds of what an answer that is to be kept may be made of. */
#define HOST_PIECES 8192u
#define HOST_PIECE_BYTES (4u << 20)
typedef struct host_record host_record; /* record.c */

typedef struct host_image {
  uint64_t base, size;
} host_image;

typedef struct host_thread {
  int32_t tid; /* 0: none */
  uint64_t thread;
} host_thread;

/* A body of code that was described. */
typedef struct host_body {
  cordbg_dac_code code; /* size 0: none */
  uint64_t gc_info;
} host_body;

typedef HRESULT (*host_create_instance)(REFIID iid, ICLRDataTarget *target, void **object);

typedef struct dac_host {
  int given[2]; /* the descriptors that came with the request in progress; -1: none */
  host_create_instance create; /* of the DAC; NULL: it is not loaded */
  int memory; /* /proc/PID/mem of the target */
  cordbg_patch_table table;
  uint64_t base; /* of libcoreclr */
  uint32_t timeout_ms;
  ICLRDataTarget target;
  ICLRRuntimeLocator locator;
  uint64_t page_addresses[HOST_PAGES]; /* 1: none */
  uint8_t (*pages)[HOST_PAGE];         /* HOST_PAGES, what was read since the target ran last */
  host_record *record; /* NULL: nothing was recorded yet */

  IXCLRDataProcess *process;
  ISOSDacInterface *sos;
  ISOSDacInterface4 *sos4;
  ISOSDacInterface5 *sos5;

  cordbg_dac_request request; /* the one in progress */
  HRESULT write_result;       /* of the last write that the client refused; S_OK */
  cordbg_error write_error;

  /* Until the target runs: images with ReadyToRun code, bodies and threads met by stacks. */
  host_image images[HOST_IMAGES];
  unsigned image_count;
  host_body bodies[HOST_BODIES];
  unsigned next_body;
  host_thread threads[HOST_THREADS];
  ULONG32 context_size; /* of the DAC's CONTEXT; 0: not asked for yet */

  uint8_t *answer; /* header, cordbg_dac_reply, elements */
  size_t answer_size, answer_room;
  uint32_t answer_count;
} dac_host;

/* ---- main.c ---- */

/* Adds bytes to the answer; an element is counted by host_count. */
void host_add(dac_host *host, const void *data, size_t size);
void host_count(dac_host *host);
/* An element of fixed size. */
void host_add_element(dac_host *host, const void *data, size_t size);
/* Has the client write; S_OK, or why not. */
HRESULT host_write(dac_host *host, uint64_t address, const void *data, size_t size);
HRESULT host_set(cordbg_error *error, HRESULT hr, const char *what);

/* ---- confine.c ---- */

/* Gives up what is not needed to read through the descriptors: credentials, then system calls. */
HRESULT host_drop_privileges(const cordbg_dac_request_start *start, cordbg_error *error);
HRESULT host_filter_system_calls(cordbg_error *error);

/* ---- target.c ---- */

void host_make_target(dac_host *host);
/* The pristine view. Returns the bytes read from the start. */
size_t host_read(dac_host *host, uint64_t address, void *buffer, size_t size);
void host_forget_pages(dac_host *host);
/* AMD64 CONTEXT from the registers of the request, and back. */
void host_context_from(CONTEXT *context, const struct user_regs_struct *registers);
void host_context_to(const CONTEXT *context, struct user_regs_struct *registers);

/* ---- record.c ---- */

/* Everything is forgotten (FLUSH): what is read from now on is what answers are made of. wanted: it
 * is recorded. */
void host_record_begin(dac_host *host, bool wanted);
void host_record_read(dac_host *host, uint64_t address, const void *data, size_t size);
/* No answer before the next flush is to be kept. */
void host_record_spoil(dac_host *host);
/* Adds the pieces and then their bytes to the answer, if it is to be kept. */
void host_add_record(dac_host *host, cordbg_dac_reply *reply);

/* ---- load.c ---- */

/* Loads the DAC from the open file, then gives up what it no longer needs (confine.c). */
HRESULT host_load(dac_host *host, int file, cordbg_error *error);
/* Has the DAC look at the target. */
HRESULT host_create(dac_host *host, cordbg_error *error);

/* ---- The requests ---- */

HRESULT host_modules(dac_host *host, cordbg_error *error);
HRESULT host_module_at(dac_host *host, cordbg_error *error);
HRESULT host_domain(dac_host *host, cordbg_error *error);
HRESULT host_threads(dac_host *host, cordbg_error *error);
HRESULT host_state(dac_host *host, cordbg_error *error);
HRESULT host_sound(dac_host *host, cordbg_error *error);
HRESULT host_codes(dac_host *host, cordbg_error *error);
HRESULT host_code_at(dac_host *host, cordbg_error *error);
HRESULT host_il_map(dac_host *host, cordbg_error *error);
HRESULT host_method_at(dac_host *host, cordbg_error *error);
HRESULT host_notify(dac_host *host, cordbg_error *error);
HRESULT host_want(dac_host *host, const uint32_t *tokens, size_t count, cordbg_error *error);
HRESULT host_decode(dac_host *host, cordbg_error *error);
HRESULT host_unwind(dac_host *host, cordbg_error *error);
HRESULT host_next_managed(dac_host *host, cordbg_error *error);

/* code.c, for notify.c and stacks.c. S_FALSE: no code there. */
HRESULT host_describe_code(dac_host *host, uint64_t address, bool tier, cordbg_dac_code *ret);
HRESULT host_describe_method(dac_host *host, uint64_t method_desc, cordbg_dac_method *ret);
/* modules.c: the Module behind the interface; 0: unknown. */
uint64_t host_module_address(IXCLRDataModule *module);
/* modules.c: the mapped image that holds address. S_FALSE: none. */
HRESULT host_image_of(dac_host *host, uint64_t address, uint64_t *base);
/* code.c: the body's GC information; 0: none. */
uint64_t host_gc_info(dac_host *host, uint64_t address);
/* unwind.c: from registers in a body of code to its caller's. */
HRESULT host_unwind_code(dac_host *host, const cordbg_dac_code *code, uint64_t gc_info,
                         bool innermost, struct user_regs_struct *registers, cordbg_error *error);
/* stacks.c: what was kept until the target runs. */
void host_forget_stacks(dac_host *host);

#endif
