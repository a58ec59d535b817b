/* SPDX-License-Identifier: MIT */
/*
 * Modules and symbols: this very process, in which the dynamic linker knows the right answers, then
 * children before their first instruction, then files and memory that were made up.
 */
#include "config.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <errno.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cordbg/native/linker.h"
#include "cordbg/native/modules-private.h"
#include "cordbg/native/symbols.h"

static cordbg_modules *
modules_of(int pid)
{
  cordbg_modules *modules = NULL;
  cordbg_error error = {0};

  if (FAILED(cordbg_modules_create(pid, NULL, NULL, &modules, &error)))
    fail_msg("%s", error.sentence);
  return modules;
}

static cordbg_modules *
own_modules(void)
{
  return modules_of((int)getpid());
}

/* Only .symtab knows it. */
static int __attribute__((noinline)) local_function(int x)
{
  __asm__ volatile("" : "+r"(x));
  return x * 3;
}

/* ------------------------------------------------------------------ modules */

static int
collect_bias(struct dl_phdr_info *info, size_t size, void *data)
{
  GArray *biases = data;
  uint64_t bias = info->dlpi_addr;

  (void)size;
  g_array_append_val(biases, bias);
  return 0;
}

static void
modules_come_in_load_order_with_their_bias(void **state)
{
  g_autoptr(GArray) biases = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  cordbg_modules *modules = own_modules();

  (void)state;
  dl_iterate_phdr(collect_bias, biases);
  assert_true(biases->len >= 3);
  /* there may be more that the linker does not know: valgrind's own, for one */
  assert_true(cordbg_modules_count(modules) >= biases->len);
  for (guint i = 0; i < biases->len; i++)
    assert_int_equal(cordbg_modules_get(modules, i)->bias, g_array_index(biases, uint64_t, i));
  assert_null(cordbg_modules_get(modules, cordbg_modules_count(modules)));
  assert_ptr_equal(cordbg_modules_get(modules, 0), cordbg_modules_program(modules));
  assert_int_equal(cordbg_modules_program(modules)->entry, getauxval(AT_ENTRY));
  cordbg_modules_destroy(modules);
}

static void
an_address_belongs_to_the_module_that_spans_it(void **state)
{
  cordbg_modules *modules = own_modules();
  const cordbg_module *program = cordbg_modules_program(modules);
  const cordbg_module *libc = cordbg_modules_named(modules, "libc");
  int on_stack;

  (void)state;
  assert_ptr_equal(cordbg_modules_at(modules, (uintptr_t)local_function), program);
  assert_ptr_equal(cordbg_modules_at(modules, (uintptr_t)dlsym(RTLD_DEFAULT, "getpid")), libc);
  assert_ptr_equal(cordbg_modules_at(modules, libc->start), libc);
  assert_ptr_equal(cordbg_modules_at(modules, libc->end - 1), libc);
  assert_ptr_not_equal(cordbg_modules_at(modules, libc->end), libc);
  assert_null(cordbg_modules_at(modules, (uintptr_t)&on_stack));
  assert_null(cordbg_modules_at(modules, 0));
  assert_null(cordbg_modules_at(modules, UINT64_MAX));
  cordbg_modules_destroy(modules);
}

static void
a_library_is_named_as_a_user_would(void **state)
{
  cordbg_modules *modules = own_modules();
  const cordbg_module *libc = cordbg_modules_named(modules, "libc.so.6");

  (void)state;
  assert_non_null(libc);
  assert_ptr_equal(cordbg_modules_named(modules, "libc"), libc);
  assert_ptr_equal(cordbg_modules_named(modules, "libc.so"), libc);
  assert_ptr_equal(cordbg_modules_containing(modules, "/libc.so"), libc);
  assert_ptr_equal(cordbg_modules_named(modules, libc->path), libc);
  assert_non_null(cordbg_modules_named(modules, "ld-linux-x86-64"));
  assert_null(cordbg_modules_named(modules, "libnothing"));
  assert_null(cordbg_modules_named(modules, ""));
  assert_null(cordbg_modules_containing(modules, "libnothing"));
  cordbg_modules_destroy(modules);
}

