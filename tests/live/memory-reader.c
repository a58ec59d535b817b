/* SPDX-License-Identifier: MIT */
/* The reader against real processes: both routes, holes, ends of processes, batches. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cordbg/memory/reader.h"
#include "tests/live/memory-session.h"

#define GUARDED 64

/* Reads into a buffer that ends at an untouchable page, and checks what every read promises. */
static HRESULT
checked_read(cordbg_target *target, cordbg_view view, const void *address, uint8_t *buffer,
             size_t size, size_t *read)
{
  cordbg_error error = {0};
  *read = 12345;
  HRESULT hr = cordbg_target_read(target, view, (uintptr_t)address, buffer, size, read, &error);
  assert_true(*read <= size);
  assert_true(untouched(buffer, *read, size));
  if (hr == S_OK)
    assert_int_equal(*read, size);
  else if (hr == S_FALSE)
    assert_true(*read > 0 && *read < size && error.address == (uintptr_t)address + *read);
  else
    assert_true(*read == 0 && FAILED(error.hr) && error.sentence[0] != '\0');
  return hr;
}

static void
row_04_row_05_row_08_traps_at_the_edge_of_what_is_mapped_and_of_the_buffer(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint8_t *edge = child->region + 8 * PAGE;
  plant(target, CORDBG_LAYER_MANAGED, edge - 1);
  plant(target, CORDBG_LAYER_MANAGED, edge - PAGE);
  assert_int_equal(child_run(child, command_unmap, (long)edge), 0);
  for (size_t size = 1; size <= GUARDED; size++) {
    size_t read;
    uint8_t *buffer = guarded_end(size);
    /* Ends at the edge. */
    assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, edge - size, buffer, size, &read),
                     S_OK);
    assert_true(is_pattern(buffer, edge - size, size));
    guarded_free(buffer, size);
    /* Goes on behind it. */
    buffer = guarded_end(size + 7);
    assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, edge - size, buffer, size + 7, &read),
                     S_FALSE);
    assert_int_equal(read, size);
    assert_true(is_pattern(buffer, edge - size, size));
    guarded_free(buffer, size + 7);
  }
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_06_partial_read_with_many_traps(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint8_t *hole = child->region + 5 * PAGE;
  for (int i = 1; i <= 40; i++)
    plant(target, i % 2 == 0 ? CORDBG_LAYER_MANAGED : CORDBG_LAYER_INTERNAL, hole - i);
  assert_int_equal(child_run(child, command_protect_none, (long)hole), 0);
  uint8_t *buffer = guarded_begin(PAGE);
  size_t read;
  assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, hole - 100, buffer, 200, &read),
                   S_FALSE);
  assert_int_equal(read, 100);
  assert_true(is_pattern(buffer, hole - 100, 100));
  guarded_free(buffer, PAGE);
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_07_strange_ranges(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  const struct {
    uint64_t address;
    size_t size;
    HRESULT expected;
  } rows[] = {
      {UINT64_MAX, 2, E_INVALIDARG},
      {UINT64_MAX - 6, 8, E_INVALIDARG},
      {16, SIZE_MAX, E_INVALIDARG},
      {UINT64_MAX, 1, CORDBG_E_READVIRTUAL_FAILURE},
      {UINT64_MAX - 7, 8, CORDBG_E_READVIRTUAL_FAILURE},
      {0, 8, CORDBG_E_READVIRTUAL_FAILURE},
      {0x0000800000000000, 8, CORDBG_E_READVIRTUAL_FAILURE},
      {0xdead000000000000, 8, CORDBG_E_READVIRTUAL_FAILURE},
      {0xffff800000000000, 8, CORDBG_E_READVIRTUAL_FAILURE},
      {0, 0, S_OK},
      {UINT64_MAX, 0, S_OK},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t buffer[8] = {0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5};
    size_t read = 99;
    assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, rows[i].address, buffer,
                                        rows[i].size, &read, NULL),
                     rows[i].expected);
    assert_int_equal(read, 0);
    assert_true(untouched(buffer, 0, sizeof buffer));
  }
  size_t read = 99;
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, NULL, 1,
                                      &read, NULL),
                   E_INVALIDARG);
  assert_int_equal(read, 0);
  /* A size that no mapping has: the region's end counts, and only these bytes are touched. */
  uint8_t *buffer = guarded_begin(2 * PAGE);
  uint8_t *last = child->region + REGION_SIZE - PAGE;
  assert_int_equal(child_run(child, command_unmap, (long)last), 0);
  HRESULT hr = cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)last - PAGE, buffer,
                                  (size_t)INT32_MAX + 4096, &read, NULL);
  assert_int_equal(hr, S_FALSE);
  assert_int_equal(read, PAGE);
  assert_true(is_pattern(buffer, last - PAGE, PAGE) && untouched(buffer, PAGE, 2 * PAGE));
  guarded_free(buffer, 2 * PAGE);
  cordbg_target_unref(target);
  child_end(child);
}

