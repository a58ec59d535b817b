/* SPDX-License-Identifier: MIT */
/* What the DAC's calls fill (Microsoft's dacprivate.h), as far as the host looks into it. */
#ifndef CORDBG_DAC_HOST_STRUCTURES_H
#define CORDBG_DAC_HOST_STRUCTURES_H

#include "runtime-shim/coreclr/dac-host/interfaces.h"

typedef struct DacpGetModuleAddress {
  CLRDATA_ADDRESS ModulePtr;
} DacpGetModuleAddress;

typedef struct DacpGetModuleData {
  BOOL IsDynamic;
  BOOL IsInMemory;
  BOOL IsFileLayout;
  CLRDATA_ADDRESS PEAssembly;
  CLRDATA_ADDRESS LoadedPEAddress;
  ULONG64 LoadedPESize;
  CLRDATA_ADDRESS InMemoryPdbAddress;
  ULONG64 InMemoryPdbSize;
} DacpGetModuleData;

typedef struct DacpModuleData {
  CLRDATA_ADDRESS Address;
  CLRDATA_ADDRESS PEAssembly;
  CLRDATA_ADDRESS ilBase;
  CLRDATA_ADDRESS metadataStart;
  ULONG64 metadataSize;
  CLRDATA_ADDRESS Assembly;
  BOOL bIsReflection;
  BOOL bIsPEFile;
  ULONG64 dwBaseClassIndex;
  ULONG64 dwModuleID;
  DWORD dwTransientFlags;
  CLRDATA_ADDRESS maps[7];
  CLRDATA_ADDRESS LoaderAllocator;
  CLRDATA_ADDRESS ThunkHeap;
  ULONG64 dwModuleIndex;
} DacpModuleData;

typedef struct DacpThreadStoreData {
  LONG threadCount;
  LONG unstartedThreadCount;
  LONG backgroundThreadCount;
  LONG pendingThreadCount;
  LONG deadThreadCount;
  CLRDATA_ADDRESS firstThread;
  CLRDATA_ADDRESS finalizerThread;
  CLRDATA_ADDRESS gcThread;
  DWORD fHostConfig;
} DacpThreadStoreData;

typedef struct DacpThreadData {
  DWORD corThreadId;
  DWORD osThreadId;
  int state;
  ULONG preemptiveGCDisabled;
  CLRDATA_ADDRESS allocContextPtr;
  CLRDATA_ADDRESS allocContextLimit;
  CLRDATA_ADDRESS context;
  CLRDATA_ADDRESS domain;
  CLRDATA_ADDRESS pFrame;
  int lockCount;
  CLRDATA_ADDRESS firstNestedException;
  CLRDATA_ADDRESS teb;
  CLRDATA_ADDRESS fiberData;
  CLRDATA_ADDRESS lastThrownObjectHandle;
  CLRDATA_ADDRESS nextThread;
} DacpThreadData;

typedef struct DacpAppDomainStoreData {
  CLRDATA_ADDRESS sharedDomain;
  CLRDATA_ADDRESS systemDomain;
  LONG DomainCount;
} DacpAppDomainStoreData;

typedef struct DacpReJitData {
  CLRDATA_ADDRESS rejitID;
  int flags;
  CLRDATA_ADDRESS NativeCodeAddr;
} DacpReJitData;

typedef struct DacpMethodDescData {
  BOOL bHasNativeCode;
  BOOL bIsDynamic;
  WORD wSlotNumber;
  CLRDATA_ADDRESS NativeCodeAddr;
  CLRDATA_ADDRESS AddressOfNativeCodeSlot;
  CLRDATA_ADDRESS MethodDescPtr;
  CLRDATA_ADDRESS MethodTablePtr;
  CLRDATA_ADDRESS ModulePtr;
  mdToken MDToken;
  CLRDATA_ADDRESS GCInfo;
  CLRDATA_ADDRESS GCStressCodeCopy;
  CLRDATA_ADDRESS managedDynamicMethodObject;
  CLRDATA_ADDRESS requestedIP;
  DacpReJitData rejitDataCurrent;
  DacpReJitData rejitDataRequested;
  ULONG cJittedRejitVersions;
} DacpMethodDescData;

typedef struct DacpMethodTableData {
  BOOL bIsFree;
  CLRDATA_ADDRESS Module;
  CLRDATA_ADDRESS Class;
  CLRDATA_ADDRESS ParentMethodTable;
  WORD wNumInterfaces;
  WORD wNumMethods;
  WORD wNumVtableSlots;
  WORD wNumVirtuals;
  DWORD BaseSize;
  DWORD ComponentSize;
  mdTypeDef cl;
  DWORD dwAttrClass;
  BOOL bIsShared;
  BOOL bIsDynamic;
  BOOL bContainsGCPointers;
} DacpMethodTableData;

typedef struct DacpCodeHeaderData {
  CLRDATA_ADDRESS GCInfo;
  int JITType; /* 1 JIT, 2 precompiled */
  CLRDATA_ADDRESS MethodDescPtr;
  CLRDATA_ADDRESS MethodStart;
  DWORD MethodSize;
  CLRDATA_ADDRESS ColdRegionStart;
  DWORD ColdRegionSize;
  DWORD HotRegionSize;
} DacpCodeHeaderData;

typedef struct DacpTieredVersionData {
  CLRDATA_ADDRESS NativeCodeAddr;
  int OptimizationTier;
  CLRDATA_ADDRESS NativeCodeVersionNodePtr;
} DacpTieredVersionData;

typedef struct DacpGcHeapData {
  BOOL bServerMode;
  BOOL bGcStructuresValid;
  UINT HeapCount;
  UINT g_max_generation;
} DacpGcHeapData;

#endif