/* A copy of a library under a name of its own. */
static char *
copy_library(const char *from)
{
  g_autofree char *data = NULL;
  gsize size;
  char *path = g_strdup("/tmp/cordbg-test-XXXXXX");
  int fd = mkstemp(path);

  assert_true(fd >= 0);
  assert_true(g_file_get_contents(from, &data, &size, NULL));
  assert_int_equal(write(fd, data, size), (ssize_t)size);
  close(fd);
  return path;
}

static char *
path_of(const char *library)
{
  cordbg_modules *modules = own_modules();
  char *path = g_strdup(cordbg_modules_named(modules, library)->path);

  cordbg_modules_destroy(modules);
  return path;
}

static void
row_25_an_update_sees_libraries_come_and_go_and_keeps_the_rest(void **state)
{
  g_autofree char *from = path_of("libcmocka");
  g_autofree char *copy = copy_library(from);
  cordbg_modules *modules = own_modules();
  const cordbg_module *libc = cordbg_modules_named(modules, "libc");
  size_t count = cordbg_modules_count(modules);
  cordbg_symbol symbol, again;
  void *library;

  (void)state;
  assert_int_equal(
      cordbg_symbol_find_in(modules, libc, "getpid", CORDBG_SYMBOLS_EXPORTED, &symbol, NULL), S_OK);
  library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
  assert_non_null(library);
  assert_null(cordbg_modules_containing(modules, copy));
  assert_int_equal(cordbg_modules_update(modules, NULL), S_OK);
  assert_int_equal(cordbg_modules_count(modules), count + 1);
  assert_non_null(cordbg_modules_containing(modules, copy));
  assert_int_equal(cordbg_symbol_find(modules, copy, "_cmocka_run_group_tests",
                                      CORDBG_SYMBOLS_EXPORTED, &again, NULL),
                   S_OK);
  assert_ptr_equal((void *)again.address, dlsym(library, "_cmocka_run_group_tests"));
  assert_ptr_equal(cordbg_modules_named(modules, "libc"), libc);
  assert_int_equal(
      cordbg_symbol_find_in(modules, libc, "getpid", CORDBG_SYMBOLS_EXPORTED, &again, NULL), S_OK);
  assert_ptr_equal(again.name, symbol.name); /* not read anew */
  assert_int_equal(dlclose(library), 0);
  assert_int_equal(cordbg_modules_update(modules, NULL), S_OK);
  assert_null(cordbg_modules_containing(modules, copy));
  cordbg_modules_destroy(modules);
  unlink(copy);
}

static void
row_41_a_deleted_file_and_a_memory_file_still_have_their_symbols(void **state)
{
  g_autofree char *from = path_of("libcmocka");
  g_autofree char *copy = copy_library(from);
  g_autofree char *data = NULL;
  char name[64];
  gsize size;
  int memory = memfd_create("cordbg-test-library", MFD_CLOEXEC);
  void *deleted = dlopen(copy, RTLD_NOW | RTLD_LOCAL), *anonymous;
  cordbg_modules *modules;
  cordbg_symbol symbol;

  (void)state;
  assert_non_null(deleted);
  unlink(copy);
  assert_true(g_file_get_contents(from, &data, &size, NULL));
  assert_int_equal(write(memory, data, size), (ssize_t)size);
  snprintf(name, sizeof(name), "/proc/self/fd/%d", memory);
  anonymous = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  assert_non_null(anonymous);
  close(memory);
  modules = own_modules();
  assert_true(cordbg_modules_containing(modules, copy)->deleted);
  assert_int_equal(cordbg_symbol_find(modules, copy, "_cmocka_run_group_tests",
                                      CORDBG_SYMBOLS_EXPORTED, &symbol, NULL),
                   S_OK);
  assert_ptr_equal((void *)symbol.address, dlsym(deleted, "_cmocka_run_group_tests"));
  assert_int_equal(cordbg_symbol_find(modules, "memfd:cordbg-test-library",
                                      "_cmocka_run_group_tests", CORDBG_SYMBOLS_EXPORTED, &symbol,
                                      NULL),
                   S_OK);
  assert_ptr_equal((void *)symbol.address, dlsym(anonymous, "_cmocka_run_group_tests"));
  cordbg_modules_destroy(modules);
  dlclose(anonymous);
  dlclose(deleted);
}

