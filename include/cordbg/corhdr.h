/* SPDX-License-Identifier: MIT */
/*
 * corhdr.h - constants and structures of the CLI image format (ECMA-335, partition II): tokens,
 * element types, attributes and the CLI header, under the names of Microsoft's corhdr.h.
 */
#ifndef CORDBG_CORHDR_H
#define CORDBG_CORHDR_H

#include <cordbg/winbase.h>

CORDBG_EXTERN_C_BEGIN

/* --- Tokens ---------------------------------------------------------------------------------- */

typedef ULONG32 mdToken;
typedef mdToken mdModule;
typedef mdToken mdTypeRef;
typedef mdToken mdTypeDef;
typedef mdToken mdFieldDef;
typedef mdToken mdMethodDef;
typedef mdToken mdParamDef;
typedef mdToken mdInterfaceImpl;
typedef mdToken mdMemberRef;
typedef mdToken mdCustomAttribute;
typedef mdToken mdPermission;
typedef mdToken mdSignature;
typedef mdToken mdEvent;
typedef mdToken mdProperty;
typedef mdToken mdModuleRef;
typedef mdToken mdAssembly;
typedef mdToken mdAssemblyRef;
typedef mdToken mdFile;
typedef mdToken mdExportedType;
typedef mdToken mdManifestResource;
typedef mdToken mdTypeSpec;
typedef mdToken mdGenericParam;
typedef mdToken mdMethodSpec;
typedef mdToken mdGenericParamConstraint;
typedef mdToken mdString;
typedef mdToken mdCPToken;
typedef ULONG RID;

/* A token is its table (the top byte, mdt...) and its row (1 is the first, 0 is nil). */
#define RidFromToken(tk) ((RID)((tk)&0x00ffffffu))
#define TypeFromToken(tk) ((ULONG32)((tk)&0xff000000u))
#define TokenFromRid(rid, tktype) ((mdToken)((ULONG32)(rid) | (ULONG32)(tktype)))
#define IsNilToken(tk) (RidFromToken(tk) == 0)
#define RidToToken(rid, tktype) ((rid) |= (tktype))

#define mdTokenNil ((mdToken)0)
#define mdModuleNil ((mdModule)mdtModule)
#define mdTypeRefNil ((mdTypeRef)mdtTypeRef)
#define mdTypeDefNil ((mdTypeDef)mdtTypeDef)
#define mdFieldDefNil ((mdFieldDef)mdtFieldDef)
#define mdMethodDefNil ((mdMethodDef)mdtMethodDef)
#define mdParamDefNil ((mdParamDef)mdtParamDef)
#define mdInterfaceImplNil ((mdInterfaceImpl)mdtInterfaceImpl)
#define mdMemberRefNil ((mdMemberRef)mdtMemberRef)
#define mdCustomAttributeNil ((mdCustomAttribute)mdtCustomAttribute)
#define mdPermissionNil ((mdPermission)mdtPermission)
#define mdSignatureNil ((mdSignature)mdtSignature)
#define mdEventNil ((mdEvent)mdtEvent)
#define mdPropertyNil ((mdProperty)mdtProperty)
#define mdModuleRefNil ((mdModuleRef)mdtModuleRef)
#define mdTypeSpecNil ((mdTypeSpec)mdtTypeSpec)
#define mdAssemblyNil ((mdAssembly)mdtAssembly)
#define mdAssemblyRefNil ((mdAssemblyRef)mdtAssemblyRef)
#define mdFileNil ((mdFile)mdtFile)
#define mdExportedTypeNil ((mdExportedType)mdtExportedType)
#define mdManifestResourceNil ((mdManifestResource)mdtManifestResource)
#define mdGenericParamNil ((mdGenericParam)mdtGenericParam)
#define mdMethodSpecNil ((mdMethodSpec)mdtMethodSpec)
#define mdGenericParamConstraintNil ((mdGenericParamConstraint)mdtGenericParamConstraint)
#define mdStringNil ((mdString)mdtString)

/* --- Signatures ------------------------------------------------------------------------------ */

typedef BYTE COR_SIGNATURE;
typedef COR_SIGNATURE *PCOR_SIGNATURE;
typedef const COR_SIGNATURE *PCCOR_SIGNATURE;
typedef const char *MDUTF8CSTR;
typedef const void *UVCP_CONSTANT;

