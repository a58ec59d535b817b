/* SPDX-License-Identifier: MIT */
/*
 * The target: a process under debug, for everything above the tracer.
 *
 * Why it exists: the doors, the runtime shims and the unwinder all need the same three things of a
 * process (its bytes by view, its tracer, whether it is still there), and must agree about them.
 *
 * States, all of them derived and none stored here:
 *
 *   alive --process reaped--> ended      reads answer CORDBG_E_PROCESS_TERMINATED
 *     '----session detached--> neutered  reads answer CORDBG_E_OBJECT_NEUTERED
 *
 * The tracer's gone flag tells which. When the tracer itself was killed nobody sets it: the owner
 * retires the target then, and reads look at a pidfd from that moment on.
 *
 * Invariants
 *   - the pid means the process that was attached to for as long as reads succeed.
 *   - the registry has the target from its making to its retirement or end.
 *   - the tracer lives as long as the target.
 */
#include "config.h"

#include "cordbg/memory/target-private.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

HRESULT
cordbg_target_create(cordbg_tracer *tracer, cordbg_target **ret, cordbg_error *error)
{
  int pid = cordbg_tracer_pid(tracer);
  if (pid <= 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "the tracer is attached to no process");
  cordbg_target *target = g_new0(cordbg_target, 1);
  static _Atomic uint64_t serials;
  atomic_init(&target->references, 1);
  target->serial = atomic_fetch_add(&serials, 1) + 1;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  cordbg_reader_init(&target->reader, pid, pidfd, tracer);
  HRESULT hr = cordbg_registry_enter(target, error);
  if (FAILED(hr)) {
    cordbg_reader_deinit(&target->reader);
    g_free(target);
    return hr;
  }
  target->tracer = tracer;
  /* While permissions are what they were at the attach: the maps stay readable through it. */
  cordbg_mapping mapping;
  (void)cordbg_reader_find_mapping(&target->reader, 0, true, &mapping, NULL, 0, NULL);
  *ret = target;
  return S_OK;
}

cordbg_target *
cordbg_target_ref(cordbg_target *target)
{
  atomic_fetch_add_explicit(&target->references, 1, memory_order_relaxed);
  return target;
}

bool
cordbg_target_try_ref(cordbg_target *target)
{
  int count = atomic_load_explicit(&target->references, memory_order_relaxed);
  while (count > 0) {
    if (atomic_compare_exchange_weak_explicit(&target->references, &count, count + 1,
                                              memory_order_acquire, memory_order_relaxed))
      return true;
  }
  return false;
}

void
cordbg_target_unref(cordbg_target *target)
{
  if (target == NULL ||
      atomic_fetch_sub_explicit(&target->references, 1, memory_order_acq_rel) != 1)
    return;
  cordbg_registry_leave(target);
  void *companion = atomic_load_explicit(&target->companion, memory_order_acquire);
  if (companion != NULL)
    target->companion_destroy(companion);
  cordbg_tracer_destroy(target->tracer);
  cordbg_reader_deinit(&target->reader);
  g_free(target);
}

void *
cordbg_target_companion(cordbg_target *target, void *(*make)(cordbg_target *target),
                        void (*destroy)(void *companion))
{
  void *companion = atomic_load_explicit(&target->companion, memory_order_acquire);
  if (companion != NULL)
    return companion;
  void *fresh = make(target);
  target->companion_destroy = destroy;
  if (atomic_compare_exchange_strong(&target->companion, &companion, fresh))
    return fresh;
  destroy(fresh);
  return companion;
}

void
cordbg_target_retire(cordbg_target *target)
{
  atomic_store_explicit(&target->reader.check_pidfd, 1, memory_order_relaxed);
  cordbg_registry_leave(target);
}

int
cordbg_target_pid(const cordbg_target *target)
{
  return target->reader.pid;
}

cordbg_tracer *
cordbg_target_tracer(cordbg_target *target)
{
  return target->tracer;
}

HRESULT
cordbg_target_state(const cordbg_target *target)
{
  return cordbg_reader_state(&target->reader);
}

/* ---- reading ---- */

static _Thread_local const cordbg_read_through *read_through;

void
cordbg_target_read_through(const cordbg_read_through *through)
{
  read_through = through;
}

static bool
is_through(const cordbg_target *target, cordbg_view view, uint64_t address, size_t size)
{
  return read_through->target == target && view == CORDBG_VIEW_PRISTINE &&
         address >= read_through->start && address < read_through->end &&
         size <= read_through->end - address && (!read_through->most || size <= read_through->most);
}

