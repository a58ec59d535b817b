/* SPDX-License-Identifier: MIT */
/*
 * Answers of the DAC host that stay good as long as what they were made of stays.
 *
 * Why. A question costs two wake-ups of another process, and what the DAC read has to be read anew
 * whenever the target ran. But its answer is a function of the bytes that it read, and the host
 * tells with the answer what these were (dac-host/record.c). So at the next stop the pieces are
 * read by one vectored call, and when each byte is as it was, the answer is what the DAC would
 * give.
 *
 * States of a kept answer:  none --asked--> sure --the target ran, a flush--> doubted
 *                            ^                ^-----all bytes are the same------'  |
 *                            '------------a byte differs, or cannot be read -------'
 *
 * Invariants
 *   - bytes are compared, no digests; those that the DAC saw, not those that stood there later;
 *   - two pieces that overlap saw the same bytes there, or nothing is kept;
 *   - an answer is of the host that runs: nothing is kept over its end.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-private.h"

/* Bounds of what is taken from a host. */
#define PIECES_MAX 65536u
/* One read spans pieces with no more than this between them: it costs less than another read. Less
 * than a page: so all pages of a span hold something of a piece. */
#define GAP_MAX 4095u

static int
slot_of(cordbg_dac_kind kind)
{
  return kind == CORDBG_DAC_MODULES ? CORDBG_DAC_KEPT_MODULES
         : kind == CORDBG_DAC_SOUND ? CORDBG_DAC_KEPT_SOUND
                                    : -1;
}

bool
cordbg_dac_is_kept(cordbg_dac_kind kind)
{
  return slot_of(kind) >= 0;
}

static void
drop(cordbg_dac *dac, int slot)
{
  cordbg_dac_kept *kept = dac->kept[slot];

  dac->kept[slot] = NULL;
  if (!kept)
    return;
  g_free(kept->answer);
  g_free(kept->seen);
  g_free(kept->pieces);
  g_free(kept->spans);
  g_free(kept->now);
  g_free(kept);
}

void
cordbg_dac_drop_kept(cordbg_dac *dac)
{
  for (int slot = 0; slot < CORDBG_DAC_KEPT_COUNT; slot++)
    drop(dac, slot);
}

void
cordbg_dac_doubt_kept(cordbg_dac *dac)
{
  for (int slot = 0; slot < CORDBG_DAC_KEPT_COUNT; slot++)
    if (dac->kept[slot])
      dac->kept[slot]->sure = false;
}

/* ---- Keeping ---- */

static int
by_address(const void *a, const void *b)
{
  const cordbg_dac_kept_piece *left = a, *right = b;

  return left->address < right->address ? -1 : left->address > right->address;
}

/* The pieces, by address. false: what the host tells of them cannot be. */
static bool
take_pieces(cordbg_dac_kept *kept, const uint8_t *tail, size_t size, uint32_t count)
{
  size_t left = size - count * sizeof(cordbg_dac_wire_piece);
  size_t at = 0;

  kept->pieces = g_new(cordbg_dac_kept_piece, count);
  kept->piece_count = count;
  for (uint32_t i = 0; i < count; i++) {
    cordbg_dac_wire_piece wire;
    memcpy(&wire, tail + i * sizeof wire, sizeof wire);
    if (wire.size == 0 || wire.size > left - at || wire.address > UINT64_MAX - wire.size)
      return false;
    kept->pieces[i] =
        (cordbg_dac_kept_piece){.address = wire.address, .size = wire.size, .seen = at};
    at += wire.size;
  }
  if (at != left)
    return false;
  kept->seen = g_memdup2(tail + size - left, left);
  qsort(kept->pieces, count, sizeof *kept->pieces, by_address);
  return true;
}

/* The reads that cover all pieces, into one buffer. */
static void
make_spans(cordbg_dac_kept *kept)
{
  uint64_t start = 0, end = 0; /* of the span */
  size_t room = 0;             /* before it */
  GArray *spans = g_array_new(FALSE, TRUE, sizeof(cordbg_read_range));

  for (size_t i = 0; i < kept->piece_count; i++) {
    cordbg_dac_kept_piece *piece = &kept->pieces[i];
    bool near = i > 0 && piece->address - start <= end - start + GAP_MAX;
    if (!near) {
      cordbg_read_range span = {.address = piece->address};
      room += (size_t)(end - start);
      start = end = piece->address;
      g_array_append_val(spans, span);
    }
    piece->now = room + (size_t)(piece->address - start);
    end = MAX(end, piece->address + piece->size);
    g_array_index(spans, cordbg_read_range, spans->len - 1).size = (size_t)(end - start);
  }
  room += (size_t)(end - start);
  kept->now = g_malloc(room + 1);
  kept->span_count = spans->len;
  kept->spans = (cordbg_read_range *)(void *)g_array_free(spans, FALSE);
  for (size_t i = 0, at = 0; i < kept->span_count; at += kept->spans[i++].size)
    kept->spans[i].buffer = kept->now + at;
}

static bool
is_as_seen(const cordbg_dac_kept *kept)
{
  for (size_t i = 0; i < kept->piece_count; i++) {
    const cordbg_dac_kept_piece *piece = &kept->pieces[i];
    if (memcmp(kept->now + piece->now, kept->seen + piece->seen, piece->size) != 0)
      return false;
  }
  return true;
}

/* Did pieces that overlap see the same? Laid over each other they are all as they were then. */
static bool
agree(cordbg_dac_kept *kept)
{
  for (size_t i = 0; i < kept->piece_count; i++)
    memcpy(kept->now + kept->pieces[i].now, kept->seen + kept->pieces[i].seen,
           kept->pieces[i].size);
  return is_as_seen(kept);
}

bool
cordbg_dac_keep(cordbg_dac *dac, cordbg_dac_kind kind, const cordbg_dac_reply *reply,
                size_t *length)
{
  int slot = slot_of(kind);
  uint32_t count = FAILED(reply->error.hr) ? 0 : reply->pieces;

  drop(dac, slot);
  if (count == 0)
    return true;
  if (count > PIECES_MAX || *length < count * sizeof(cordbg_dac_wire_piece))
    return false;
  uint64_t tail = count * sizeof(cordbg_dac_wire_piece) + (uint64_t)reply->piece_bytes;
  if (tail > *length)
    return false;
  cordbg_dac_kept *kept = g_new0(cordbg_dac_kept, 1);
  dac->kept[slot] = kept;
  *length -= (size_t)tail;
  if (!take_pieces(kept, dac->body + *length, (size_t)tail, count)) {
    drop(dac, slot);
    return false;
  }
  make_spans(kept);
  kept->reply = *reply;
  kept->answer = g_memdup2(dac->body, *length);
  kept->length = *length;
  kept->sure = true;
  if (!agree(kept))
    drop(dac, slot);
  return true;
}

/* ---- Using ---- */

bool
cordbg_dac_recall(cordbg_dac *dac, cordbg_dac_kind kind, const uint8_t **elements,
                  cordbg_dac_reply *reply, size_t *length)
{
  int slot = slot_of(kind);
  cordbg_dac_kept *kept = dac->kept[slot];

  if (!kept)
    return false;
  if (!kept->sure && (cordbg_target_read_batch(dac->target, CORDBG_VIEW_PRISTINE, kept->spans,
                                               kept->span_count, NULL) != S_OK ||
                      !is_as_seen(kept))) {
    drop(dac, slot);
    return false;
  }
  kept->sure = true;
  *elements = kept->answer;
  *reply = kept->reply;
  *length = kept->length;
  return true;
}
