/* SPDX-License-Identifier: MIT */
/* Attaches that are about to come: each has a DAC host that is being started (dac-launch.c). */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/coreclr-private.h"

typedef struct expectation {
  uint64_t id;
  int pid;
  cordbg_dac_begun *begun;
} expectation;

static GMutex lock; /* guards what follows */
static GArray *expected;
static uint64_t last_id;

uint64_t
cordbg_coreclr_expect(int pid, const cordbg_runtime_info *info)
{
  expectation one = {.pid = pid};

  /* What does not fit there is cut. */
  if (strlen(info->library) + 1 >= sizeof(info->library))
    return 0;
  one.begun = cordbg_dac_begin(pid, info->library);
  if (!one.begun)
    return 0;
  g_mutex_lock(&lock);
  if (!expected)
    expected = g_array_new(FALSE, FALSE, sizeof(expectation));
  one.id = ++last_id;
  g_array_append_val(expected, one);
  g_mutex_unlock(&lock);
  return one.id;
}

/* The first one that was begun so: by its number, or for a process. */
static cordbg_dac_begun *
take(uint64_t id, int pid)
{
  cordbg_dac_begun *begun = NULL;

  g_mutex_lock(&lock);
  for (guint i = 0; expected && i < expected->len && !begun; i++) {
    const expectation *one = &g_array_index(expected, expectation, i);
    if (one->id != id && one->pid != pid)
      continue;
    begun = one->begun;
    g_array_remove_index(expected, i);
  }
  g_mutex_unlock(&lock);
  return begun;
}

cordbg_dac_begun *
cordbg_coreclr_expected(int pid)
{
  return take(0, pid);
}

void
cordbg_coreclr_dismiss(uint64_t id)
{
  if (id)
    cordbg_dac_abandon(take(id, 0));
}
