/* SPDX-License-Identifier: MIT */
/*
 * The reader.
 *
 * A read is: begin (the table's generation), fetch, check that the process was still the one meant,
 * overlay. The fetch goes straight into the caller's buffer, however long the range is. When the
 * table moved on too far meanwhile, the range is fetched again in pieces, each of which is so short
 * that only a preempted reader can be overtaken again.
 *
 * Two routes fetch:
 *
 *   process_vm_readv      refuses what the mapping's protection refuses
 *   pread of /proc/PID/mem  reads PROT_NONE too: the protection is looked up first, so that both
 *                         routes give the same bytes
 *
 * What an errno means (process_vm_readv; pread):
 *
 *   class         errno                    what is done
 *   hole          EFAULT; EIO, EFAULT      the count ends there
 *   fall back     EPERM, ENOSYS, EACCES,   the second route: a seccomp filter, a target that is not
 *                 ESRCH                    dumpable; or only the main thread is gone, and the
 *                                          address space lives on with the others
 *   gone          0 bytes; ESRCH           the address space is no more
 *   again         EINTR, EAGAIN            the same call, a bounded number of times
 *   report        anything else            E_FAIL's kin, with the errno
 *
 * Invariants
 *   - bytes of the buffer at and behind the count are those of the caller, unless the process
 *     changed its mappings between two fetches of one read.
 *   - no byte of another process is reported: a pid is free for another one only after the gone
 *     flag was set (sessions) or the pidfd became readable (others), both looked at after the
 * fetch.
 */
#include "config.h"

#include "cordbg/memory/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
/* The kernel moves no more in one call (MAX_RW_COUNT). */
#define CALL_MAX ((size_t)0x7ffff000)
/* Ranges that were overtaken are fetched again in pieces of this size. */
#define PIECE ((size_t)64 << 10)
#define OVERTAKEN_MAX 64
#define AGAIN_MAX 100
#define VECTOR_MAX 1024 /* IOV_MAX of Linux */

typedef enum fetch_result {
  FETCH_DONE,    /* the count is what there is; a hole follows when it is short */
  FETCH_GONE,    /* the address space is no more */
  FETCH_REFUSED, /* no route is open to us */
  FETCH_FAILED,  /* *sys tells */
} fetch_result;

void
cordbg_reader_init(cordbg_reader *reader, int pid, int pidfd, cordbg_tracer *tracer)
{
  *reader = (cordbg_reader){
      .pid = pid,
      .pidfd = pidfd,
      .tracer = tracer,
      .table = tracer == NULL ? NULL : cordbg_tracer_patch_table(tracer),
      .maps = CORDBG_MAPS_NONE,
      .mem_fd = -1,
  };
  atomic_init(&reader->check_pidfd, tracer == NULL);
  pthread_mutex_init(&reader->lock, NULL);
}

void
cordbg_reader_deinit(cordbg_reader *reader)
{
  cordbg_maps_close(&reader->maps);
  if (reader->mem_fd >= 0)
    close(reader->mem_fd);
  if (reader->pidfd >= 0)
    close(reader->pidfd);
  pthread_mutex_destroy(&reader->lock);
}

/* ---- life ---- */

static inline uint64_t
gone(const cordbg_reader *reader)
{
  if (reader->table != NULL) {
    uint64_t why = cordbg_patch_table_gone(reader->table);
    if (why != CORDBG_GONE_NO)
      return why;
  }
  if (atomic_load_explicit(&reader->check_pidfd, memory_order_relaxed) != 0) {
    /* Readable once the whole process has ended, which is before its pid can be another's. */
    struct pollfd poll_fd = {.fd = reader->pidfd, .events = POLLIN};
    if (reader->pidfd >= 0 && poll(&poll_fd, 1, 0) > 0)
      return CORDBG_GONE_EXITED;
  }
  return CORDBG_GONE_NO;
}

static HRESULT
gone_error(const cordbg_reader *reader, uint64_t why, cordbg_error *error)
{
  if (why == CORDBG_GONE_DETACHED)
    return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0,
                            "cordbg has detached from process %d", reader->pid);
  return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ESRCH, 0, "process %d has ended",
                          reader->pid);
}

