/* SPDX-License-Identifier: MIT */
/*
 * A process's mappings in the words of VirtualQueryEx.
 *
 *   Windows                        here
 *   a region, BaseAddress up       from the page asked about to the end of its mapping
 *   AllocationBase                 where the mappings of the same file begin without a gap; a
 *                                  mapping's own start when it has no file
 *   MEM_IMAGE, MEM_MAPPED          private and shared mappings of a file
 *   MEM_PRIVATE                    no file
 *   MEM_FREE                       no mapping, up to the next one or the end of user space
 */
#include "config.h"

#include "cordbg/memory/target-private.h"

#include <sys/mman.h>

#define PAGE ((uint64_t)4096)
/* The end of user space with four levels of page tables, less the guard page. */
#define USER_END 0x7ffffffff000ull
/* Mappings of one file that are looked back over for AllocationBase. */
#define LOOK_BACK_MAX 64

static DWORD
page_protection(const cordbg_mapping *mapping)
{
  bool write = (mapping->prot & PROT_WRITE) != 0;
  bool copies = write && !mapping->shared && mapping->inode != 0;
  switch (mapping->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) {
  case 0:
    return PAGE_NOACCESS;
  case PROT_READ:
    return PAGE_READONLY;
  case PROT_EXEC:
    return PAGE_EXECUTE;
  case PROT_READ | PROT_EXEC:
    return PAGE_EXECUTE_READ;
  default:
    if ((mapping->prot & PROT_EXEC) != 0)
      return copies ? PAGE_EXECUTE_WRITECOPY : PAGE_EXECUTE_READWRITE;
    return copies ? PAGE_WRITECOPY : PAGE_READWRITE;
  }
}

static uint64_t
allocation_base(cordbg_reader *reader, const cordbg_mapping *mapping)
{
  cordbg_mapping first = *mapping;
  for (int i = 0; i < LOOK_BACK_MAX && first.inode != 0 && first.start > 0; i++) {
    cordbg_mapping before;
    if (cordbg_reader_find_mapping(reader, first.start - 1, false, &before, NULL, 0, NULL) !=
            S_OK ||
        before.inode != first.inode || before.device != first.device ||
        before.offset > first.offset)
      break;
    first = before;
  }
  return first.start;
}

HRESULT
cordbg_reader_query(cordbg_reader *reader, uint64_t address, MEMORY_BASIC_INFORMATION64 *ret,
                    cordbg_error *error)
{
  if (address >= USER_END)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), 0, address,
                            "0x%llx lies beyond user space", (unsigned long long)address);
  cordbg_mapping mapping;
  HRESULT hr = cordbg_reader_find_mapping(reader, address, true, &mapping, NULL, 0, error);
  if (FAILED(hr))
    return hr;
  MEMORY_BASIC_INFORMATION64 info = {.BaseAddress = address & ~(PAGE - 1)};
  if (hr == S_FALSE || mapping.start > address) {
    uint64_t end = hr == S_FALSE || mapping.start > USER_END ? USER_END : mapping.start;
    info.RegionSize = end - info.BaseAddress;
    info.State = MEM_FREE;
    info.Protect = PAGE_NOACCESS;
  } else {
    info.AllocationBase = allocation_base(reader, &mapping);
    info.RegionSize = mapping.end - info.BaseAddress;
    info.State = MEM_COMMIT;
    info.Protect = page_protection(&mapping);
    info.AllocationProtect = info.Protect;
    info.Type = mapping.inode == 0 ? MEM_PRIVATE : mapping.shared ? MEM_MAPPED : MEM_IMAGE;
  }
  *ret = info;
  return S_OK;
}