/* ------------------------------------------------------------------ symbols */

static void
exported_symbols_are_where_the_dynamic_linker_finds_them(void **state)
{
  static const char *const names[] = {
      "getpid", "dlopen",      "dlsym", "pthread_create", "g_malloc",          "environ",
      "stdout", "posix_spawn", "fopen", "regexec",        "pthread_cond_wait", "g_hash_table_new"};
  cordbg_modules *modules = own_modules();

  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    void *expected = dlsym(RTLD_DEFAULT, names[i]);
    cordbg_symbol symbol;

    assert_non_null(expected);
    if (cordbg_symbol_find(modules, NULL, names[i], CORDBG_SYMBOLS_EXPORTED, &symbol, NULL) != S_OK)
      fail_msg("%s was not found", names[i]);
    if ((void *)symbol.address != expected)
      fail_msg("%s: %" PRIx64 " in %s, dlsym says %p", names[i], symbol.address,
               symbol.module->path, expected);
    assert_string_equal(symbol.name, names[i]);
    assert_true(symbol.exported);
  }
  cordbg_modules_destroy(modules);
}

static void
local_symbols_need_the_wider_scope(void **state)
{
  cordbg_modules *modules = own_modules();
  cordbg_symbol symbol;
  uint64_t offset = 0;

  (void)state;
  assert_int_equal(
      cordbg_symbol_find(modules, NULL, "local_function", CORDBG_SYMBOLS_EXPORTED, &symbol, NULL),
      S_FALSE);
  assert_int_equal(
      cordbg_symbol_find(modules, NULL, "local_function", CORDBG_SYMBOLS_ALL, &symbol, NULL), S_OK);
  assert_ptr_equal((void *)symbol.address, (void *)local_function);
  assert_int_equal(symbol.type, STT_FUNC);
  assert_false(symbol.exported);
  assert_true(symbol.size > 0);
  assert_int_equal(cordbg_symbol_at(modules, (uintptr_t)local_function + 2, &symbol, &offset, NULL),
                   S_OK);
  assert_string_equal(symbol.name, "local_function");
  assert_int_equal(offset, 2);
  assert_int_equal(
      cordbg_symbol_at(modules, (uintptr_t)local_function + symbol.size - 1, &symbol, NULL, NULL),
      S_OK);
  assert_string_equal(symbol.name, "local_function");
  assert_int_equal(cordbg_symbol_at(modules, 16, &symbol, NULL, NULL), S_FALSE);
  assert_int_equal(
      cordbg_symbol_find(modules, NULL, "no_such_symbol", CORDBG_SYMBOLS_ALL, &symbol, NULL),
      S_FALSE);
  assert_int_equal(
      cordbg_symbol_find(modules, "libnothing", "getpid", CORDBG_SYMBOLS_ALL, &symbol, NULL),
      S_FALSE);
  cordbg_modules_destroy(modules);
}