HRESULT
cordbg_reader_state(const cordbg_reader *reader)
{
  uint64_t why = gone(reader);
  return why == CORDBG_GONE_NO ? S_OK : gone_error(reader, why, NULL);
}

/* The generation that a fetch begins with. */
static inline uint64_t
begin(const cordbg_reader *reader)
{
  return reader->table == NULL ? 0 : cordbg_patch_table_begin(reader->table);
}

/* ---- the second route ---- */

/*
 * Opens /proc/PID/NAME. When the main thread has ended before the others, its own files are those
 * of no address space: a thread's are taken.
 */
static int
open_proc(const cordbg_reader *reader, const char *name)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", reader->pid);
  DIR *tasks = opendir(path);
  int fd = -1;
  int sys = ESRCH;
  struct dirent *entry;
  while (tasks != NULL && fd < 0 && (entry = readdir(tasks)) != NULL) {
    if (entry->d_name[0] == '.')
      continue;
    snprintf(path, sizeof path, "%.20s/%.20s", entry->d_name, name);
    fd = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      sys = errno;
      continue;
    }
    /* An ended thread's maps open, and are empty. */
    char byte;
    if (strcmp(name, "maps") == 0 && pread(fd, &byte, 1, 0) != 1) {
      close(fd);
      fd = -1;
    }
  }
  if (tasks != NULL)
    closedir(tasks);
  errno = sys;
  return fd;
}

static uint64_t
space(const cordbg_reader *reader)
{
  return reader->table == NULL
             ? 0
             : atomic_load_explicit(&reader->table->header->space, memory_order_acquire);
}

/* With the lock held: the maps of the present address space are open. */
static HRESULT
maps_ready(cordbg_reader *reader, cordbg_error *error)
{
  uint64_t now = space(reader);
  if (reader->maps.fd >= 0 && reader->maps_space == now) {
    char byte;
    /* Without a session nobody tells of an exec: the old address space's maps are empty. */
    if (reader->table != NULL || pread(reader->maps.fd, &byte, 1, 0) == 1)
      return S_OK;
  }
  int fd = open_proc(reader, "maps");
  if (fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "the mappings of process %d cannot be read",
                                  reader->pid);
  cordbg_maps_close(&reader->maps);
  cordbg_maps_adopt(&reader->maps, fd);
  reader->maps_space = now;
  return S_OK;
}

HRESULT
cordbg_reader_find_mapping(cordbg_reader *reader, uint64_t address, bool or_next,
                           cordbg_mapping *ret, char *path, size_t path_size, cordbg_error *error)
{
  uint64_t why = gone(reader);
  if (why != CORDBG_GONE_NO)
    return gone_error(reader, why, error);
  pthread_mutex_lock(&reader->lock);
  HRESULT hr = maps_ready(reader, error);
  if (SUCCEEDED(hr))
    hr = or_next ? cordbg_maps_find_next(&reader->maps, address, ret, path, path_size, error)
                 : cordbg_maps_find(&reader->maps, address, ret, path, path_size, error);
  pthread_mutex_unlock(&reader->lock);
  return hr;
}

/* How many bytes from address on lie in mappings that may be read, at most size. */
static HRESULT
readable_prefix(cordbg_reader *reader, uint64_t address, size_t size, size_t *ret)
{
  size_t count = 0;
  while (count < size) {
    cordbg_mapping mapping;
    HRESULT hr =
        cordbg_reader_find_mapping(reader, address + count, false, &mapping, NULL, 0, NULL);
    if (FAILED(hr))
      return hr;
    if (hr == S_FALSE || (mapping.prot & PROT_READ) == 0)
      break;
    uint64_t rest = mapping.end - (address + count);
    count = rest >= size - count ? size : count + (size_t)rest;
  }
  *ret = count;
  return S_OK;
}

static int
mem_fd(cordbg_reader *reader)
{
  if (reader->tracer != NULL)
    return cordbg_tracer_mem_fd(reader->tracer);
  pthread_mutex_lock(&reader->lock);
  if (reader->mem_fd < 0)
    reader->mem_fd = open_proc(reader, "mem");
  int fd = reader->mem_fd;
  pthread_mutex_unlock(&reader->lock);
  return fd;
}