/* ---- longer than the kernel moves in one call ---- */

#define LONG_SIZE ((size_t)2300 << 20)
#define LONG_MARK ((size_t)2290 << 20)
static uint8_t *long_region;

static int
map_long(test_child *child)
{
  (void)child;
  long_region = mmap((void *)0x400000000000, LONG_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (long_region == MAP_FAILED)
    return -1;
  long_region[LONG_MARK] = 0x77;
  return 0;
}

static void
row_07_longer_than_the_kernel_moves_in_one_call(void **state)
{
  (void)state;
  test_child *child = child_start(map_long);
  cordbg_target *target = session_open(child);
  /* 64 MiB of memory stand behind the whole buffer, again and again. */
  size_t window = (size_t)64 << 20;
  int fd = memfd_create("window", MFD_CLOEXEC);
  assert_int_equal(ftruncate(fd, (off_t)window), 0);
  size_t span = (LONG_SIZE + window - 1) / window * window;
  uint8_t *buffer = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (size_t at = 0; at < span; at += window)
    assert_ptr_not_equal(
        mmap(buffer + at, window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
        MAP_FAILED);
  memset(buffer, 0xa5, window);
  size_t read = 0;
  cordbg_error error = {0};
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, 0x400000000000, buffer, LONG_SIZE,
                                      &read, &error),
                   S_OK);
  assert_int_equal(read, LONG_SIZE);
  assert_int_equal(buffer[LONG_MARK % window], 0x77);
  assert_int_equal(buffer[(LONG_MARK + 1) % window], 0);
  munmap(buffer, span);
  close(fd);
  cordbg_target_unref(target);
  child_end(child);
}

/* ---- ends ---- */

static void
row_26_target_killed_or_reaped(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint8_t buffer[8];
  size_t read;
  child_kill(child);
  /* A zombie: not reaped, and without an address space. */
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, buffer,
                                      8, &read, NULL),
                   CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(read, 0);
  waitpid(child->pid, NULL, 0);
  /* The tracer may be gone as well: the owner retires the target, and a pidfd is looked at. */
  cordbg_target_retire(target);
  assert_int_equal(cordbg_target_state(target), CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, buffer,
                                      0, &read, NULL),
                   CORDBG_E_PROCESS_TERMINATED);
  cordbg_read_range range = {
      .address = (uintptr_t)child->region, .buffer = buffer, .size = sizeof buffer};
  assert_int_equal(cordbg_target_read_batch(target, CORDBG_VIEW_CLIENT, &range, 1, NULL),
                   CORDBG_E_PROCESS_TERMINATED);
  cordbg_target_unref(target);
  child_end(child);
}

static void *
sleep_for_ever(void *unused)
{
  (void)unused;
  while (pause() < 0)
    continue;
  return NULL;
}

/* The main thread ends, another lives on; the answer is given first. */
static int
leave_to_a_thread(test_child *child)
{
  pthread_t thread;
  long result = pthread_create(&thread, NULL, sleep_for_ever, NULL);
  if (write(child->answers, &result, sizeof result) != sizeof result)
    _exit(1);
  syscall(SYS_exit, 0);
  return -1;
}

static void
wait_for_zombie(int pid)
{
  char path[32], text[256] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  for (;;) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    const char *end = strrchr(text, ')');
    if (end != NULL && end[2] == 'Z')
      return;
    sched_yield(); /* a step of the kernel's that nothing announces */
  }
}

static void
row_26_leader_thread_exits_before_the_others(void **state)
{
  (void)state;
  test_child *child = child_start(leave_to_a_thread);
  wait_for_zombie(child->pid);
  /* Without a session: nothing was opened while the main thread lived. */
  cordbg_reader reader;
  cordbg_reader_init(&reader, child->pid, (int)syscall(SYS_pidfd_open, child->pid, 0), NULL);
  uint8_t buffer[64];
  size_t read;
  cordbg_error error = {0};
  assert_int_equal(cordbg_reader_read(&reader, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, buffer,
                                      sizeof buffer, &read, &error),
                   S_OK);
  assert_true(is_pattern(buffer, child->region, sizeof buffer));
  child_kill(child);
  assert_int_equal(cordbg_reader_read(&reader, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, buffer,
                                      sizeof buffer, &read, &error),
                   CORDBG_E_PROCESS_TERMINATED);
  cordbg_reader_deinit(&reader);
  child_end(child);
}