static void
what_a_user_writes_is_resolved(void **state)
{
  const uint64_t getpid_at = (uintptr_t)dlsym(RTLD_DEFAULT, "getpid");
  const struct {
    const char *text;
    HRESULT hr;
    uint64_t address;
  } rows[] = {
      {"getpid", S_OK, getpid_at},
      {"getpid+0x10", S_OK, getpid_at + 0x10},
      {"getpid+16", S_OK, getpid_at + 16},
      {"libc!getpid", S_OK, getpid_at},
      {"libc.so.6!getpid+1", S_OK, getpid_at + 1},
      {"local_function", S_OK, (uintptr_t)local_function},
      {"0x1234abCD", S_OK, 0x1234abcd},
      {"0xffffffffffffffff", S_OK, UINT64_MAX},
      {"4096", S_OK, 4096},
      {"", E_INVALIDARG, 0},
      {"+1", E_INVALIDARG, 0},
      {"!getpid", E_INVALIDARG, 0},
      {"libc!", E_INVALIDARG, 0},
      {"getpid+", E_INVALIDARG, 0},
      {"getpid+x", E_INVALIDARG, 0},
      {"getpid+0x", E_INVALIDARG, 0},
      {"getpid+0xffffffffffffffff", E_INVALIDARG, 0},
      {"getpid+99999999999999999999", E_INVALIDARG, 0},
      {"libnothing!getpid", HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND), 0},
      {"libc!no_such_symbol", HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND), 0},
      {"no_such_symbol+1", HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND), 0},
  };
  cordbg_modules *modules = own_modules();

  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint64_t address = 42;
    cordbg_error error = {0};
    HRESULT hr = cordbg_symbol_resolve(modules, rows[i].text, &address, &error);

    if (hr != rows[i].hr || address != (hr == S_OK ? rows[i].address : 42))
      fail_msg("\"%s\": 0x%08x, %" PRIx64, rows[i].text, (unsigned int)hr, address);
    if (FAILED(hr)) {
      assert_int_equal(error.hr, hr);
      assert_true(strlen(error.sentence) > 0);
    }
  }
  cordbg_modules_destroy(modules);
}