/* E_NOTIMPL: the target is to be read. */
static HRESULT
read_elsewhere(uint64_t address, void *buffer, size_t size, size_t *ret, cordbg_error *error)
{
  const cordbg_read_through *through = read_through;
  size_t read;

  read_through = NULL; /* what it reads itself, it reads from the target */
  read = through->read(through->data, address, buffer, size);
  read_through = through;
  if (read < size && through->or_itself)
    return E_NOTIMPL;
  if (read == 0 && size > 0)
    return cordbg_error_set(error, CORDBG_E_READVIRTUAL_FAILURE, EFAULT, address,
                            "the caller's routine has nothing at 0x%llx",
                            (unsigned long long)address);
  *ret = read < size ? read : size;
  return *ret == size ? S_OK : S_FALSE;
}

HRESULT
cordbg_target_read(cordbg_target *target, cordbg_view view, uint64_t address, void *buffer,
                   size_t size, size_t *read, cordbg_error *error)
{
  if (read_through && is_through(target, view, address, size)) {
    HRESULT hr = read_elsewhere(address, buffer, size, read, error);
    if (hr != E_NOTIMPL)
      return hr;
  }
  return cordbg_reader_read(&target->reader, view, address, buffer, size, read, error);
}

HRESULT
cordbg_target_read_exact(cordbg_target *target, cordbg_view view, uint64_t address, void *buffer,
                         size_t size, cordbg_error *error)
{
  size_t read;
  HRESULT hr = cordbg_target_read(target, view, address, buffer, size, &read, error);
  if (hr != S_FALSE)
    return hr;
  return cordbg_error_set(error, CORDBG_E_READVIRTUAL_FAILURE, EFAULT, address + read,
                          "only %zu of %zu bytes are readable at 0x%llx", read, size,
                          (unsigned long long)address);
}

HRESULT
cordbg_target_read_string(cordbg_target *target, uint64_t address, size_t max, char **ret,
                          cordbg_error *error)
{
  /* Up to the ends of pages: a string may end where the next page is not mapped. Growing steps, for
     most strings are short and a few are long. */
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  size_t step = 128;
  while (bytes->len < max) {
    uint64_t at = address + bytes->len;
    size_t wanted = step - (size_t)(at % step);
    if (wanted > max - bytes->len)
      wanted = max - bytes->len;
    guint had = bytes->len;
    g_byte_array_set_size(bytes, had + (guint)wanted);
    size_t read;
    HRESULT hr = cordbg_reader_read(&target->reader, CORDBG_VIEW_PRISTINE, at, bytes->data + had,
                                    wanted, &read, error);
    if (FAILED(hr))
      return hr;
    if (memchr(bytes->data + had, '\0', read) != NULL) {
      *ret = g_strdup((const char *)bytes->data);
      return S_OK;
    }
    if (hr == S_FALSE)
      return cordbg_error_set(error, CORDBG_E_READVIRTUAL_FAILURE, EFAULT, at + read,
                              "the string at 0x%llx runs into unreadable memory",
                              (unsigned long long)address);
    if (step < 4096)
      step *= 2;
  }
  return cordbg_error_set(error, E_INVALIDARG, 0, address,
                          "no string of at most %zu bytes ends at 0x%llx", max,
                          (unsigned long long)address);
}

HRESULT
cordbg_target_read_batch(cordbg_target *target, cordbg_view view, cordbg_read_range *ranges,
                         size_t count, cordbg_error *error)
{
  return cordbg_reader_read_batch(&target->reader, view, ranges, count, error);
}

HRESULT
cordbg_target_find_mapping(cordbg_target *target, uint64_t address, bool or_next,
                           cordbg_mapping *ret, char *path, size_t path_size, cordbg_error *error)
{
  return cordbg_reader_find_mapping(&target->reader, address, or_next, ret, path, path_size, error);
}

/* ---- writing ---- */

HRESULT
cordbg_target_write(cordbg_target *target, uint64_t address, const void *data, size_t size,
                    size_t *written, cordbg_error *error)
{
  *written = 0;
  if (size > 0 && (data == NULL || address + (size - 1) < address))
    return cordbg_error_set(error, E_INVALIDARG, 0, address,
                            data == NULL ? "no bytes to write"
                                         : "the range wraps past the top of the address space");
  HRESULT hr = cordbg_target_state(target);
  if (FAILED(hr))
    return cordbg_error_set(error, hr, 0, 0, "process %d cannot be written any more",
                            target->reader.pid);
  if (size == 0)
    return S_OK;
  size_t count = 0;
  hr = cordbg_tracer_write(target->tracer, address, data, size, &count, error);
  if (hr == CORDBG_E_PROCESS_TERMINATED || hr == CORDBG_E_OBJECT_NEUTERED)
    return hr;
  *written = count < size ? count : size;
  if (*written == size)
    return S_OK;
  hr = *written > 0 ? S_FALSE : CORDBG_E_WRITEVIRTUAL_FAILURE;
  if (error != NULL)
    error->hr = hr;
  return hr;
}