/* ECMA-335 II.23.1.16 */
typedef enum CorElementType {
  ELEMENT_TYPE_END = 0x00,
  ELEMENT_TYPE_VOID = 0x01,
  ELEMENT_TYPE_BOOLEAN = 0x02,
  ELEMENT_TYPE_CHAR = 0x03,
  ELEMENT_TYPE_I1 = 0x04,
  ELEMENT_TYPE_U1 = 0x05,
  ELEMENT_TYPE_I2 = 0x06,
  ELEMENT_TYPE_U2 = 0x07,
  ELEMENT_TYPE_I4 = 0x08,
  ELEMENT_TYPE_U4 = 0x09,
  ELEMENT_TYPE_I8 = 0x0a,
  ELEMENT_TYPE_U8 = 0x0b,
  ELEMENT_TYPE_R4 = 0x0c,
  ELEMENT_TYPE_R8 = 0x0d,
  ELEMENT_TYPE_STRING = 0x0e,
  ELEMENT_TYPE_PTR = 0x0f,
  ELEMENT_TYPE_BYREF = 0x10,
  ELEMENT_TYPE_VALUETYPE = 0x11,
  ELEMENT_TYPE_CLASS = 0x12,
  ELEMENT_TYPE_VAR = 0x13,
  ELEMENT_TYPE_ARRAY = 0x14,
  ELEMENT_TYPE_GENERICINST = 0x15,
  ELEMENT_TYPE_TYPEDBYREF = 0x16,
  ELEMENT_TYPE_I = 0x18,
  ELEMENT_TYPE_U = 0x19,
  ELEMENT_TYPE_FNPTR = 0x1b,
  ELEMENT_TYPE_OBJECT = 0x1c,
  ELEMENT_TYPE_SZARRAY = 0x1d,
  ELEMENT_TYPE_MVAR = 0x1e,
  ELEMENT_TYPE_CMOD_REQD = 0x1f,
  ELEMENT_TYPE_CMOD_OPT = 0x20,
  ELEMENT_TYPE_INTERNAL = 0x21,
  ELEMENT_TYPE_MODIFIER = 0x40,
  ELEMENT_TYPE_SENTINEL = 0x41,
  ELEMENT_TYPE_PINNED = 0x45
} CorElementType;

/* ECMA-335 II.23.3: what a custom attribute's value may have beside element types. */
typedef enum CorSerializationType {
  SERIALIZATION_TYPE_UNDEFINED = 0x00,
  SERIALIZATION_TYPE_BOOLEAN = ELEMENT_TYPE_BOOLEAN,
  SERIALIZATION_TYPE_CHAR = ELEMENT_TYPE_CHAR,
  SERIALIZATION_TYPE_I1 = ELEMENT_TYPE_I1,
  SERIALIZATION_TYPE_U1 = ELEMENT_TYPE_U1,
  SERIALIZATION_TYPE_I2 = ELEMENT_TYPE_I2,
  SERIALIZATION_TYPE_U2 = ELEMENT_TYPE_U2,
  SERIALIZATION_TYPE_I4 = ELEMENT_TYPE_I4,
  SERIALIZATION_TYPE_U4 = ELEMENT_TYPE_U4,
  SERIALIZATION_TYPE_I8 = ELEMENT_TYPE_I8,
  SERIALIZATION_TYPE_U8 = ELEMENT_TYPE_U8,
  SERIALIZATION_TYPE_R4 = ELEMENT_TYPE_R4,
  SERIALIZATION_TYPE_R8 = ELEMENT_TYPE_R8,
  SERIALIZATION_TYPE_STRING = ELEMENT_TYPE_STRING,
  SERIALIZATION_TYPE_SZARRAY = ELEMENT_TYPE_SZARRAY,
  SERIALIZATION_TYPE_TYPE = 0x50,
  SERIALIZATION_TYPE_TAGGED_OBJECT = 0x51,
  SERIALIZATION_TYPE_FIELD = 0x53,
  SERIALIZATION_TYPE_PROPERTY = 0x54,
  SERIALIZATION_TYPE_ENUM = 0x55
} CorSerializationType;