static void
after_detach_the_target_is_neutered(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  cordbg_error error = {0};
  uint8_t byte;
  size_t count;
  succeeded(cordbg_tracer_detach(cordbg_target_tracer(target), &error), &error);
  assert_int_equal(cordbg_target_state(target), CORDBG_E_OBJECT_NEUTERED);
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_RAW, (uintptr_t)child->region, &byte, 1,
                                      &count, &error),
                   CORDBG_E_OBJECT_NEUTERED);
  assert_int_equal(cordbg_target_write(target, (uintptr_t)child->region, &byte, 1, &count, &error),
                   CORDBG_E_OBJECT_NEUTERED);
  cordbg_target_unref(target);
  child_end(child);
}

static void
registry_finds_a_session_by_its_pid(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  assert_null(cordbg_target_lookup(child->pid));
  cordbg_target *target = session_open(child);
  cordbg_target *found = cordbg_target_lookup(child->pid);
  assert_ptr_equal(found, target);
  cordbg_target_retire(target);
  assert_null(cordbg_target_lookup(child->pid));
  cordbg_target_unref(found);
  cordbg_target_unref(target);
  child_end(child);
}

/* ---- protections ---- */

static void
row_38_prot_none_and_execute_only(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint8_t *none = child->region + 3 * PAGE;
  uint8_t *exec = child->region + 6 * PAGE;
  assert_int_equal(child_run(child, command_protect_none, (long)none), 0);
  assert_int_equal(child_run(child, command_protect_exec, (long)exec), 0);
  uint8_t *buffer = guarded_begin(4 * PAGE);
  size_t read;
  assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, none, buffer, 8, &read),
                   CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal(checked_read(target, CORDBG_VIEW_RAW, none, buffer, 8, &read),
                   CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, exec, buffer, 8, &read),
                   CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal(checked_read(target, CORDBG_VIEW_CLIENT, none - 10, buffer, 20, &read), S_FALSE);
  assert_int_equal(read, 10);
  guarded_free(buffer, 4 * PAGE);
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_39_past_the_end_of_a_mapped_file(void **state)
{
  (void)state;
  test_child *child = child_start(child_map_short_file);
  cordbg_target *target = session_open(child);
  uint8_t *buffer = guarded_begin(4 * PAGE);
  size_t read;
  /* Two pages hold the file's bytes (and zeroes behind them); the others have none. */
  assert_int_equal(
      checked_read(target, CORDBG_VIEW_CLIENT, (void *)SHORT_FILE, buffer, 4 * PAGE, &read),
      S_FALSE);
  assert_int_equal(read, 2 * PAGE);
  guarded_free(buffer, 4 * PAGE);
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_39_vdso_vvar_vsyscall(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  cordbg_maps maps = CORDBG_MAPS_NONE;
  cordbg_error error = {0};
  succeeded(cordbg_maps_open(&maps, child->pid, &error), &error);
  cordbg_maps_iterator *iterator = malloc(sizeof *iterator);
  cordbg_maps_begin(iterator, &maps);
  cordbg_mapping mapping;
  const char *path;
  int seen = 0;
  while (cordbg_maps_next(iterator, &mapping, &path, &error) == S_OK) {
    uint8_t buffer[16];
    memset(buffer, 0xa5, sizeof buffer);
    size_t read;
    HRESULT hr = cordbg_target_read(target, CORDBG_VIEW_CLIENT, mapping.start, buffer,
                                    sizeof buffer, &read, NULL);
    if (strcmp(path, "[vdso]") == 0) {
      assert_int_equal(hr, S_OK);
      assert_memory_equal(buffer, "\177ELF", 4);
      seen++;
    } else if (strncmp(path, "[vvar", 5) == 0 || strcmp(path, "[vsyscall]") == 0) {
      /* The kernel lets no other process read them; said so, nothing else happens. */
      assert_int_equal(hr, CORDBG_E_READVIRTUAL_FAILURE);
      assert_true(untouched(buffer, 0, sizeof buffer));
    }
  }
  assert_int_equal(seen, 1);
  free(iterator);
  cordbg_maps_close(&maps);
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_42_a_byte_changed_from_outside_shows(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  for (int i = 0; i < 100; i++) {
    long now = child_run(child, command_increment, (long)child->region);
    uint8_t byte;
    cordbg_error error = {0};
    succeeded(cordbg_target_read_exact(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, &byte,
                                       1, &error),
              &error);
    assert_int_equal(byte, now);
  }
  cordbg_target_unref(target);
  child_end(child);
}

/* ---- the second route ---- */

/* Refuses process_vm_readv to this thread, with an errno. */
static void
refuse_process_vm_readv(int sys)
{
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)sys),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
    fail_msg("no filter: %s", strerror(errno));
}

