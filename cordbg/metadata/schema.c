/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cordbg/metadata/schema.h"

/* Names are the ones that IMetaDataTables reports. */
#define CODED(kind) (CORDBG_COLUMN_CODED + CORDBG_CODED_##kind)
#define ROW(table) CORDBG_TABLE_##table
#define USHORT CORDBG_COLUMN_USHORT
#define ULONG CORDBG_COLUMN_ULONG
#define STRING CORDBG_COLUMN_STRING
#define GUID CORDBG_COLUMN_GUID
#define BLOB CORDBG_COLUMN_BLOB
#define KEY(column) column
#define NO_KEY CORDBG_NO_KEY
#define TABLE(number, title, key_column, ...)                                                      \
  [CORDBG_TABLE_##number] = {.name = title,                                                        \
                             .column_count = sizeof((cordbg_column_schema[]){__VA_ARGS__}) /       \
                                             sizeof(cordbg_column_schema),                         \
                             .key = key_column,                                                    \
                             .columns = {__VA_ARGS__}}

/* clang-format off */
const cordbg_table_schema cordbg_table_schemas[CORDBG_TABLE_COUNT] = {
    TABLE(MODULE, "Module", NO_KEY, {"Generation", USHORT}, {"Name", STRING}, {"Mvid", GUID},
          {"EncId", GUID}, {"EncBaseId", GUID}),
    TABLE(TYPE_REF, "TypeRef", NO_KEY, {"ResolutionScope", CODED(RESOLUTION_SCOPE)},
          {"Name", STRING}, {"Namespace", STRING}),
    TABLE(TYPE_DEF, "TypeDef", NO_KEY, {"Flags", ULONG}, {"Name", STRING}, {"Namespace", STRING},
          {"Extends", CODED(TYPE_DEF_OR_REF)}, {"FieldList", ROW(FIELD)},
          {"MethodList", ROW(METHOD_DEF)}),
    TABLE(FIELD_PTR, "FieldPtr", NO_KEY, {"Field", ROW(FIELD)}),
    TABLE(FIELD, "Field", NO_KEY, {"Flags", USHORT}, {"Name", STRING}, {"Signature", BLOB}),
    TABLE(METHOD_PTR, "MethodPtr", NO_KEY, {"Method", ROW(METHOD_DEF)}),
    TABLE(METHOD_DEF, "Method", NO_KEY, {"RVA", ULONG}, {"ImplFlags", USHORT}, {"Flags", USHORT},
          {"Name", STRING}, {"Signature", BLOB}, {"ParamList", ROW(PARAM)}),
    TABLE(PARAM_PTR, "ParamPtr", NO_KEY, {"Param", ROW(PARAM)}),
    TABLE(PARAM, "Param", NO_KEY, {"Flags", USHORT}, {"Sequence", USHORT}, {"Name", STRING}),
    TABLE(INTERFACE_IMPL, "InterfaceImpl", KEY(0), {"Class", ROW(TYPE_DEF)},
          {"Interface", CODED(TYPE_DEF_OR_REF)}),
    TABLE(MEMBER_REF, "MemberRef", NO_KEY, {"Class", CODED(MEMBER_REF_PARENT)}, {"Name", STRING},
          {"Signature", BLOB}),
    TABLE(CONSTANT, "Constant", KEY(1), {"Type", CORDBG_COLUMN_BYTE},
          {"Parent", CODED(HAS_CONSTANT)}, {"Value", BLOB}),
    TABLE(CUSTOM_ATTRIBUTE, "CustomAttribute", KEY(0), {"Parent", CODED(HAS_CUSTOM_ATTRIBUTE)},
          {"Type", CODED(CUSTOM_ATTRIBUTE_TYPE)}, {"Value", BLOB}),
    TABLE(FIELD_MARSHAL, "FieldMarshal", KEY(0), {"Parent", CODED(HAS_FIELD_MARSHAL)},
          {"NativeType", BLOB}),
    TABLE(DECL_SECURITY, "DeclSecurity", KEY(1), {"Action", CORDBG_COLUMN_SHORT},
          {"Parent", CODED(HAS_DECL_SECURITY)}, {"PermissionSet", BLOB}),
    TABLE(CLASS_LAYOUT, "ClassLayout", KEY(2), {"PackingSize", USHORT}, {"ClassSize", ULONG},
          {"Parent", ROW(TYPE_DEF)}),
    TABLE(FIELD_LAYOUT, "FieldLayout", KEY(1), {"OffSet", ULONG}, {"Field", ROW(FIELD)}),
    TABLE(STAND_ALONE_SIG, "StandAloneSig", NO_KEY, {"Signature", BLOB}),
    TABLE(EVENT_MAP, "EventMap", NO_KEY, {"Parent", ROW(TYPE_DEF)}, {"EventList", ROW(EVENT)}),
    TABLE(EVENT_PTR, "EventPtr", NO_KEY, {"Event", ROW(EVENT)}),
    TABLE(EVENT, "Event", NO_KEY, {"EventFlags", USHORT}, {"Name", STRING},
          {"EventType", CODED(TYPE_DEF_OR_REF)}),
    TABLE(PROPERTY_MAP, "PropertyMap", NO_KEY, {"Parent", ROW(TYPE_DEF)},
          {"PropertyList", ROW(PROPERTY)}),
    TABLE(PROPERTY_PTR, "PropertyPtr", NO_KEY, {"Property", ROW(PROPERTY)}),
    TABLE(PROPERTY, "Property", NO_KEY, {"PropFlags", USHORT}, {"Name", STRING}, {"Type", BLOB}),
    TABLE(METHOD_SEMANTICS, "MethodSemantics", KEY(2), {"Semantic", USHORT},
          {"Method", ROW(METHOD_DEF)}, {"Association", CODED(HAS_SEMANTIC)}),
    TABLE(METHOD_IMPL, "MethodImpl", KEY(0), {"Class", ROW(TYPE_DEF)},
          {"MethodBody", CODED(METHOD_DEF_OR_REF)}, {"MethodDeclaration", CODED(METHOD_DEF_OR_REF)}),
    TABLE(MODULE_REF, "ModuleRef", NO_KEY, {"Name", STRING}),
    TABLE(TYPE_SPEC, "TypeSpec", NO_KEY, {"Signature", BLOB}),
    TABLE(IMPL_MAP, "ImplMap", KEY(1), {"MappingFlags", USHORT},
          {"MemberForwarded", CODED(MEMBER_FORWARDED)}, {"ImportName", STRING},
          {"ImportScope", ROW(MODULE_REF)}),
    TABLE(FIELD_RVA, "FieldRVA", KEY(1), {"RVA", ULONG}, {"Field", ROW(FIELD)}),
    TABLE(ENC_LOG, "ENCLog", NO_KEY, {"Token", ULONG}, {"FuncCode", ULONG}),
    TABLE(ENC_MAP, "ENCMap", NO_KEY, {"Token", ULONG}),
    TABLE(ASSEMBLY, "Assembly", NO_KEY, {"HashAlgId", ULONG}, {"MajorVersion", USHORT},
          {"MinorVersion", USHORT}, {"BuildNumber", USHORT}, {"RevisionNumber", USHORT},
          {"Flags", ULONG}, {"PublicKey", BLOB}, {"Name", STRING}, {"Locale", STRING}),
    TABLE(ASSEMBLY_PROCESSOR, "AssemblyProcessor", NO_KEY, {"Processor", ULONG}),
    TABLE(ASSEMBLY_OS, "AssemblyOS", NO_KEY, {"OSPlatformId", ULONG}, {"OSMajorVersion", ULONG},
          {"OSMinorVersion", ULONG}),
    TABLE(ASSEMBLY_REF, "AssemblyRef", NO_KEY, {"MajorVersion", USHORT}, {"MinorVersion", USHORT},
          {"BuildNumber", USHORT}, {"RevisionNumber", USHORT}, {"Flags", ULONG},
          {"PublicKeyOrToken", BLOB}, {"Name", STRING}, {"Locale", STRING}, {"HashValue", BLOB}),
    TABLE(ASSEMBLY_REF_PROCESSOR, "AssemblyRefProcessor", NO_KEY, {"Processor", ULONG},
          {"AssemblyRef", ROW(ASSEMBLY_REF)}),
    TABLE(ASSEMBLY_REF_OS, "AssemblyRefOS", NO_KEY, {"OSPlatformId", ULONG},
          {"OSMajorVersion", ULONG}, {"OSMinorVersion", ULONG}, {"AssemblyRef", ROW(ASSEMBLY_REF)}),
    TABLE(FILE, "File", NO_KEY, {"Flags", ULONG}, {"Name", STRING}, {"HashValue", BLOB}),
    TABLE(EXPORTED_TYPE, "ExportedType", NO_KEY, {"Flags", ULONG}, {"TypeDefId", ULONG},
          {"TypeName", STRING}, {"TypeNamespace", STRING},
          {"Implementation", CODED(IMPLEMENTATION)}),
    TABLE(MANIFEST_RESOURCE, "ManifestResource", NO_KEY, {"Offset", ULONG}, {"Flags", ULONG},
          {"Name", STRING}, {"Implementation", CODED(IMPLEMENTATION)}),
    TABLE(NESTED_CLASS, "NestedClass", KEY(0), {"NestedClass", ROW(TYPE_DEF)},
          {"EnclosingClass", ROW(TYPE_DEF)}),
    TABLE(GENERIC_PARAM, "GenericParam", KEY(2), {"Number", USHORT}, {"Flags", USHORT},
          {"Owner", CODED(TYPE_OR_METHOD_DEF)}, {"Name", STRING}),
    TABLE(METHOD_SPEC, "MethodSpec", NO_KEY, {"Method", CODED(METHOD_DEF_OR_REF)},
          {"Instantiation", BLOB}),
    TABLE(GENERIC_PARAM_CONSTRAINT, "GenericParamConstraint", KEY(0),
          {"Owner", ROW(GENERIC_PARAM)}, {"Constraint", CODED(TYPE_DEF_OR_REF)}),
    TABLE(DOCUMENT, "Document", NO_KEY, {"Name", BLOB}, {"HashAlgorithm", GUID}, {"Hash", BLOB},
          {"Language", GUID}),
    TABLE(METHOD_DEBUG_INFORMATION, "MethodDebugInformation", NO_KEY,
          {"Document", ROW(DOCUMENT)}, {"SequencePoints", BLOB}),
    TABLE(LOCAL_SCOPE, "LocalScope", KEY(0), {"Method", ROW(METHOD_DEF)},
          {"ImportScope", ROW(IMPORT_SCOPE)}, {"VariableList", ROW(LOCAL_VARIABLE)},
          {"ConstantList", ROW(LOCAL_CONSTANT)}, {"StartOffset", ULONG}, {"Length", ULONG}),
    TABLE(LOCAL_VARIABLE, "LocalVariable", NO_KEY, {"Attributes", USHORT}, {"Index", USHORT},
          {"Name", STRING}),
    TABLE(LOCAL_CONSTANT, "LocalConstant", NO_KEY, {"Name", STRING}, {"Signature", BLOB}),
    TABLE(IMPORT_SCOPE, "ImportScope", NO_KEY, {"Parent", ROW(IMPORT_SCOPE)}, {"Imports", BLOB}),
    TABLE(STATE_MACHINE_METHOD, "StateMachineMethod", KEY(0), {"MoveNextMethod", ROW(METHOD_DEF)},
          {"KickoffMethod", ROW(METHOD_DEF)}),
    TABLE(CUSTOM_DEBUG_INFORMATION, "CustomDebugInformation", KEY(0),
          {"Parent", CODED(HAS_CUSTOM_DEBUG_INFORMATION)}, {"Kind", GUID}, {"Value", BLOB}),
};
/* clang-format on */