static fetch_result
fetch_by_mem(cordbg_reader *reader, uint64_t address, void *buffer, size_t size, size_t *count,
             int *sys)
{
  size_t readable;
  int fd = mem_fd(reader);
  if (fd < 0 || FAILED(readable_prefix(reader, address, size, &readable)))
    return FETCH_REFUSED;
  /* Nothing mapped there, or no address space any more: then this reads nothing at all. */
  char unseen;
  if (readable == 0 && pread(fd, &unseen, 1, (off_t)address) == 0)
    return FETCH_GONE;
  int turns = 0;
  while (*count < readable) {
    size_t wanted = readable - *count < CALL_MAX ? readable - *count : CALL_MAX;
    ssize_t got = pread(fd, (char *)buffer + *count, wanted, (off_t)(address + *count));
    if (got > 0) {
      *count += (size_t)got;
    } else if (got == 0) { /* the address space that the descriptor was opened for has ended */
      return FETCH_GONE;
    } else if (errno == EIO || errno == EFAULT) {
      break;
    } else if ((errno != EINTR && errno != EAGAIN) || ++turns > AGAIN_MAX) {
      *sys = errno;
      return errno == ESRCH ? FETCH_GONE : FETCH_FAILED;
    }
  }
  return FETCH_DONE;
}

/* ---- the first route ---- */

/* What is to be done about a failed process_vm_readv. */
typedef enum refusal_class {
  REFUSAL_HOLE,
  REFUSAL_FALL_BACK,
  REFUSAL_AGAIN,
  REFUSAL_REPORT,
} refusal_class;

static refusal_class
classify(int sys)
{
  switch (sys) {
  case EFAULT:
    return REFUSAL_HOLE;
  case EPERM:
  case EACCES:
  case ENOSYS:
  case ESRCH:
    return REFUSAL_FALL_BACK;
  case EINTR:
  case EAGAIN:
    return REFUSAL_AGAIN;
  default:
    return REFUSAL_REPORT;
  }
}

/* Continues at *count. */
static fetch_result
fetch(cordbg_reader *reader, uint64_t address, void *buffer, size_t size, size_t *count, int *sys)
{
  int turns = 0;
  while (*count < size) {
    size_t wanted = size - *count < CALL_MAX ? size - *count : CALL_MAX;
    struct iovec local = {.iov_base = (char *)buffer + *count, .iov_len = wanted};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)(address + *count), .iov_len = wanted};
    ssize_t got = process_vm_readv(reader->pid, &local, 1, &remote, 1, 0);
    if (got > 0) {
      /* A short count is not yet a hole: the next call says which. */
      *count += (size_t)got;
      continue;
    }
    int failure = got == 0 ? EFAULT : errno;
    refusal_class refusal = classify(failure);
    if (refusal == REFUSAL_HOLE)
      return FETCH_DONE;
    if (refusal == REFUSAL_FALL_BACK) {
      fetch_result result = fetch_by_mem(reader, address, buffer, size, count, sys);
      *sys = result == FETCH_REFUSED ? failure : *sys;
      /* The main thread has ended, and nothing of the process can be opened any more. */
      return failure == ESRCH && result == FETCH_REFUSED ? FETCH_GONE : result;
    }
    if (refusal == REFUSAL_REPORT || ++turns > AGAIN_MAX) {
      *sys = failure;
      return FETCH_FAILED;
    }
  }
  return FETCH_DONE;
}

/* ---- one range ---- */

static HRESULT
fetch_error(const cordbg_reader *reader, fetch_result result, uint64_t address, int sys,
            cordbg_error *error)
{
  if (result == FETCH_GONE)
    return gone_error(reader, CORDBG_GONE_EXITED, error);
  if (result == FETCH_REFUSED)
    return cordbg_error_set(error, E_ACCESSDENIED, sys, address,
                            "the kernel refuses to let this process read the memory of process %d: "
                            "see ptrace(2), \"Ptrace access mode checking\"",
                            reader->pid);
  return cordbg_error_set_errno(error, sys, address, "reading the memory of process %d failed",
                                reader->pid);
}