/* ECMA-335 II.23.2.1 to II.23.2.6: a signature's first byte. */
typedef enum CorCallingConvention {
  IMAGE_CEE_CS_CALLCONV_DEFAULT = 0x0,
  IMAGE_CEE_CS_CALLCONV_C = 0x1,
  IMAGE_CEE_CS_CALLCONV_STDCALL = 0x2,
  IMAGE_CEE_CS_CALLCONV_THISCALL = 0x3,
  IMAGE_CEE_CS_CALLCONV_FASTCALL = 0x4,
  IMAGE_CEE_CS_CALLCONV_VARARG = 0x5,
  IMAGE_CEE_CS_CALLCONV_FIELD = 0x6,
  IMAGE_CEE_CS_CALLCONV_LOCAL_SIG = 0x7,
  IMAGE_CEE_CS_CALLCONV_PROPERTY = 0x8,
  IMAGE_CEE_CS_CALLCONV_UNMANAGED = 0x9,
  IMAGE_CEE_CS_CALLCONV_GENERICINST = 0xa,
  IMAGE_CEE_CS_CALLCONV_NATIVEVARARG = 0xb,
  IMAGE_CEE_CS_CALLCONV_MAX = 0xc,
  IMAGE_CEE_CS_CALLCONV_MASK = 0x0f,
  IMAGE_CEE_CS_CALLCONV_GENERIC = 0x10,
  IMAGE_CEE_CS_CALLCONV_HASTHIS = 0x20,
  IMAGE_CEE_CS_CALLCONV_EXPLICITTHIS = 0x40
} CorCallingConvention;

/* ECMA-335 II.23.4 and Microsoft's additions. */
typedef enum CorNativeType {
  NATIVE_TYPE_END = 0x00,
  NATIVE_TYPE_VOID = 0x01,
  NATIVE_TYPE_BOOLEAN = 0x02,
  NATIVE_TYPE_I1 = 0x03,
  NATIVE_TYPE_U1 = 0x04,
  NATIVE_TYPE_I2 = 0x05,
  NATIVE_TYPE_U2 = 0x06,
  NATIVE_TYPE_I4 = 0x07,
  NATIVE_TYPE_U4 = 0x08,
  NATIVE_TYPE_I8 = 0x09,
  NATIVE_TYPE_U8 = 0x0a,
  NATIVE_TYPE_R4 = 0x0b,
  NATIVE_TYPE_R8 = 0x0c,
  NATIVE_TYPE_SYSCHAR = 0x0d,
  NATIVE_TYPE_VARIANT = 0x0e,
  NATIVE_TYPE_CURRENCY = 0x0f,
  NATIVE_TYPE_PTR = 0x10,
  NATIVE_TYPE_DECIMAL = 0x11,
  NATIVE_TYPE_DATE = 0x12,
  NATIVE_TYPE_BSTR = 0x13,
  NATIVE_TYPE_LPSTR = 0x14,
  NATIVE_TYPE_LPWSTR = 0x15,
  NATIVE_TYPE_LPTSTR = 0x16,
  NATIVE_TYPE_FIXEDSYSSTRING = 0x17,
  NATIVE_TYPE_OBJECTREF = 0x18,
  NATIVE_TYPE_IUNKNOWN = 0x19,
  NATIVE_TYPE_IDISPATCH = 0x1a,
  NATIVE_TYPE_STRUCT = 0x1b,
  NATIVE_TYPE_INTF = 0x1c,
  NATIVE_TYPE_SAFEARRAY = 0x1d,
  NATIVE_TYPE_FIXEDARRAY = 0x1e,
  NATIVE_TYPE_INT = 0x1f,
  NATIVE_TYPE_UINT = 0x20,
  NATIVE_TYPE_NESTEDSTRUCT = 0x21,
  NATIVE_TYPE_BYVALSTR = 0x22,
  NATIVE_TYPE_ANSIBSTR = 0x23,
  NATIVE_TYPE_TBSTR = 0x24,
  NATIVE_TYPE_VARIANTBOOL = 0x25,
  NATIVE_TYPE_FUNC = 0x26,
  NATIVE_TYPE_ASANY = 0x28,
  NATIVE_TYPE_ARRAY = 0x2a,
  NATIVE_TYPE_LPSTRUCT = 0x2b,
  NATIVE_TYPE_CUSTOMMARSHALER = 0x2c,
  NATIVE_TYPE_ERROR = 0x2d,
  NATIVE_TYPE_IINSPECTABLE = 0x2e,
  NATIVE_TYPE_HSTRING = 0x2f,
  NATIVE_TYPE_LPUTF8STR = 0x30,
  NATIVE_TYPE_MAX = 0x50
} CorNativeType;

