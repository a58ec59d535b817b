/* SPDX-License-Identifier: MIT */
/*
 * The client's end of a tracer, played by the test process itself: it publishes and plants in the
 * order that the real one keeps, without ptrace. So the memory room's tests reach moments that the
 * real tracer passes too quickly (see memory-tracer-double.h), and need no other room.
 */
#include "config.h"

#include "tests/live/memory-tracer-double.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct cordbg_tracer {
  cordbg_patch_publisher *publisher;
  cordbg_patch_table table;
  int pid;
  int mem_fd;
};

HRESULT
cordbg_tracer_start(cordbg_tracer **ret, cordbg_error *error)
{
  cordbg_tracer *tracer = calloc(1, sizeof *tracer);
  tracer->mem_fd = -1;
  HRESULT hr = cordbg_patch_publisher_create(0, &tracer->publisher, error);
  if (SUCCEEDED(hr))
    hr =
        cordbg_patch_table_map(&tracer->table, cordbg_patch_publisher_fd(tracer->publisher), error);
  *ret = tracer;
  return hr;
}

void
cordbg_tracer_destroy(cordbg_tracer *tracer)
{
  cordbg_patch_table_unmap(&tracer->table);
  cordbg_patch_publisher_destroy(tracer->publisher);
  if (tracer->mem_fd >= 0)
    close(tracer->mem_fd);
  free(tracer);
}

const cordbg_patch_table *
cordbg_tracer_patch_table(const cordbg_tracer *tracer)
{
  return &tracer->table;
}

int
cordbg_tracer_mem_fd(const cordbg_tracer *tracer)
{
  return tracer->mem_fd;
}

int
cordbg_tracer_pid(const cordbg_tracer *tracer)
{
  return tracer->pid;
}

HRESULT
cordbg_tracer_attach(cordbg_tracer *tracer, int pid, cordbg_error *error)
{
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  tracer->mem_fd = open(path, O_RDWR | O_CLOEXEC);
  if (tracer->mem_fd < 0)
    return cordbg_error_set_errno(error, errno, 0, "%s", path);
  tracer->pid = pid;
  cordbg_patch_publisher_set_pid(tracer->publisher, (uint32_t)pid);
  return S_OK;
}

HRESULT
cordbg_tracer_detach(cordbg_tracer *tracer, cordbg_error *error)
{
  (void)error;
  cordbg_patch_publisher_set_gone(tracer->publisher, CORDBG_GONE_DETACHED);
  return S_OK;
}

void
double_reap(cordbg_tracer *tracer)
{
  cordbg_patch_publisher_set_gone(tracer->publisher, CORDBG_GONE_EXITED);
}

void
double_publish(cordbg_tracer *tracer, uint64_t address, uint8_t original, unsigned layers,
               unsigned lifted)
{
  cordbg_patch_change change = {address, original, (uint8_t)layers, (uint8_t)lifted};
  if (FAILED(cordbg_patch_publisher_publish(tracer->publisher, &change, 1, NULL)))
    abort();
}

void
double_poke(cordbg_tracer *tracer, uint64_t address, uint8_t byte)
{
  if (pwrite(tracer->mem_fd, &byte, 1, (off_t)address) != 1)
    abort();
}

uint8_t
double_peek(cordbg_tracer *tracer, uint64_t address)
{
  uint8_t byte;
  if (pread(tracer->mem_fd, &byte, 1, (off_t)address) != 1)
    abort();
  return byte;
}

/* One layer more or less at an address: publish, then plant; restore, then retire. */
static void
change_layer(cordbg_tracer *tracer, uint64_t address, unsigned add, unsigned take)
{
  cordbg_patch_entry entry;
  bool there = cordbg_patch_table_find(&tracer->table, address, &entry);
  unsigned layers = ((there ? entry.layers : 0u) | add) & ~take;
  uint8_t original = there ? entry.original : double_peek(tracer, address);
  if (layers != 0) {
    double_publish(tracer, address, original, layers, 0);
    double_poke(tracer, address, CORDBG_TRAP);
  } else if (there) {
    double_poke(tracer, address, original);
    double_publish(tracer, address, 0, 0, 0);
  }
}