/*
 * One fetch and overlay. *count: how many bytes were fetched before, since `generation`; then, how
 * many there are, also when it failed. S_FALSE: overtaken, again.
 */
static HRESULT
read_once(cordbg_reader *reader, cordbg_view view, uint64_t generation, uint64_t address,
          void *buffer, size_t size, size_t *count, cordbg_error *error)
{
  int sys = 0;
  fetch_result result = fetch(reader, address, buffer, size, count, &sys);
  uint64_t why = gone(reader);
  if (why != CORDBG_GONE_NO) {
    *count = 0;
    return gone_error(reader, why, error);
  }
  if (result != FETCH_DONE && *count == 0)
    return fetch_error(reader, result, address, sys, error);
  if (reader->table == NULL)
    return S_OK;
  switch (cordbg_patch_table_overlay(reader->table, view, generation, address, buffer, *count)) {
  case CORDBG_OVERLAY_DONE:
    return S_OK;
  case CORDBG_OVERLAY_AGAIN:
    return S_FALSE;
  default:
    *count = 0;
    return cordbg_error_set(error, E_FAIL, 0, address, "the patch table of process %d is damaged",
                            reader->pid);
  }
}

/* The range once more, in pieces. */
static HRESULT
read_in_pieces(cordbg_reader *reader, cordbg_view view, uint64_t address, void *buffer, size_t size,
               size_t *count, cordbg_error *error)
{
  *count = 0;
  while (*count < size) {
    size_t wanted = size - *count < PIECE ? size - *count : PIECE;
    size_t got = 0;
    HRESULT hr = S_FALSE;
    for (int turn = 0; turn < OVERTAKEN_MAX && hr == S_FALSE; turn++) {
      got = 0;
      hr = read_once(reader, view, begin(reader), address + *count, (char *)buffer + *count, wanted,
                     &got, error);
    }
    if (hr == S_FALSE)
      return cordbg_error_set(error, E_FAIL, EAGAIN, address + *count,
                              "breakpoints of process %d come and go too fast to read it",
                              reader->pid);
    if (FAILED(hr)) {
      if (gone(reader) != CORDBG_GONE_NO)
        *count = 0; /* what came before may be another process's */
      return hr;
    }
    *count += got;
    if (got < wanted)
      break;
  }
  return S_OK;
}

/* All that is not the common case. count bytes were fetched already since generation. */
static __attribute__((noinline)) HRESULT
read_carefully(cordbg_reader *reader, cordbg_view view, uint64_t generation, uint64_t address,
               void *buffer, size_t size, size_t count, size_t *read, cordbg_error *error)
{
  *read = 0;
  if (size > 0 && (buffer == NULL || address + (size - 1) < address))
    return cordbg_error_set(error, E_INVALIDARG, 0, address,
                            buffer == NULL ? "no buffer to read into"
                                           : "the range wraps past the top of the address space");
  /* The kernel cannot be asked about nothing, and a dead process's pid must not be used. */
  uint64_t why = gone(reader);
  if (why != CORDBG_GONE_NO)
    return gone_error(reader, why, error);
  if (size == 0)
    return S_OK;

  HRESULT hr = read_once(reader, view, generation, address, buffer, size, &count, error);
  if (hr == S_FALSE)
    hr = read_in_pieces(reader, view, address, buffer, size, &count, error);
  if (FAILED(hr) && count == 0)
    return hr;
  *read = count;
  if (count == size)
    return S_OK;
  if (count == 0)
    return cordbg_error_set(error, CORDBG_E_READVIRTUAL_FAILURE, EFAULT, address,
                            "nothing readable is mapped at 0x%llx", (unsigned long long)address);
  cordbg_error_set(error, S_FALSE, EFAULT, address + count, "nothing readable is mapped at 0x%llx",
                   (unsigned long long)(address + count));
  return S_FALSE;
}

/*
 * process_vm_readv of one range, in line; a negative result is an errno. Behind a system call each
 * return of a function is mispredicted (the kernel clears what predicts it): a chain of five cost
 * 70 ns, more than all the rest of a read together.
 */