/* --- The CLI header (II.25.3.3). 72 bytes. --------------------------------------------------- */

typedef struct IMAGE_COR20_HEADER {
  DWORD cb;
  WORD MajorRuntimeVersion;
  WORD MinorRuntimeVersion;
  IMAGE_DATA_DIRECTORY MetaData;
  DWORD Flags;
  __extension__ union {
    DWORD EntryPointToken;
    DWORD EntryPointRVA;
  };
  IMAGE_DATA_DIRECTORY Resources;
  IMAGE_DATA_DIRECTORY StrongNameSignature;
  IMAGE_DATA_DIRECTORY CodeManagerTable;
  IMAGE_DATA_DIRECTORY VTableFixups;
  IMAGE_DATA_DIRECTORY ExportAddressTableJumps;
  IMAGE_DATA_DIRECTORY ManagedNativeHeader;
} IMAGE_COR20_HEADER, *PIMAGE_COR20_HEADER;

typedef struct COR_FIELD_OFFSET {
  mdFieldDef ridOfField;
  ULONG32 ulOffset;
} COR_FIELD_OFFSET;

CORDBG_EXTERN_C_END

/* clang-format off */
/* Generated by tests/abi/regenerate: enum corhdr.h */

typedef enum ReplacesCorHdrNumericDefines {
  COMIMAGE_FLAGS_ILONLY = 1,
  COMIMAGE_FLAGS_32BITREQUIRED = 2,
  COMIMAGE_FLAGS_IL_LIBRARY = 4,
  COMIMAGE_FLAGS_STRONGNAMESIGNED = 8,
  COMIMAGE_FLAGS_NATIVE_ENTRYPOINT = 0x10,
  COMIMAGE_FLAGS_TRACKDEBUGDATA = 0x10000,
  COMIMAGE_FLAGS_32BITPREFERRED = 0x20000,
  COR_VERSION_MAJOR_V2 = 2,
  COR_VERSION_MAJOR = 2,
  COR_VERSION_MINOR = 5,
  COR_DELETED_NAME_LENGTH = 8,
  COR_VTABLEGAP_NAME_LENGTH = 8,
  NATIVE_TYPE_MAX_CB = 1,
  COR_ILMETHOD_SECT_SMALL_MAX_DATASIZE = 0xff,
  COR_VTABLE_32BIT = 1,
  COR_VTABLE_64BIT = 2,
  COR_VTABLE_FROM_UNMANAGED = 4,
  COR_VTABLE_FROM_UNMANAGED_RETAIN_APPDOMAIN = 8,
  COR_VTABLE_CALL_MOST_DERIVED = 0x10,
  IMAGE_COR_EATJ_THUNK_SIZE = 0x20,
  MAX_CLASS_NAME = 0x400,
  MAX_PACKAGE_NAME = 0x400
} ReplacesCorHdrNumericDefines;

typedef enum CorTypeAttr {
  tdVisibilityMask = 7,
  tdNotPublic = 0,
  tdPublic = 1,
  tdNestedPublic = 2,
  tdNestedPrivate = 3,
  tdNestedFamily = 4,
  tdNestedAssembly = 5,
  tdNestedFamANDAssem = 6,
  tdNestedFamORAssem = 7,
  tdLayoutMask = 0x18,
  tdAutoLayout = 0,
  tdSequentialLayout = 8,
  tdExplicitLayout = 0x10,
  tdClassSemanticsMask = 0x20,
  tdClass = 0,
  tdInterface = 0x20,
  tdAbstract = 0x80,
  tdSealed = 0x100,
  tdSpecialName = 0x400,
  tdImport = 0x1000,
  tdSerializable = 0x2000,
  tdWindowsRuntime = 0x4000,
  tdStringFormatMask = 0x30000,
  tdAnsiClass = 0,
  tdUnicodeClass = 0x10000,
  tdAutoClass = 0x20000,
  tdCustomFormatClass = 0x30000,
  tdCustomFormatMask = 0xc00000,
  tdBeforeFieldInit = 0x100000,
  tdForwarder = 0x200000,
  tdReservedMask = 0x40800,
  tdRTSpecialName = 0x800,
  tdHasSecurity = 0x40000
} CorTypeAttr;

