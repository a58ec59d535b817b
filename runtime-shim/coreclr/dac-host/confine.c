/* SPDX-License-Identifier: MIT */
/*
 * What the host gives up: another user's credentials and every capability before the DAC is loaded,
 * all system calls but the few below once it is (a refused one fails with EPERM: the DAC may try
 * one in vain and go on).
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define CAPABILITIES_MAX 64
#define MEMORY_MAX (2ull << 30)

static HRESULT
become(const cordbg_dac_request_start *start, cordbg_error *error)
{
  gid_t groups[CORDBG_DAC_GROUPS_MAX];

  if (start->group_count > CORDBG_DAC_GROUPS_MAX)
    return E_INVALIDARG;
  for (uint32_t i = 0; i < start->group_count; i++)
    groups[i] = start->groups[i];
  if (setgroups(start->group_count, groups) != 0 ||
      setresgid(start->gid, start->gid, start->gid) != 0 ||
      setresuid(start->uid, start->uid, start->uid) != 0)
    return cordbg_error_set_errno(error, errno, 0,
                                  "the DAC host cannot take the target's user %u and group %u: %s",
                                  start->uid, start->gid, strerror(errno));
  return S_OK;
}

HRESULT
host_drop_privileges(const cordbg_dac_request_start *start, cordbg_error *error)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2];
  struct rlimit no_core = {0, 0};
  HRESULT hr = S_OK;

  memset(none, 0, sizeof none);
  for (int i = 0; i < CAPABILITIES_MAX; i++) /* fails where we have not the right to: then there */
    prctl(PR_CAPBSET_DROP, i, 0, 0, 0);      /* is nothing to drop */
  if (start->become)
    hr = become(start, error);
  if (FAILED(hr))
    return hr;
  setrlimit(RLIMIT_CORE, &no_core);
#if !defined __SANITIZE_ADDRESS__
  struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};
  setrlimit(RLIMIT_AS, &memory);
#endif
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &header, none) != 0)
    return cordbg_error_set_errno(error, errno, 0, "the DAC host cannot drop its privileges: %s",
                                  strerror(errno));
  return S_OK;
}

/* ---- System calls ---- */

static const uint16_t allowed[] = {
    SYS_read,
    SYS_pread64,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_close,
    SYS_lseek,
    SYS_fstat,
    SYS_futex,
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_sigaltstack,
    SYS_setitimer,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getpid,
    SYS_gettid,
    SYS_getrandom,
    SYS_tgkill,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_getrusage,
    SYS_sysinfo,
#if defined __SANITIZE_ADDRESS__ /* its reports */
    SYS_write,
    SYS_readlink,
    SYS_readlinkat,
#endif
};
#define ALLOWED (sizeof allowed / sizeof *allowed)
enum { HEAD = 4, MAPPER = 5, TAIL = 2 };

HRESULT
host_filter_system_calls(cordbg_error *error)
{
  struct sock_filter filter[HEAD + 2 * MAPPER + ALLOWED + TAIL];
  size_t n = 0;

  filter[n++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  filter[n++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  static const uint32_t mappers[] = {SYS_mmap, SYS_mprotect};
  for (size_t i = 0; i < 2; i++) { /* without PROT_EXEC only */
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mappers[i], 0, 4);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                               offsetof(struct seccomp_data, args[2]));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  for (size_t i = 0; i < ALLOWED; i++)
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                                               (uint8_t)(ALLOWED - i), 0);
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
  /* All threads: the DAC may have made one. */
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
    return cordbg_error_set_errno(error, errno, 0, "the DAC host cannot filter system calls: %s",
                                  strerror(errno));
  return S_OK;
}
