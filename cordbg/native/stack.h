/* SPDX-License-Identifier: MIT */
/*
 * Mixed stacks: the frames of one thread, native and managed, from where it stands to its start,
 * and the names of what runs in them. stack.c opens with how a walk decides.
 *
 * An unwinder is one process's: what it has learned of the loaded images (unwind data, symbols,
 * lines) serves all walks, and is looked at again when images come and go. Walks need the thread to
 * stand still: stopped by the tracer, or asleep.
 *
 * Threads: any; calls on one unwinder take turns. Not with the lock of a session held: managed
 * frames are asked of it (managed-frames.h).
 */
#ifndef CORDBG_NATIVE_STACK_H
#define CORDBG_NATIVE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "cordbg/com/error.h"
#include "cordbg/memory/target.h"

typedef struct cordbg_unwinder cordbg_unwinder;

typedef enum cordbg_frame_kind {
  CORDBG_FRAME_NATIVE,
  CORDBG_FRAME_MANAGED,
  CORDBG_FRAME_STUB,   /* code that the runtime made for itself */
  CORDBG_FRAME_SIGNAL, /* the kernel's: the frame outwards of it was interrupted */
} cordbg_frame_kind;

typedef struct cordbg_frame {
  cordbg_frame_kind kind;
  /* As they are in this frame. PC, SP and the callee-saved ones hold; the others are those of the
     last frame inwards that is known to have had them. */
  struct user_regs_struct registers;
  uint64_t cfa;   /* the SP that the caller has after the return; 0: not known (the last frame) */
  bool returns;   /* the PC is a return address: what runs here is the call before it */
  bool guessed;   /* its caller was found without unwind data */
  bool after_gap; /* frames between this one and the one inwards of it could not be unwound */
} cordbg_frame;

/* How a walk ended. */
typedef enum cordbg_stack_end {
  CORDBG_STACK_WHOLE, /* at the thread's start */
  CORDBG_STACK_LOST,  /* the last frame's caller could not be found */
  CORDBG_STACK_FULL,  /* the caller's array is */
} cordbg_stack_end;

/*
 * Where a walk reads the target's memory. As many bytes as can be read from address on: their
 * count, 0 for none. NULL in place of one of these: cordbg's own reading.
 */
typedef struct cordbg_stack_memory {
  size_t (*read)(void *data, uint64_t address, void *buffer, size_t size);
  void *data;
} cordbg_stack_memory;

/*
 * The unwinder of a session's target, made by the first call; memory is read as pristine. It lives
 * with the target, whose reference the caller has; there is nothing to free.
 */
HRESULT cordbg_target_unwinder(cordbg_target *target, cordbg_unwinder **ret, cordbg_error *error);

/* One of a process without a session: native frames only, memory as it is. */
HRESULT cordbg_unwinder_create(int pid, cordbg_unwinder **ret, cordbg_error *error);
void cordbg_unwinder_destroy(cordbg_unwinder *unwinder); /* not a target's; NULL allowed */

/*
 * The stack of thread tid, which stands still with these registers. At most capacity frames, the
 * innermost first; *count > 0 on success. *end tells whether it is whole; when it is
 * CORDBG_STACK_LOST, error has the reason although S_OK is returned.
 * memory NULL: cordbg's own. Errors: the process is gone, E_INVALIDARG (capacity 0).
 */
HRESULT cordbg_stack_walk(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory, int32_t tid,
                          const struct user_regs_struct *registers, cordbg_frame *frames,
                          size_t capacity, size_t *count, cordbg_stack_end *end,
                          cordbg_error *error);

/*
 * One step of the same: *frame, of which registers and returns are given, gets the rest; *caller is
 * the frame outwards of it. S_FALSE: *frame is the thread's first, *caller is untouched. An error:
 * the caller cannot be found.
 */
HRESULT cordbg_stack_step(cordbg_unwinder *unwinder, const cordbg_stack_memory *memory, int32_t tid,
                          cordbg_frame *frame, cordbg_frame *caller, cordbg_error *error);

enum {
  CORDBG_PLACE_LINE = 1,      /* source file and line too: may have to read debug information */
  CORDBG_PLACE_MANGLED = 2,   /* C++ names as they stand in the file */
  CORDBG_PLACE_NO_SYMBOL = 4, /* a native place without its symbol: its table is not read */
};

/* What an address is. Strings are the unwinder's, valid until the next call on it; never NULL. */
typedef struct cordbg_place {
  cordbg_frame_kind kind; /* NATIVE, MANAGED or STUB */
  const char *module;     /* path, as the target names it; "" when in no module */
  uint64_t module_base;   /* address of its first byte, 0: none */
  const char *symbol;     /* function, Namespace.Class.Method; "" not known */
  uint64_t symbol_start;  /* its address in the target */
  uint64_t symbol_size;   /* bytes; 0: not known */
  uint64_t offset;        /* of the address from symbol_start; without a symbol from module_base */
  bool exported;          /* the symbol is in the module's dynamic symbols */
  uint32_t token;         /* MANAGED: mdMethodDef */
  int32_t il_offset;      /* MANAGED: < 0: not known */
  const char *file;       /* source file; "" not known */
  uint32_t line;          /* from 1; 0: not known */
  uint32_t column;        /* from 1; 0: not known */
  uint64_t line_start;    /* the first address of that line's code; 0: not known */
} cordbg_place;

/*
 * wanted: CORDBG_PLACE_... S_OK, S_FALSE: in no module and no managed code (*ret says so too).
 * cordbg_stack_describe looks at the call of a frame that is to be returned to.
 */
HRESULT cordbg_place_at(cordbg_unwinder *unwinder, uint64_t address, uint32_t wanted,
                        cordbg_place *ret, cordbg_error *error);
HRESULT cordbg_stack_describe(cordbg_unwinder *unwinder, const cordbg_frame *frame, uint32_t wanted,
                              cordbg_place *ret, cordbg_error *error);

#endif