typedef enum CorMethodAttr {
  mdMemberAccessMask = 7,
  mdPrivateScope = 0,
  mdPrivate = 1,
  mdFamANDAssem = 2,
  mdAssem = 3,
  mdFamily = 4,
  mdFamORAssem = 5,
  mdPublic = 6,
  mdStatic = 0x10,
  mdFinal = 0x20,
  mdVirtual = 0x40,
  mdHideBySig = 0x80,
  mdVtableLayoutMask = 0x100,
  mdReuseSlot = 0,
  mdNewSlot = 0x100,
  mdCheckAccessOnOverride = 0x200,
  mdAbstract = 0x400,
  mdSpecialName = 0x800,
  mdPinvokeImpl = 0x2000,
  mdUnmanagedExport = 8,
  mdReservedMask = 0xd000,
  mdRTSpecialName = 0x1000,
  mdHasSecurity = 0x4000,
  mdRequireSecObject = 0x8000
} CorMethodAttr;

typedef enum CorFieldAttr {
  fdFieldAccessMask = 7,
  fdPrivateScope = 0,
  fdPrivate = 1,
  fdFamANDAssem = 2,
  fdAssembly = 3,
  fdFamily = 4,
  fdFamORAssem = 5,
  fdPublic = 6,
  fdStatic = 0x10,
  fdInitOnly = 0x20,
  fdLiteral = 0x40,
  fdNotSerialized = 0x80,
  fdSpecialName = 0x200,
  fdPinvokeImpl = 0x2000,
  fdReservedMask = 0x9500,
  fdRTSpecialName = 0x400,
  fdHasFieldMarshal = 0x1000,
  fdHasDefault = 0x8000,
  fdHasFieldRVA = 0x100
} CorFieldAttr;

typedef enum CorParamAttr {
  pdIn = 1,
  pdOut = 2,
  pdOptional = 0x10,
  pdReservedMask = 0xf000,
  pdHasDefault = 0x1000,
  pdHasFieldMarshal = 0x2000,
  pdUnused = 0xcfe0
} CorParamAttr;

typedef enum CorPropertyAttr {
  prSpecialName = 0x200,
  prReservedMask = 0xf400,
  prRTSpecialName = 0x400,
  prHasDefault = 0x1000,
  prUnused = 0xe9ff
} CorPropertyAttr;

typedef enum CorEventAttr {
  evSpecialName = 0x200,
  evReservedMask = 0x400,
  evRTSpecialName = 0x400
} CorEventAttr;

typedef enum CorMethodSemanticsAttr {
  msSetter = 1,
  msGetter = 2,
  msOther = 4,
  msAddOn = 8,
  msRemoveOn = 0x10,
  msFire = 0x20
} CorMethodSemanticsAttr;

typedef enum CorDeclSecurity {
  dclActionMask = 0x1f,
  dclActionNil = 0,
  dclRequest = 1,
  dclDemand = 2,
  dclAssert = 3,
  dclDeny = 4,
  dclPermitOnly = 5,
  dclLinktimeCheck = 6,
  dclInheritanceCheck = 7,
  dclRequestMinimum = 8,
  dclRequestOptional = 9,
  dclRequestRefuse = 0xa,
  dclPrejitGrant = 0xb,
  dclPrejitDenied = 0xc,
  dclNonCasDemand = 0xd,
  dclNonCasLinkDemand = 0xe,
  dclNonCasInheritance = 0xf,
  dclMaximumValue = 0xf
} CorDeclSecurity;

typedef enum CorMethodImpl {
  miCodeTypeMask = 3,
  miIL = 0,
  miNative = 1,
  miOPTIL = 2,
  miRuntime = 3,
  miManagedMask = 4,
  miUnmanaged = 4,
  miManaged = 0,
  miForwardRef = 0x10,
  miPreserveSig = 0x80,
  miInternalCall = 0x1000,
  miSynchronized = 0x20,
  miNoInlining = 8,
  miAggressiveInlining = 0x100,
  miNoOptimization = 0x40,
  miAggressiveOptimization = 0x200,
  miUserMask = 0x13fc,
  miMaxMethodImplVal = 0xffff
} CorMethodImpl;