static inline __attribute__((always_inline)) long
fetch_inline(int pid, uint64_t address, void *buffer, size_t size)
{
  struct iovec local = {.iov_base = buffer, .iov_len = size};
  struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
  long result;
  register const struct iovec *remotes __asm__("r10") = &remote;
  register unsigned long remote_count __asm__("r8") = 1;
  register unsigned long flags __asm__("r9") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(SYS_process_vm_readv), "D"((long)pid), "S"(&local), "d"(1ul), "r"(remotes),
                     "r"(remote_count), "r"(flags)
                   : "rcx", "r11", "memory");
  return result;
}

HRESULT
cordbg_reader_read(cordbg_reader *reader, cordbg_view view, uint64_t address, void *buffer,
                   size_t size, size_t *read, cordbg_error *error)
{
  const cordbg_patch_table *table = reader->table;
  uint64_t generation = begin(reader);
  if (size == 0 || size > CALL_MAX || buffer == NULL || address + (size - 1) < address ||
      (table != NULL && cordbg_patch_table_gone(table) != CORDBG_GONE_NO))
    return read_carefully(reader, view, generation, address, buffer, size, 0, read, error);

  long got = fetch_inline(reader->pid, address, buffer, size);
  if (got < 0)
    got = 0;
  if ((size_t)got != size)
    return read_carefully(reader, view, generation, address, buffer, size, (size_t)got, read,
                          error);
  if (gone(reader) != CORDBG_GONE_NO ||
      (table != NULL && cordbg_patch_table_overlay(table, view, generation, address, buffer,
                                                   size) != CORDBG_OVERLAY_DONE))
    return read_carefully(reader, view, begin(reader), address, buffer, size, 0, read, error);
  *read = size;
  return S_OK;
}

/* ---- many ranges ---- */

static HRESULT
range_status(const cordbg_read_range *range)
{
  if (range->read == range->size)
    return S_OK;
  return range->read > 0 ? S_FALSE : CORDBG_E_READVIRTUAL_FAILURE;
}

/* By a call of its own: for what a vectored call did not answer. */
static HRESULT
read_single(cordbg_reader *reader, cordbg_view view, cordbg_read_range *range, cordbg_error *error)
{
  range->status = cordbg_reader_read(reader, view, range->address, range->buffer, range->size,
                                     &range->read, error);
  return range->status;
}

/* The answer concerns the process, not one range of it: the batch ends. */
static bool
ends_batch(HRESULT hr)
{
  return FAILED(hr) && hr != CORDBG_E_READVIRTUAL_FAILURE && hr != E_INVALIDARG;
}

static bool
fits_vector(const cordbg_read_range *range)
{
  return range->size > 0 && range->size <= PIECE && range->buffer != NULL &&
         range->address + (range->size - 1) >= range->address;
}

/*
 * Ranges [0, count) by one system call; each of them fits_vector. *done: how many are answered, at
 * least one. The call ends at the first range with a hole: that one is asked again alone, which
 * settles its count.
 */
static HRESULT
read_vector(cordbg_reader *reader, cordbg_view view, cordbg_read_range *ranges, size_t count,
            size_t *done, cordbg_error *error)
{
  struct iovec local[VECTOR_MAX], remote[VECTOR_MAX];
  for (size_t i = 0; i < count; i++) {
    local[i] = (struct iovec){.iov_base = ranges[i].buffer, .iov_len = ranges[i].size};
    remote[i] =
        (struct iovec){.iov_base = (void *)(uintptr_t)ranges[i].address, .iov_len = ranges[i].size};
  }
  uint64_t generation = begin(reader);
  ssize_t got = process_vm_readv(reader->pid, local, count, remote, count, 0);
  uint64_t why = gone(reader);
  if (why != CORDBG_GONE_NO)
    return gone_error(reader, why, error);
  size_t left = got < 0 ? 0 : (size_t)got;
  size_t i = 0;
  for (; i < count && left >= ranges[i].size; i++) {
    left -= ranges[i].size;
    ranges[i].read = ranges[i].size;
    ranges[i].status = S_OK;
    if (reader->table == NULL)
      continue;
    cordbg_overlay_result result = cordbg_patch_table_overlay(
        reader->table, view, generation, ranges[i].address, ranges[i].buffer, ranges[i].size);
    if (result != CORDBG_OVERLAY_DONE && ends_batch(read_single(reader, view, &ranges[i], error)))
      return ranges[i].status;
  }
  if (i < count) {
    HRESULT hr = read_single(reader, view, &ranges[i], error);
    i++;
    if (ends_batch(hr))
      return hr;
  }
  *done = i;
  return S_OK;
}