typedef struct range_probe {
  size_t from, size;
  HRESULT hr;
  size_t read;
  uint8_t bytes[600];
} range_probe;

#define PROBES 300

typedef struct route_test {
  cordbg_target *target;
  test_child *child;
  range_probe *probes;
  int sys;
  int differ;
} route_test;

/* A thread, since the filter never goes away again. */
static void *
read_by_the_second_route(void *data)
{
  route_test *test = data;
  refuse_process_vm_readv(test->sys);
  uint8_t byte;
  struct iovec {
    void *base;
    size_t length;
  } local = {&byte, 1}, remote = {test->child->region, 1};
  if (syscall(SYS_process_vm_readv, test->child->pid, &local, 1, &remote, 1, 0) != -1 ||
      errno != test->sys)
    test->differ = -1;
  for (int i = 0; i < PROBES; i++) {
    const range_probe *expected = &test->probes[i];
    uint8_t bytes[sizeof expected->bytes];
    memset(bytes, 0xa5, sizeof bytes);
    size_t read;
    HRESULT hr = cordbg_target_read(test->target, CORDBG_VIEW_CLIENT,
                                    (uintptr_t)test->child->region + expected->from, bytes,
                                    expected->size, &read, NULL);
    if (hr != expected->hr || read != expected->read ||
        memcmp(bytes, expected->bytes, sizeof bytes) != 0)
      test->differ++;
  }
  /* A process without a session: nothing was opened for it before. It is shown as it is. */
  cordbg_reader plain;
  cordbg_reader_init(&plain, test->child->pid, (int)syscall(SYS_pidfd_open, test->child->pid, 0),
                     NULL);
  for (int i = 0; i < PROBES; i++) {
    const range_probe *expected = &test->probes[i];
    uint8_t bytes[sizeof expected->bytes], raw[sizeof expected->bytes];
    size_t read, raw_read;
    uint64_t address = (uintptr_t)test->child->region + expected->from;
    HRESULT hr =
        cordbg_reader_read(&plain, CORDBG_VIEW_CLIENT, address, bytes, expected->size, &read, NULL);
    (void)cordbg_target_read(test->target, CORDBG_VIEW_RAW, address, raw, expected->size, &raw_read,
                             NULL);
    if (hr != expected->hr || read != expected->read || raw_read != read ||
        memcmp(bytes, raw, read) != 0)
      test->differ++;
  }
  cordbg_reader_deinit(&plain);
  return NULL;
}

static void
row_41_seccomp_refuses_process_vm_readv(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  uint64_t seed = test_seed();
  for (int i = 0; i < 200; i++) {
    size_t at = test_random(&seed) % REGION_SIZE;
    cordbg_layer layer = i % 3 == 0 ? CORDBG_LAYER_NATIVE : CORDBG_LAYER_MANAGED;
    plant(target, layer, child->region + at - at % 3);
    if (layer == CORDBG_LAYER_NATIVE) /* single: a second one at the place would be refused */
      lift(target, layer, child->region + at - at % 3);
  }
  assert_int_equal(child_run(child, command_unmap, (long)(child->region + 5 * PAGE)), 0);
  assert_int_equal(child_run(child, command_protect_none, (long)(child->region + 9 * PAGE)), 0);
  assert_int_equal(child_run(child, command_protect_exec, (long)(child->region + 17 * PAGE)), 0);
  assert_int_equal(child_run(child, command_protect_read, (long)(child->region + 18 * PAGE)), 0);
  static range_probe probes[PROBES];
  for (int i = 0; i < PROBES; i++) {
    range_probe *probe = &probes[i];
    probe->from = test_random(&seed) % (24 * PAGE);
    if (i % 2 == 0) /* around the edges of pages */
      probe->from = (probe->from | (PAGE - 1)) - test_random(&seed) % 300;
    probe->size = test_random(&seed) % sizeof probe->bytes;
    memset(probe->bytes, 0xa5, sizeof probe->bytes);
    probe->hr =
        cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region + probe->from,
                           probe->bytes, probe->size, &probe->read, NULL);
  }
  const int refusals[] = {EPERM, ENOSYS, EACCES};
  for (size_t i = 0; i < 3; i++) {
    route_test test = {.target = target, .child = child, .probes = probes, .sys = refusals[i]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_by_the_second_route, &test), 0);
    pthread_join(thread, NULL);
    assert_int_equal(test.differ, 0);
  }
  cordbg_target_unref(target);
  child_end(child);
}