typedef enum CorPinvokeMap {
  pmNoMangle = 1,
  pmCharSetMask = 6,
  pmCharSetNotSpec = 0,
  pmCharSetAnsi = 2,
  pmCharSetUnicode = 4,
  pmCharSetAuto = 6,
  pmBestFitUseAssem = 0,
  pmBestFitEnabled = 0x10,
  pmBestFitDisabled = 0x20,
  pmBestFitMask = 0x30,
  pmThrowOnUnmappableCharUseAssem = 0,
  pmThrowOnUnmappableCharEnabled = 0x1000,
  pmThrowOnUnmappableCharDisabled = 0x2000,
  pmThrowOnUnmappableCharMask = 0x3000,
  pmSupportsLastError = 0x40,
  pmCallConvMask = 0x700,
  pmCallConvWinapi = 0x100,
  pmCallConvCdecl = 0x200,
  pmCallConvStdcall = 0x300,
  pmCallConvThiscall = 0x400,
  pmCallConvFastcall = 0x500,
  pmMaxValue = 0xffff
} CorPinvokeMap;

typedef enum CorAssemblyFlags {
  afPublicKey = 1,
  afPA_None = 0,
  afPA_MSIL = 0x10,
  afPA_x86 = 0x20,
  afPA_IA64 = 0x30,
  afPA_AMD64 = 0x40,
  afPA_ARM = 0x50,
  afPA_ARM64 = 0x60,
  afPA_NoPlatform = 0x70,
  afPA_Specified = 0x80,
  afPA_Mask = 0x70,
  afPA_FullMask = 0xf0,
  afPA_Shift = 4,
  afEnableJITcompileTracking = 0x8000,
  afDisableJITcompileOptimizer = 0x4000,
  afDebuggableAttributeMask = 0xc000,
  afRetargetable = 0x100,
  afContentType_Default = 0,
  afContentType_WindowsRuntime = 0x200,
  afContentType_Mask = 0xe00
} CorAssemblyFlags;

typedef enum CorManifestResourceFlags {
  mrVisibilityMask = 7,
  mrPublic = 1,
  mrPrivate = 2
} CorManifestResourceFlags;

typedef enum CorFileFlags {
  ffContainsMetaData = 0,
  ffContainsNoMetaData = 1
} CorFileFlags;

typedef enum CorPEKind {
  peNot = 0,
  peILonly = 1,
  pe32BitRequired = 2,
  pe32Plus = 4,
  pe32Unmanaged = 8,
  pe32BitPreferred = 0x10
} CorPEKind;

typedef enum CorGenericParamAttr {
  gpVarianceMask = 3,
  gpNonVariant = 0,
  gpCovariant = 1,
  gpContravariant = 2,
  gpSpecialConstraintMask = 0x3c,
  gpNoSpecialConstraint = 0,
  gpReferenceTypeConstraint = 4,
  gpNotNullableValueTypeConstraint = 8,
  gpDefaultConstructorConstraint = 0x10,
  gpAllowByRefLike = 0x20
} CorGenericParamAttr;

typedef enum CorILMethodSect {
  CorILMethod_Sect_Reserved = 0,
  CorILMethod_Sect_EHTable = 1,
  CorILMethod_Sect_OptILTable = 2,
  CorILMethod_Sect_KindMask = 0x3f,
  CorILMethod_Sect_FatFormat = 0x40,
  CorILMethod_Sect_MoreSects = 0x80
} CorILMethodSect;

typedef enum CorExceptionFlag {
  COR_ILEXCEPTION_CLAUSE_NONE = 0,
  COR_ILEXCEPTION_CLAUSE_OFFSETLEN = 0,
  COR_ILEXCEPTION_CLAUSE_DEPRECATED = 0,
  COR_ILEXCEPTION_CLAUSE_FILTER = 1,
  COR_ILEXCEPTION_CLAUSE_FINALLY = 2,
  COR_ILEXCEPTION_CLAUSE_FAULT = 4,
  COR_ILEXCEPTION_CLAUSE_DUPLICATED = 8
} CorExceptionFlag;

typedef enum CorILMethodFlags {
  CorILMethod_InitLocals = 0x10,
  CorILMethod_MoreSects = 8,
  CorILMethod_CompressedIL = 0x40,
  CorILMethod_FormatShift = 3,
  CorILMethod_FormatMask = 7,
  CorILMethod_TinyFormat = 2,
  CorILMethod_SmallFormat = 0,
  CorILMethod_FatFormat = 3,
  CorILMethod_TinyFormat1 = 6
} CorILMethodFlags;