HRESULT
cordbg_reader_read_batch(cordbg_reader *reader, cordbg_view view, cordbg_read_range *ranges,
                         size_t count, cordbg_error *error)
{
  if (count > 0 && ranges == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "no ranges to read");
  uint64_t why = gone(reader);
  if (why != CORDBG_GONE_NO)
    return gone_error(reader, why, error);
  size_t first = 0;
  bool whole = true;
  while (first < count) {
    size_t length = 0;
    while (length < VECTOR_MAX && first + length < count && fits_vector(&ranges[first + length]))
      length++;
    size_t done = 1;
    HRESULT hr = length > 1 ? read_vector(reader, view, &ranges[first], length, &done, error)
                            : read_single(reader, view, &ranges[first], error);
    if (ends_batch(hr))
      return hr;
    for (size_t i = first; i < first + done; i++) {
      if (ranges[i].status != E_INVALIDARG)
        ranges[i].status = range_status(&ranges[i]);
      whole = whole && ranges[i].status == S_OK;
    }
    first += done;
  }
  return whole ? S_OK : S_FALSE;
}

/* ---- settling accessibility ---- */

/* Reads one byte of each page. false: *hole is in the first page that cannot be read. */
static bool
touch_pages(cordbg_reader *reader, uint64_t address, size_t pages, uint64_t *hole, int *sys)
{
  struct iovec remote[VECTOR_MAX];
  uint8_t bytes[VECTOR_MAX];
  for (size_t i = 0; i < pages; i++) {
    uint64_t at = i == 0 ? address : (address & ~(uint64_t)(PAGE - 1)) + i * PAGE;
    remote[i] = (struct iovec){.iov_base = (void *)(uintptr_t)at, .iov_len = 1};
  }
  struct iovec local = {.iov_base = bytes, .iov_len = pages};
  ssize_t got = process_vm_readv(reader->pid, &local, 1, remote, pages, 0);
  if (got == (ssize_t)pages)
    return true;
  *sys = got < 0 ? errno : EFAULT;
  *hole = (uint64_t)(uintptr_t)remote[got < 0 ? 0 : got].iov_base;
  return false;
}

HRESULT
cordbg_reader_probe(cordbg_reader *reader, uint64_t address, size_t size, uint64_t *hole,
                    cordbg_error *error)
{
  uint64_t last = address + (size - 1);
  uint64_t at = address;
  HRESULT hr = S_OK;
  while (size > 0 && at <= last) {
    uint64_t pages = (last / PAGE) - (at / PAGE) + 1;
    if (pages > VECTOR_MAX)
      pages = VECTOR_MAX;
    int sys = 0;
    if (!touch_pages(reader, at, (size_t)pages, hole, &sys)) {
      /* The reader knows what a refusal means, and the second route: one byte tells. */
      uint8_t byte;
      size_t read;
      hr = cordbg_reader_read(reader, CORDBG_VIEW_RAW, *hole, &byte, 1, &read, error);
      if (hr == CORDBG_E_READVIRTUAL_FAILURE)
        return S_FALSE;
      if (FAILED(hr))
        return hr;
      /* The first route is closed, or the page came into being: go on behind it. */
      at = (*hole & ~(uint64_t)(PAGE - 1)) + PAGE;
    } else {
      at = (at & ~(uint64_t)(PAGE - 1)) + pages * PAGE;
    }
    if (at == 0)
      break;
  }
  uint64_t why = gone(reader);
  return why == CORDBG_GONE_NO ? S_OK : gone_error(reader, why, error);
}