#define CODING(number, title, bits, ...)                                                           \
  [CORDBG_CODED_##number] = {.name = title,                                                        \
                             .tag_bits = bits,                                                     \
                             .table_count = sizeof((uint8_t[]){__VA_ARGS__}),                      \
                             .tables = {__VA_ARGS__}}
#define NOTHING CORDBG_TABLE_COUNT

const cordbg_coded_schema cordbg_coded_schemas[CORDBG_CODED_COUNT] = {
    CODING(TYPE_DEF_OR_REF, "TypeDefOrRef", 2, 0x02, 0x01, 0x1b),
    CODING(HAS_CONSTANT, "HasConstant", 2, 0x04, 0x08, 0x17),
    CODING(HAS_CUSTOM_ATTRIBUTE, "HasCustomAttribute", 5, 0x06, 0x04, 0x01, 0x02, 0x08, 0x09, 0x0a,
           0x00, 0x0e, 0x17, 0x14, 0x11, 0x1a, 0x1b, 0x20, 0x23, 0x26, 0x27, 0x28, 0x2a, 0x2c,
           0x2b),
    CODING(HAS_FIELD_MARSHAL, "HasFieldMarshal", 1, 0x04, 0x08),
    CODING(HAS_DECL_SECURITY, "HasDeclSecurity", 2, 0x02, 0x06, 0x20),
    CODING(MEMBER_REF_PARENT, "MemberRefParent", 3, 0x02, 0x01, 0x1a, 0x06, 0x1b),
    CODING(HAS_SEMANTIC, "HasSemantic", 1, 0x14, 0x17),
    CODING(METHOD_DEF_OR_REF, "MethodDefOrRef", 1, 0x06, 0x0a),
    CODING(MEMBER_FORWARDED, "MemberForwarded", 1, 0x04, 0x06),
    CODING(IMPLEMENTATION, "Implementation", 2, 0x26, 0x23, 0x27),
    CODING(CUSTOM_ATTRIBUTE_TYPE, "CustomAttributeType", 3, NOTHING, NOTHING, 0x06, 0x0a, NOTHING),
    CODING(RESOLUTION_SCOPE, "ResolutionScope", 2, 0x00, 0x1a, 0x23, 0x01),
    CODING(TYPE_OR_METHOD_DEF, "TypeOrMethodDef", 1, 0x02, 0x06),
    CODING(HAS_CUSTOM_DEBUG_INFORMATION, "HasCustomDebugInformation", 5, 0x06, 0x04, 0x01, 0x02,
           0x08, 0x09, 0x0a, 0x00, 0x0e, 0x17, 0x14, 0x11, 0x1a, 0x1b, 0x20, 0x23, 0x26, 0x27, 0x28,
           0x2a, 0x2c, 0x2b, 0x30, 0x32, 0x33, 0x34, 0x35),
};