__extension__ typedef enum CorCheckDuplicatesFor {
  MDDupAll = 0xffffffff,
  MDDupENC = 0xffffffff,
  MDNoDupChecks = 0,
  MDDupTypeDef = 1,
  MDDupInterfaceImpl = 2,
  MDDupMethodDef = 4,
  MDDupTypeRef = 8,
  MDDupMemberRef = 0x10,
  MDDupCustomAttribute = 0x20,
  MDDupParamDef = 0x40,
  MDDupPermission = 0x80,
  MDDupProperty = 0x100,
  MDDupEvent = 0x200,
  MDDupFieldDef = 0x400,
  MDDupSignature = 0x800,
  MDDupModuleRef = 0x1000,
  MDDupTypeSpec = 0x2000,
  MDDupImplMap = 0x4000,
  MDDupAssemblyRef = 0x8000,
  MDDupFile = 0x10000,
  MDDupExportedType = 0x20000,
  MDDupManifestResource = 0x40000,
  MDDupGenericParam = 0x80000,
  MDDupMethodSpec = 0x100000,
  MDDupGenericParamConstraint = 0x200000,
  MDDupAssembly = 0x10000000,
  MDDupDefault = 0x102818
} CorCheckDuplicatesFor;

__extension__ typedef enum CorRefToDefCheck {
  MDRefToDefDefault = 3,
  MDRefToDefAll = 0xffffffff,
  MDRefToDefNone = 0,
  MDTypeRefToDef = 1,
  MDMemberRefToDef = 2
} CorRefToDefCheck;

__extension__ typedef enum CorNotificationForTokenMovement {
  MDNotifyDefault = 0xf,
  MDNotifyAll = 0xffffffff,
  MDNotifyNone = 0,
  MDNotifyMethodDef = 1,
  MDNotifyMemberRef = 2,
  MDNotifyFieldDef = 4,
  MDNotifyTypeRef = 8,
  MDNotifyTypeDef = 0x10,
  MDNotifyParamDef = 0x20,
  MDNotifyInterfaceImpl = 0x40,
  MDNotifyProperty = 0x80,
  MDNotifyEvent = 0x100,
  MDNotifySignature = 0x200,
  MDNotifyTypeSpec = 0x400,
  MDNotifyCustomAttribute = 0x800,
  MDNotifySecurityValue = 0x1000,
  MDNotifyPermission = 0x2000,
  MDNotifyModuleRef = 0x4000,
  MDNotifyNameSpace = 0x8000,
  MDNotifyAssemblyRef = 0x1000000,
  MDNotifyFile = 0x2000000,
  MDNotifyExportedType = 0x4000000,
  MDNotifyResource = 0x8000000
} CorNotificationForTokenMovement;

typedef enum CorSetENC {
  MDSetENCOn = 1,
  MDSetENCOff = 2,
  MDUpdateENC = 1,
  MDUpdateFull = 2,
  MDUpdateExtension = 3,
  MDUpdateIncremental = 4,
  MDUpdateDelta = 5,
  MDUpdateMask = 7
} CorSetENC;

__extension__ typedef enum CorErrorIfEmitOutOfOrder {
  MDErrorOutOfOrderDefault = 0,
  MDErrorOutOfOrderNone = 0,
  MDErrorOutOfOrderAll = 0xffffffff,
  MDMethodOutOfOrder = 1,
  MDFieldOutOfOrder = 2,
  MDParamOutOfOrder = 4,
  MDPropertyOutOfOrder = 8,
  MDEventOutOfOrder = 0x10
} CorErrorIfEmitOutOfOrder;

__extension__ typedef enum CorImportOptions {
  MDImportOptionDefault = 0,
  MDImportOptionAll = 0xffffffff,
  MDImportOptionAllTypeDefs = 1,
  MDImportOptionAllMethodDefs = 2,
  MDImportOptionAllFieldDefs = 4,
  MDImportOptionAllProperties = 8,
  MDImportOptionAllEvents = 0x10,
  MDImportOptionAllCustomAttributes = 0x20,
  MDImportOptionAllExportedTypes = 0x40
} CorImportOptions;

typedef enum CorThreadSafetyOptions {
  MDThreadSafetyDefault = 0,
  MDThreadSafetyOff = 0,
  MDThreadSafetyOn = 1
} CorThreadSafetyOptions;

