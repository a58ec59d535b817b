/* SPDX-License-Identifier: MIT */
/*
 * What the unwinder asks of a runtime, turned around: this room may not call the runtime's shim, so
 * whoever prepared one registers these functions with the target, and a walk calls them where it
 * meets code that no ELF image describes. Plain data; the shapes are those of runtime.h.
 *
 * Threads. The functions are called on the thread that walks, possibly on several at once: the
 * provider locks what it needs (a session its own lock). Nobody may therefore walk, describe or
 * register while he holds that lock.
 */
#ifndef CORDBG_NATIVE_MANAGED_FRAMES_H
#define CORDBG_NATIVE_MANAGED_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/target.h"

typedef struct cordbg_managed_frame {
  bool stub;      /* made by the runtime, no method: trampolines, thunks, wrappers */
  uint64_t start; /* of the body of code; 0: not known */
  uint64_t size;  /* of it, bytes; 0: not known */
  struct user_regs_struct caller; /* the caller's registers: see cordbg_rt_frame */
} cordbg_managed_frame;

enum {
  CORDBG_MANAGED_PLACE_NAME_MAX = 1024,
  CORDBG_MANAGED_PLACE_PATH_MAX = 1024,
};

/* What a managed address is. Strings are NUL-terminated UTF-8, cut where they are longer. */
typedef struct cordbg_managed_place {
  char name[CORDBG_MANAGED_PLACE_NAME_MAX]; /* Namespace.Class.Method; "" not known */
  char module[CORDBG_MANAGED_PLACE_PATH_MAX];
  uint64_t module_base;                     /* of its image in the target; 0: none */
  uint32_t token;                           /* mdMethodDef; 0: not known */
  uint64_t start;                           /* of the body of code, in the target */
  uint64_t size;                            /* of it */
  int32_t il_offset;                        /* < 0: not known, see CORDBG_RT_IL_* */
  char file[CORDBG_MANAGED_PLACE_PATH_MAX]; /* "": no line is known */
  uint32_t line;                            /* from 1 */
  uint32_t column;                          /* from 1; 0: not known */
} cordbg_managed_place;

typedef struct cordbg_managed_frames {
  void *data;
  /* Counts who may still call the functions. ref is called with the registration's lock held and
     must not call back. */
  void (*ref)(void *data);
  void (*unref)(void *data);

  /* As cordbg_runtime_ops.unwind. S_FALSE: the PC is not in code of the runtime's making. */
  HRESULT(*unwind)
  (void *data, int32_t tid, const struct user_regs_struct *registers, bool innermost,
   cordbg_managed_frame *ret, cordbg_error *error);
  /* As cordbg_runtime_ops.next_managed. S_FALSE: none. */
  HRESULT(*next_managed)
  (void *data, int32_t tid, const struct user_regs_struct *registers, struct user_regs_struct *ret,
   cordbg_error *error);
  /*
   * The method whose code holds address. For a return address the caller passes the address before
   * it. with_line: file, line and column are wanted too. S_FALSE: it is no method's code.
   */
  HRESULT(*describe)
  (void *data, uint64_t address, bool with_line, cordbg_managed_place *ret, cordbg_error *error);
} cordbg_managed_frames;

/*
 * Makes the walks of a target see managed frames from now on; a reference of data is taken. NULL:
 * no more; when this returns no new call into the former provider begins (one in progress holds
 * its reference). Any thread.
 */
void cordbg_target_set_managed_frames(cordbg_target *target, const cordbg_managed_frames *frames);

#endif
