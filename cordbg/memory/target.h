/* SPDX-License-Identifier: MIT */
/*
 * A process under debug, as everything above the tracer sees it: its pid, its memory by view, its
 * tracer. Opaque; target-private.h is for the memory room alone.
 *
 * Counted references; each function may be called on any thread. After the process ended or the
 * session detached a target stays valid and answers with errors: CORDBG_E_PROCESS_TERMINATED or
 * CORDBG_E_OBJECT_NEUTERED.
 */
#ifndef CORDBG_MEMORY_TARGET_H
#define CORDBG_MEMORY_TARGET_H

#include "cordbg/com/error.h"
#include "cordbg/memory/maps.h"
#include "cordbg/memory/patch-table.h"
#include "cordbg/tracer/client.h"

typedef struct cordbg_target cordbg_target;

/*
 * Makes the target of an attached tracer and enters it into the registry (pid -> target), which
 * lets the doors find the session of a pid. Takes over the tracer: the last unref destroys it.
 * One target a pid: fails with CORDBG_E_DEBUGGER_ALREADY_ATTACHED when the registry has a live one.
 * After a failure the tracer is still the caller's.
 */
HRESULT cordbg_target_create(cordbg_tracer *tracer, cordbg_target **ret, cordbg_error *error);
cordbg_target *cordbg_target_ref(cordbg_target *target);
void cordbg_target_unref(cordbg_target *target);
/* The session of a pid with a reference of the caller's, or NULL. */
cordbg_target *cordbg_target_lookup(int pid);
/* Takes the target out of the registry (detach, exit); it stays readable as far as it is alive. */
void cordbg_target_retire(cordbg_target *target);

int cordbg_target_pid(const cordbg_target *target);
cordbg_tracer *cordbg_target_tracer(cordbg_target *target);
/*
 * What the native room keeps for a target: made by the first call, freed with the target. make gets
 * no reference, and its product must take none. Always the same functions; any thread.
 */
void *cordbg_target_companion(cordbg_target *target, void *(*make)(cordbg_target *target),
                              void (*destroy)(void *companion));
/* S_OK while it can be read, else the HRESULT that tells why not. */
HRESULT cordbg_target_state(const cordbg_target *target);

/*
 * Reads [address, address + size) as the view shows it, uncached, running or stopped. As many
 * bytes as are readable from address on: *read (never NULL) is their count, bytes behind it are
 * untouched. S_OK: all; S_FALSE: the first *read > 0 of them, error tells the address of the hole;
 * CORDBG_E_READVIRTUAL_FAILURE: none. E_INVALIDARG: the range wraps, or buffer NULL with size > 0.
 * size 0: S_OK. PROT_NONE mappings are not readable, whatever the route.
 */
HRESULT cordbg_target_read(cordbg_target *target, cordbg_view view, uint64_t address, void *buffer,
                           size_t size, size_t *read, cordbg_error *error);

/* All or an error; the buffer is unspecified after an error. For small structures. */
HRESULT cordbg_target_read_exact(cordbg_target *target, cordbg_view view, uint64_t address,
                                 void *buffer, size_t size, cordbg_error *error);

/*
 * A string of at most max bytes that ends with a NUL; allocated with g_malloc, NUL-terminated.
 * E_INVALIDARG when no NUL was met within max bytes.
 */
HRESULT cordbg_target_read_string(cordbg_target *target, uint64_t address, size_t max, char **ret,
                                  cordbg_error *error);

/*
 * A stretch of a target's memory that one thread wants to come from elsewhere for a while: the
 * stack of a walk whose caller reads memory by a routine of its own. read gives as many bytes from
 * address on as it has, 0 for none.
 */
typedef struct cordbg_read_through {
  cordbg_target *target;
  uint64_t start;
  uint64_t end; /* exclusive */
  size_t (*read)(void *data, uint64_t address, void *buffer, size_t size);
  void *data;
  size_t most;    /* bytes of a read that goes there; 0: any */
  bool or_itself; /* what cannot be had there is read from the target */
} cordbg_read_through;

/*
 * From now on cordbg_target_read and cordbg_target_read_exact of the calling thread, in the
 * pristine view, have what lies wholly in the stretch from there; NULL: no more. through is
 * borrowed. Not for longer than a call: it does not nest.
 */
void cordbg_target_read_through(const cordbg_read_through *through);

/* One range of a batch. read and status are filled: status as cordbg_target_read returns it. */
typedef struct cordbg_read_range {
  uint64_t address;
  void *buffer;
  size_t size;
  size_t read;
  HRESULT status;
} cordbg_read_range;

/*
 * Reads many ranges, in as few vectored system calls as may be. S_OK: all whole; S_FALSE: at least
 * one range is partial or empty, see each; or the error that stopped the batch.
 */
HRESULT cordbg_target_read_batch(cordbg_target *target, cordbg_view view, cordbg_read_range *ranges,
                                 size_t count, cordbg_error *error);

/*
 * Writes behind the traps. *written (never NULL): bytes written from the start. S_OK: all; S_FALSE:
 * the first *written > 0; CORDBG_E_WRITEVIRTUAL_FAILURE: none; E_INVALIDARG as for reading.
 */
HRESULT cordbg_target_write(cordbg_target *target, uint64_t address, const void *data, size_t size,
                            size_t *written, cordbg_error *error);

/*
 * The mapping that contains address (or_next: else the next one above). As cordbg_maps_find and
 * cordbg_maps_find_next, for the address space that the process has now; any thread.
 */
HRESULT cordbg_target_find_mapping(cordbg_target *target, uint64_t address, bool or_next,
                                   cordbg_mapping *ret, char *path, size_t path_size,
                                   cordbg_error *error);

/*
 * ICorDebugProcess::ReadMemory and WriteMemory (icordebug-memory.c), with the results that
 * docs/icordebug.md lists: the method of an object that is neutered answers before it calls these.
 * read and written may be NULL. The last error is remembered.
 */
HRESULT cordbg_icordebug_read_memory(cordbg_target *target, uint64_t address, DWORD size,
                                     BYTE *buffer, SIZE_T *read);
HRESULT cordbg_icordebug_write_memory(cordbg_target *target, uint64_t address, DWORD size,
                                      const BYTE *buffer, SIZE_T *written);
/* The former in another view: cordbg.h's cordbg_read. E_INVALIDARG for a view that is none. */
HRESULT cordbg_icordebug_read_view(cordbg_target *target, cordbg_view view, uint64_t address,
                                   DWORD size, BYTE *buffer, SIZE_T *read);

#endif