typedef enum CorLinkerOptions {
  MDAssembly = 0,
  MDNetModule = 1
} CorLinkerOptions;

typedef enum MergeFlags {
  MergeFlagsNone = 0,
  MergeManifest = 1,
  DropMemberRefCAs = 2,
  NoDupCheck = 4,
  MergeExportedTypes = 8
} MergeFlags;

typedef enum CorLocalRefPreservation {
  MDPreserveLocalRefsNone = 0,
  MDPreserveLocalTypeRef = 1,
  MDPreserveLocalMemberRef = 2
} CorLocalRefPreservation;

typedef enum CorTokenType {
  mdtModule = 0,
  mdtTypeRef = 0x1000000,
  mdtTypeDef = 0x2000000,
  mdtFieldDef = 0x4000000,
  mdtMethodDef = 0x6000000,
  mdtParamDef = 0x8000000,
  mdtInterfaceImpl = 0x9000000,
  mdtMemberRef = 0xa000000,
  mdtCustomAttribute = 0xc000000,
  mdtPermission = 0xe000000,
  mdtSignature = 0x11000000,
  mdtEvent = 0x14000000,
  mdtProperty = 0x17000000,
  mdtMethodImpl = 0x19000000,
  mdtModuleRef = 0x1a000000,
  mdtTypeSpec = 0x1b000000,
  mdtAssembly = 0x20000000,
  mdtAssemblyRef = 0x23000000,
  mdtFile = 0x26000000,
  mdtExportedType = 0x27000000,
  mdtManifestResource = 0x28000000,
  mdtNestedClass = 0x29000000,
  mdtGenericParam = 0x2a000000,
  mdtMethodSpec = 0x2b000000,
  mdtGenericParamConstraint = 0x2c000000,
  mdtString = 0x70000000,
  mdtName = 0x71000000,
  mdtBaseType = 0x72000000
} CorTokenType;

__extension__ typedef enum CorOpenFlags {
  ofRead = 0,
  ofWrite = 1,
  ofReadWriteMask = 1,
  ofCopyMemory = 2,
  ofReadOnly = 0x10,
  ofTakeOwnership = 0x20,
  ofNoTypeLib = 0x80,
  ofNoTransform = 0x1000,
  ofReserved1 = 0x100,
  ofReserved2 = 0x200,
  ofReserved3 = 0x400,
  ofReserved = 0xffffef40
} CorOpenFlags;

typedef enum CorFileMapping {
  fmFlat = 0,
  fmExecutableImage = 1
} CorFileMapping;

typedef enum CorAttributeTargets {
  catAssembly = 1,
  catModule = 2,
  catClass = 4,
  catStruct = 8,
  catEnum = 0x10,
  catConstructor = 0x20,
  catMethod = 0x40,
  catProperty = 0x80,
  catField = 0x100,
  catEvent = 0x200,
  catInterface = 0x400,
  catParameter = 0x800,
  catDelegate = 0x1000,
  catGenericParameter = 0x4000,
  catAll = 0x5fff,
  catClassMembers = 0x17fc
} CorAttributeTargets;

typedef enum NGenHintEnum {
  NGenDefault = 0,
  NGenEager = 1,
  NGenLazy = 2,
  NGenNever = 3
} NGenHintEnum;

typedef enum LoadHintEnum {
  LoadDefault = 0,
  LoadAlways = 1,
  LoadSometimes = 2,
  LoadNever = 3
} LoadHintEnum;

typedef enum CorSaveSize {
  cssAccurate = 0,
  cssQuick = 1,
  cssDiscardTransientCAs = 2
} CorSaveSize;

typedef enum NativeTypeArrayFlags {
  ntaSizeParamIndexSpecified = 1,
  ntaReserved = 0xfffe
} NativeTypeArrayFlags;

typedef enum CorInfoHFAElemType {
  CORINFO_HFA_ELEM_NONE = 0,
  CORINFO_HFA_ELEM_FLOAT = 1,
  CORINFO_HFA_ELEM_DOUBLE = 2,
  CORINFO_HFA_ELEM_VECTOR64 = 3,
  CORINFO_HFA_ELEM_VECTOR128 = 4
} CorInfoHFAElemType;

/* End of the generated part. */
/* clang-format on */

#endif /* CORDBG_CORHDR_H */
