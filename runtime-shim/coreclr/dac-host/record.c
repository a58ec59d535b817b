/* SPDX-License-Identifier: MIT */
/*
 * What the DAC's answers are made of: the pieces of the target's memory that were read since the
 * last FLUSH, with the bytes that were seen there.
 *
 * Why. An answer of the DAC is a function of the bytes that it was given: while these are the same,
 * so is the answer, and the client need not ask (../dac-kept.c). The DAC keeps what it read until
 * it is flushed, so a question may be answered from what an earlier one read: all pieces since the
 * flush belong to each answer. That may be more than it was made of, never less.
 *
 * An answer is not to be kept when it depends on more than such pieces: a read that failed or was
 * cut, an address at which two reads saw different bytes, a write, more than there is room for. And
 * nothing is recorded when the first question after a flush is not of those that are kept.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define SLOTS (2 * HOST_PIECES) /* a power of 2 */

struct host_record {
  bool spoilt;
  unsigned count;
  size_t size;                 /* of the bytes */
  uint16_t slots[SLOTS];       /* by address: index of a piece + 1; 0: free */
  size_t offsets[HOST_PIECES]; /* into bytes */
  cordbg_dac_wire_piece pieces[HOST_PIECES];
  uint8_t bytes[HOST_PIECE_BYTES];
};

_Static_assert(HOST_PIECES < UINT16_MAX, "slots hold an index + 1");

void
host_record_begin(dac_host *host, bool wanted)
{
  host_record *record = host->record;

  if (record == NULL && wanted) /* its pages are zero, and touched when they are used */
    record = host->record = calloc(1, sizeof *record);
  if (record == NULL)
    return;
  record->spoilt = !wanted;
  if (!wanted)
    return;
  memset(record->slots, 0, sizeof record->slots);
  record->count = 0;
  record->size = 0;
}

void
host_record_spoil(dac_host *host)
{
  if (host->record != NULL)
    host->record->spoilt = true;
}

void
host_record_read(dac_host *host, uint64_t address, const void *data, size_t size)
{
  host_record *record = host->record;

  if (record == NULL || record->spoilt || size == 0)
    return;
  unsigned slot = (unsigned)((address * 0x9e3779b97f4a7c15ull) >> 40) % SLOTS;
  for (; record->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
    unsigned i = record->slots[slot] - 1u;
    if (record->pieces[i].address != address || record->pieces[i].size < size)
      continue;
    if (memcmp(record->bytes + record->offsets[i], data, size) != 0)
      record->spoilt = true;
    return;
  }
  if (record->count == HOST_PIECES || size > HOST_PIECE_BYTES - record->size) {
    record->spoilt = true;
    return;
  }
  record->pieces[record->count] = (cordbg_dac_wire_piece){.address = address, .size = size};
  record->offsets[record->count] = record->size;
  memcpy(record->bytes + record->size, data, size);
  record->size += size;
  record->slots[slot] = (uint16_t)++record->count;
}

void
host_add_record(dac_host *host, cordbg_dac_reply *reply)
{
  const host_record *record = host->record;

  if (record == NULL || record->spoilt)
    return;
  host_add(host, record->pieces, record->count * sizeof *record->pieces);
  host_add(host, record->bytes, record->size);
  reply->pieces = record->count;
  reply->piece_bytes = (uint32_t)record->size;
}