HRESULT
cordbg_tracer_plant(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                    size_t count, cordbg_plant_result *results, cordbg_error *error)
{
  (void)error;
  for (size_t i = 0; i < count; i++) {
    change_layer(tracer, addresses[i], layer, 0);
    results[i].status = 0;
  }
  return S_OK;
}

HRESULT
cordbg_tracer_remove(cordbg_tracer *tracer, cordbg_layer layer, const uint64_t *addresses,
                     size_t count, cordbg_plant_result *results, cordbg_error *error)
{
  (void)error;
  for (size_t i = 0; i < count; i++) {
    change_layer(tracer, addresses[i], 0, layer);
    results[i].status = 0;
  }
  return S_OK;
}

HRESULT
cordbg_tracer_write(cordbg_tracer *tracer, uint64_t address, const void *data, size_t size,
                    size_t *written, cordbg_error *error)
{
  const uint8_t *bytes = data;
  for (*written = 0; *written < size; ++*written) {
    uint64_t at = address + *written;
    uint8_t byte = bytes[*written];
    cordbg_patch_entry entry;
    if (cordbg_patch_table_find(&tracer->table, at, &entry)) {
      bool shown = (entry.layers & CORDBG_LAYER_NATIVE) != 0;
      if (!shown || byte != CORDBG_TRAP)
        double_publish(tracer, at, byte, entry.layers, entry.lifted);
    } else if (pwrite(tracer->mem_fd, &byte, 1, (off_t)at) != 1) {
      return cordbg_error_set(error, E_FAIL, errno, at, "0x%llx cannot be written",
                              (unsigned long long)at);
    }
  }
  return S_OK;
}

HRESULT
cordbg_tracer_get_registers(cordbg_tracer *tracer, int tid, cordbg_registers *ret,
                            cordbg_error *error)
{
  (void)tracer, (void)tid, (void)ret;
  return cordbg_error_set(error, E_NOTIMPL, 0, 0, "the tracer's double has no registers");
}

HRESULT
cordbg_tracer_set_registers(cordbg_tracer *tracer, int tid, const cordbg_registers *registers,
                            cordbg_error *error)
{
  (void)tracer, (void)tid, (void)registers;
  return cordbg_error_set(error, E_NOTIMPL, 0, 0, "the tracer's double has no registers");
}

static HRESULT
runs_alone(cordbg_error *error)
{
  return cordbg_error_set(error, E_NOTIMPL, 0, 0, "the tracer's double stops nothing");
}

HRESULT
cordbg_tracer_threads(cordbg_tracer *tracer, cordbg_thread_info **ret, size_t *count,
                      cordbg_error *error)
{
  (void)tracer, (void)ret, (void)count;
  return runs_alone(error);
}

HRESULT
cordbg_tracer_stop(cordbg_tracer *tracer, cordbg_reply_stop *state, cordbg_error *error)
{
  (void)tracer, (void)state;
  return runs_alone(error);
}

HRESULT
cordbg_tracer_continue(cordbg_tracer *tracer, cordbg_error *error)
{
  (void)tracer;
  return runs_alone(error);
}

/* Its target never stands still. */
uint64_t
cordbg_tracer_stillness(const cordbg_tracer *tracer)
{
  (void)tracer;
  return 0;
}

HRESULT
cordbg_tracer_terminate(cordbg_tracer *tracer, cordbg_error *error)
{
  (void)tracer;
  return runs_alone(error);
}

HRESULT
cordbg_tracer_next_event(cordbg_tracer *tracer, cordbg_event_channel channel, int timeout_ms,
                         cordbg_event *event, cordbg_error *error)
{
  (void)tracer, (void)channel, (void)timeout_ms, (void)event;
  return runs_alone(error);
}

void
cordbg_tracer_wake(cordbg_tracer *tracer, cordbg_event_channel channel)
{
  (void)tracer, (void)channel;
}