/* What a container's filter does: process_vm_readv answers EPERM. */
static bool
refuse_vm_calls(void)
{
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {G_N_ELEMENTS(filter), filter};

  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void
row_41_symbols_are_found_where_process_vm_readv_is_refused(void **state)
{
  pid_t child = fork();
  int status;

  (void)state;
  assert_true(child >= 0);
  if (child == 0) { /* alone under the filter; its own modules are as good as any */
    cordbg_modules *modules = NULL;
    cordbg_symbol symbol;

    if (!refuse_vm_calls())
      _exit(77);
    if (cordbg_modules_create((int)getpid(), NULL, NULL, &modules, NULL) != S_OK ||
        cordbg_symbol_find(modules, "libc.so", "getpid", CORDBG_SYMBOLS_EXPORTED, &symbol, NULL) !=
            S_OK ||
        (void *)symbol.address != dlsym(RTLD_DEFAULT, "getpid"))
      _exit(1);
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    printf("SKIP: no seccomp filter can be set here\n");
    skip();
  }
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_process_that_is_not_there_is_an_error(void **state)
{
  cordbg_modules *modules = NULL;
  cordbg_error error = {0};

  (void)state;
  assert_true(FAILED(cordbg_modules_create(0x3ffffff, NULL, NULL, &modules, &error)));
  assert_null(modules);
  assert_true(strlen(error.sentence) > 0);
}

/* ------------------------------------------------------------------ the dynamic linker */

static void
the_linker_tells_its_list_and_its_function(void **state)
{
  cordbg_modules *modules = own_modules();
  const struct r_debug *expected = NULL;
  cordbg_linker linker;
  cordbg_auxv auxv;

  (void)state;
  assert_int_equal(cordbg_linker_read(modules, &linker, NULL), S_OK);
  for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_DEBUG)
      expected = (const struct r_debug *)entry->d_un.d_ptr;
  assert_ptr_equal((const void *)linker.debug, expected);
  assert_int_equal(linker.map, (uintptr_t)expected->r_map);
  assert_int_equal(linker.breakpoint, expected->r_brk);
  assert_int_equal(linker.state, CORDBG_LINKER_CONSISTENT);
  assert_int_equal(cordbg_auxv_read((int)getpid(), &auxv, NULL), S_OK);
  assert_int_equal(auxv.entry, getauxval(AT_ENTRY));
  assert_int_equal(auxv.linker_base, getauxval(AT_BASE));
  assert_int_equal(auxv.vdso, getauxval(AT_SYSINFO_EHDR));
  cordbg_modules_destroy(modules);
}

/* A traced child, stopped at the first instruction of path. */
static pid_t
start_stopped(const char *path)
{
  pid_t child = fork();
  int status;

  assert_true(child >= 0);
  if (child == 0) {
    alarm(60);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
      execl(path, path, (char *)NULL);
    _exit(127);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSTOPPED(status));
  return child;
}

static void
before_the_first_instruction_the_linker_can_already_be_trapped(void **state)
{
  pid_t child = start_stopped("/bin/true");
  cordbg_modules *modules = modules_of((int)child);
  cordbg_linker before, after;
  cordbg_symbol symbol;
  uint64_t offset;
  int status;

  (void)state;
  assert_string_equal(strrchr(cordbg_modules_program(modules)->path, '/'), "/true");
  assert_int_equal(cordbg_linker_read(modules, &before, NULL), S_OK);
  assert_int_equal(before.state, CORDBG_LINKER_NOT_STARTED);
  assert_int_equal(before.map, 0);
  assert_int_equal(cordbg_symbol_at(modules, before.breakpoint, &symbol, &offset, NULL), S_OK);
  assert_int_equal(offset, 0);
  /* it is the very address that the linker announces later: let it get there */
  assert_int_equal(ptrace(PTRACE_POKETEXT, child, (void *)before.breakpoint, (void *)0xccL), 0);
  assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
  assert_int_equal(cordbg_modules_update(modules, NULL), S_OK);
  assert_int_equal(cordbg_linker_read(modules, &after, NULL), S_OK);
  assert_int_equal(after.breakpoint, before.breakpoint);
  assert_int_not_equal(after.debug, 0);
  cordbg_modules_destroy(modules);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

static void
before_the_first_instruction_mono_shows_its_exports(void **state)
{
  g_autofree char *mono = g_find_program_in_path("mono");
  cordbg_modules *modules;
  cordbg_symbol symbol;
  int status;
  pid_t child;

  (void)state;
  if (!mono) {
    printf("SKIP: no mono on this machine\n");
    skip();
  }
  child = start_stopped(mono);
  modules = modules_of((int)child);
  assert_int_equal(cordbg_symbol_find_in(modules, cordbg_modules_program(modules), "mono_jit_exec",
                                         CORDBG_SYMBOLS_EXPORTED, &symbol, NULL),
                   S_OK);
  assert_int_equal(symbol.type, STT_FUNC);
  assert_ptr_equal(cordbg_modules_at(modules, symbol.address), cordbg_modules_program(modules));
  cordbg_modules_destroy(modules);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(modules_come_in_load_order_with_their_bias),
      cmocka_unit_test(an_address_belongs_to_the_module_that_spans_it),
      cmocka_unit_test(a_library_is_named_as_a_user_would),
      cmocka_unit_test(row_25_an_update_sees_libraries_come_and_go_and_keeps_the_rest),
      cmocka_unit_test(row_41_a_deleted_file_and_a_memory_file_still_have_their_symbols),
      cmocka_unit_test(exported_symbols_are_where_the_dynamic_linker_finds_them),
      cmocka_unit_test(local_symbols_need_the_wider_scope),
      cmocka_unit_test(what_a_user_writes_is_resolved),
      cmocka_unit_test(row_41_symbols_are_found_where_process_vm_readv_is_refused),
      cmocka_unit_test(a_process_that_is_not_there_is_an_error),
      cmocka_unit_test(the_linker_tells_its_list_and_its_function),
      cmocka_unit_test(before_the_first_instruction_the_linker_can_already_be_trapped),
      cmocka_unit_test(before_the_first_instruction_mono_shows_its_exports),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