static void
row_41_an_ordinary_user_is_refused(void **state)
{
  (void)state;
  if (geteuid() != 0) {
    print_message("SKIP: only root can become another user\n");
    skip();
  }
  test_child *child = child_start(NULL);
  pid_t user = fork();
  if (user == 0) {
    cordbg_reader reader;
    uint8_t byte;
    size_t read;
    cordbg_error error = {0};
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
      _exit(2);
    cordbg_reader_init(&reader, child->pid, (int)syscall(SYS_pidfd_open, child->pid, 0), NULL);
    HRESULT hr = cordbg_reader_read(&reader, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, &byte, 1,
                                    &read, &error);
    _exit(hr == E_ACCESSDENIED && read == 0 && error.sentence[0] != '\0' ? 0 : 1);
  }
  int status = -1;
  waitpid(user, &status, 0);
  assert_int_equal(status, 0);
  child_end(child);
}

#ifndef MEMORY_DOUBLE
/* ---- a new address space ---- */

static long
command_exec(long unused)
{
  (void)unused;
  execlp("sleep", "sleep", "60", (char *)NULL);
  return -1;
}

/* The first bytes of the program's image, by the mappings that the target has now. */
static void
check_image(cordbg_target *target)
{
  cordbg_mapping mapping;
  char path[256];
  uint8_t magic[4];
  cordbg_error error = {0};
  assert_int_equal(cordbg_target_find_mapping(target, 0, true, &mapping, path, sizeof path, &error),
                   S_OK);
  assert_non_null(strstr(path, "bin/"));
  succeeded(cordbg_target_read_exact(target, CORDBG_VIEW_CLIENT, mapping.start, magic, 4, &error),
            &error);
  assert_memory_equal(magic, "\177ELF", 4);
}

static void *
check_image_by_the_second_route(void *target)
{
  refuse_process_vm_readv(EPERM);
  check_image(target);
  return NULL;
}

static void
row_24_after_an_exec_the_new_address_space_is_read(void **state)
{
  (void)state;
  test_child *child = child_start(NULL);
  cordbg_target *target = session_open(child);
  plant(target, CORDBG_LAYER_MANAGED, child->region + 5);
  /* No answer comes: what listened is gone. */
  struct {
    long (*function)(long);
    long argument;
  } command = {command_exec, 0};
  assert_int_equal(write(child->commands, &command, sizeof command), sizeof command);
  cordbg_event event = {0};
  cordbg_error error = {0};
  HRESULT hr = S_OK;
  while (hr == S_OK && event.kind != CORDBG_EVENT_EXEC)
    hr = cordbg_tracer_next_event(cordbg_target_tracer(target), CORDBG_CHANNEL_MANAGED, 10000,
                                  &event, &error);
  assert_int_equal(hr, S_OK);
  check_image(target);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, check_image_by_the_second_route, target), 0);
  pthread_join(thread, NULL);
  uint8_t byte;
  size_t read;
  assert_int_equal(cordbg_target_read(target, CORDBG_VIEW_CLIENT, (uintptr_t)child->region, &byte,
                                      1, &read, NULL),
                   CORDBG_E_READVIRTUAL_FAILURE);
  succeeded(cordbg_tracer_continue(cordbg_target_tracer(target), &error), &error);
  cordbg_target_unref(target);
  child_end(child);
}
#endif

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_04_row_05_row_08_traps_at_the_edge_of_what_is_mapped_and_of_the_buffer),
      cmocka_unit_test(row_06_partial_read_with_many_traps),
      cmocka_unit_test(row_07_strange_ranges),
      cmocka_unit_test(row_07_longer_than_the_kernel_moves_in_one_call),
      cmocka_unit_test(row_26_target_killed_or_reaped),
      cmocka_unit_test(row_26_leader_thread_exits_before_the_others),
      cmocka_unit_test(after_detach_the_target_is_neutered),
      cmocka_unit_test(registry_finds_a_session_by_its_pid),
      cmocka_unit_test(row_38_prot_none_and_execute_only),
      cmocka_unit_test(row_39_past_the_end_of_a_mapped_file),
      cmocka_unit_test(row_39_vdso_vvar_vsyscall),
      cmocka_unit_test(row_42_a_byte_changed_from_outside_shows),
      cmocka_unit_test(row_41_seccomp_refuses_process_vm_readv),
      cmocka_unit_test(row_41_an_ordinary_user_is_refused),
#ifndef MEMORY_DOUBLE
      cmocka_unit_test(row_24_after_an_exec_the_new_address_space_is_read),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
