/* SPDX-License-Identifier: MIT */
/*
 * Metadata of modules that are emitted at run time (AssemblyBuilder).
 *
 * Mono has none: rows are made when such an assembly is saved, and one that only runs never is.
 * What there is are the runtime's structures of each type, which hold the same facts. They are read
 * from outside, found through the image that the agent told of, and written down as metadata of the
 * uncompressed kind, in which each type, method and field keeps the token that the runtime gave it.
 *
 * What can be had: types with flags, base type, enclosing type, generic parameters' numbers in
 * signatures; methods and fields with flags, names and signatures; IL bodies (by token, read where
 * they lie). Not there: parameters' names, properties, events, attributes, interfaces, names of
 * generic parameters, local signatures, versions of the assemblies referred to; and types whose
 * CreateType was not called yet have no members. Modifiers in signatures are left out.
 *
 * The layouts are those of 64-bit Mono 6.8, taken only where what layout.c discovered agrees. The
 * list of an image's types is recognised by what is in it. All of it is hostile: sizes and depths
 * are bounded, and a type that cannot be read is left out.
 */
#include "config.h"

#include <string.h>

#include "cordbg/corhdr.h"
#include "cordbg/metadata/metadata.h"
#include "runtime-shim/image-methods.h"
#include "runtime-shim/mono/emitted.h"

enum {
  IMAGE_BYTES = 2048, /* of a MonoImage, in which its list of types is looked for */
  CLASSES_MAX = 65536,
  MEMBERS_MAX = 65535, /* of one type */
  RID_MAX = 1 << 20,
  TYPE_DEPTH_MAX = 32,
  SIGNATURE_MAX = 1 << 16,
  IL_MAX = 16 << 20,
  CLASS_GENERIC_INSTANCE = 3,
};

/* MonoClass, as far as it is looked at; a MonoClassDef from flags on. */
typedef struct mono_class {
  uint8_t head[26];
  uint8_t rank;
  uint8_t kind;
  uint8_t rest[12];
  uint64_t parent;    /* 40 */
  uint64_t nested_in; /* 48 */
  uint64_t image;     /* 56 */
  uint64_t name;      /* 64 */
  uint64_t name_space;
  uint32_t token; /* 80 */
  uint8_t middle[60];
  uint64_t fields;  /* 144 */
  uint64_t methods; /* 152 */
  uint8_t this_argument[16];
  uint8_t by_value[16]; /* 176: its MonoType */
  uint8_t more[32];
  uint32_t flags; /* 224 */
  uint32_t first_method;
  uint32_t first_field; /* 232: of its first field, from 0 */
  uint32_t method_count;
  uint32_t field_count;
  uint32_t pad;
} mono_class;
_Static_assert(offsetof(mono_class, image) == 56, "as measured");
_Static_assert(offsetof(mono_class, token) == 80, "as measured");
_Static_assert(offsetof(mono_class, methods) == 152, "as measured");
_Static_assert(offsetof(mono_class, by_value) == 176, "as measured");
_Static_assert(offsetof(mono_class, flags) == 224, "as measured");

typedef struct mono_method {
  uint16_t flags, impl_flags;
  uint32_t token;
  uint64_t class;
  uint64_t signature;
  uint64_t name;
  uint64_t bits;
  uint64_t header; /* MonoMethodHeader of a method with IL */
} mono_method;

typedef struct mono_field {
  uint64_t type, name, parent;
  uint64_t offset;
} mono_field;

typedef struct mono_type {
  uint64_t data;
  uint16_t attributes;
  uint8_t element;
  uint8_t bits; /* 1: modifiers follow; 2: by reference */
} mono_type;
enum { TYPE_BY_REFERENCE = 2 };

typedef struct mono_signature {
  uint64_t result;
  uint16_t parameters, sentinel, generic_parameters;
  uint8_t convention; /* 0x3f: which; 0x40: has a this; 0x80: an explicit one */
  uint8_t bits;
} mono_signature;

/* A type of the image, kept while the metadata is made. */
typedef struct emitted_class {
  uint64_t address;
  mono_class class;
} emitted_class;

typedef struct maker {
  cordbg_runtime *runtime;
  const cordbg_mono_module *module;
  cordbg_metadata_writer *writer;
  GHashTable *type_refs;     /* MonoClass -> rid */
  GHashTable *assembly_refs; /* MonoImage -> rid */
  GHashTable *methods;       /* token -> header's address, boxed; owned by what is made */
} maker;

static bool
read_exact(cordbg_runtime *runtime, uint64_t address, void *buffer, size_t size)
{
  return address >= 0x1000 && cordbg_mono_read(runtime, address, buffer, size, NULL) == S_OK;
}

static uint32_t
put_name(maker *m, uint64_t address)
{
  g_autofree char *text = address ? cordbg_mono_read_string(m->runtime, address) : NULL;
  return cordbg_metadata_writer_string(m->writer, text);
}

/* ---- The image's types ---- */

static bool
is_class_of(cordbg_runtime *runtime, uint64_t address, uint64_t image, mono_class *ret)
{
  return read_exact(runtime, address, ret, sizeof *ret) && ret->image == image &&
         ret->token >> 24 == CORDBG_TABLE_TYPE_DEF && (ret->token & CORDBG_RID_MAX) <= RID_MAX;
}

/*
 * MonoImage.reflection_info_unregister_classes: a GSList of every type that was defined in it. The
 * member that heads a list whose first element is a type of this image is it.
 */
static uint64_t
find_list(cordbg_runtime *runtime, uint64_t image)
{
  g_autofree uint8_t *bytes = g_malloc0(IMAGE_BYTES);
  size_t got = 0;
  cordbg_target_read(runtime->target, CORDBG_VIEW_PRISTINE, image, bytes, IMAGE_BYTES, &got, NULL);
  for (size_t at = 0; at + 8 <= got; at += 8) {
    uint64_t node, link[2];
    mono_class class;
    memcpy(&node, bytes + at, 8);
    if (node % 8 == 0 && read_exact(runtime, node, link, sizeof link) && link[0] % 8 == 0 &&
        is_class_of(runtime, link[0], image, &class))
      return node;
  }
  return 0;
}

/* By token; of two with one token the later defined, which stands first. */
static GHashTable *
read_classes(cordbg_runtime *runtime, uint64_t image)
{
  GHashTable *classes = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  uint64_t node = find_list(runtime, image), link[2];
  for (unsigned i = 0; i < CLASSES_MAX && node; i++, node = link[1]) {
    emitted_class *class = g_new(emitted_class, 1);
    if (!read_exact(runtime, node, link, sizeof link)) {
      g_free(class);
      break;
    }
    class->address = link[0];
    void *key = NULL;
    if (is_class_of(runtime, link[0], image, &class->class))
      key = GUINT_TO_POINTER(class->class.token);
    if (key && !g_hash_table_contains(classes, key))
      g_hash_table_insert(classes, key, class);
    else
      g_free(class);
  }
  return classes;
}

/* Changes whenever a type is defined or finished. */
static uint64_t
fingerprint(GHashTable *classes)
{
  uint64_t mark = 0;
  GHashTableIter iterator;
  void *value;
  g_hash_table_iter_init(&iterator, classes);
  while (g_hash_table_iter_next(&iterator, NULL, &value)) {
    const emitted_class *class = value;
    uint64_t mixed = class->address ^ (uint64_t) class->class.token << 40;
    mixed = (mixed ^ class->class.methods) * 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ class->class.fields ^ class->class.method_count) * 0xbf58476d1ce4e5b9ull;
    mark += mixed ^ mixed >> 31; /* in any order */
  }
  return mark | 1;
}

/* ---- Signatures ---- */

static void
put_number(GByteArray *to, uint32_t value)
{
  guint8 bytes[4] = {(guint8)(0xc0 | value >> 24), (guint8)(value >> 16), (guint8)(value >> 8),
                     (guint8)value};
  if (value >= 0x4000) {
    g_byte_array_append(to, bytes, 4);
  } else if (value >= 0x80) {
    bytes[2] |= 0x80;
    g_byte_array_append(to, bytes + 2, 2);
  } else {
    g_byte_array_append(to, bytes + 3, 1);
  }
}

static uint32_t type_token(maker *m, uint64_t address, unsigned depth);
static bool put_type(maker *m, GByteArray *to, uint64_t address, unsigned depth);
static bool put_signature(maker *m, GByteArray *to, uint64_t address, unsigned depth);

static bool
put_token(maker *m, GByteArray *to, uint64_t class, unsigned depth)
{
  uint32_t token = type_token(m, class, depth);
  if (!token)
    return false;
  put_number(to, cordbg_coded_encode(CORDBG_CODED_TYPE_DEF_OR_REF, token));
  return true;
}

/* MonoGenericClass: the definition, then a MonoGenericInst: a count in 22 bits, types. */
static bool
put_instance(maker *m, GByteArray *to, uint64_t address, unsigned depth)
{
  struct {
    uint64_t definition, arguments;
  } generic;
  struct {
    uint32_t id, count;
  } arguments;
  mono_class class;
  const uint8_t instance = ELEMENT_TYPE_GENERICINST;
  if (!read_exact(m->runtime, address, &generic, sizeof generic) ||
      !read_exact(m->runtime, generic.definition, &class, sizeof class) ||
      !read_exact(m->runtime, generic.arguments, &arguments, sizeof arguments))
    return false;
  arguments.count &= 0x3fffff;
  const uint8_t element = ((const mono_type *)(const void *)class.by_value)->element;
  if (element != ELEMENT_TYPE_CLASS && element != ELEMENT_TYPE_VALUETYPE)
    return false;
  g_byte_array_append(to, &instance, 1);
  g_byte_array_append(to, &element, 1);
  if (!put_token(m, to, generic.definition, depth))
    return false;
  put_number(to, arguments.count);
  for (uint32_t i = 0; i < arguments.count; i++) {
    uint64_t type;
    if (!read_exact(m->runtime, generic.arguments + 8 + 8ull * i, &type, sizeof type) ||
        !put_type(m, to, type, depth))
      return false;
  }
  return true;
}

/* MonoArrayType: the element's class, the rank; bounds are not kept. */
static bool
put_array(maker *m, GByteArray *to, uint64_t address, unsigned depth)
{
  struct {
    uint64_t element;
    uint8_t rank, sizes, bounds;
  } array;
  const uint8_t none[2] = {0, 0};
  const uint8_t element = ELEMENT_TYPE_ARRAY;
  if (!read_exact(m->runtime, address, &array, sizeof array))
    return false;
  g_byte_array_append(to, &element, 1);
  if (!put_type(m, to, array.element + offsetof(mono_class, by_value), depth))
    return false;
  put_number(to, array.rank);
  g_byte_array_append(to, none, sizeof none);
  return true;
}

/* MonoGenericParam: its owner, its number. */
static bool
put_parameter(maker *m, GByteArray *to, const mono_type *type)
{
  uint16_t number;
  if (!read_exact(m->runtime, type->data + 8, &number, sizeof number))
    return false;
  g_byte_array_append(to, &type->element, 1);
  put_number(to, number);
  return true;
}

static bool
put_type(maker *m, GByteArray *to, uint64_t address, unsigned depth)
{
  mono_type type;
  const uint8_t by_reference = ELEMENT_TYPE_BYREF;
  if (depth == 0 || to->len > SIGNATURE_MAX || !read_exact(m->runtime, address, &type, sizeof type))
    return false;
  if (type.bits & TYPE_BY_REFERENCE)
    g_byte_array_append(to, &by_reference, 1);
  switch (type.element) {
  case ELEMENT_TYPE_CLASS:
  case ELEMENT_TYPE_VALUETYPE:
    g_byte_array_append(to, &type.element, 1);
    return put_token(m, to, type.data, depth - 1);
  case ELEMENT_TYPE_PTR:
    g_byte_array_append(to, &type.element, 1);
    return put_type(m, to, type.data, depth - 1);
  case ELEMENT_TYPE_SZARRAY:
    g_byte_array_append(to, &type.element, 1);
    return put_type(m, to, type.data + offsetof(mono_class, by_value), depth - 1);
  case ELEMENT_TYPE_FNPTR:
    g_byte_array_append(to, &type.element, 1);
    return put_signature(m, to, type.data, depth - 1);
  case ELEMENT_TYPE_GENERICINST:
    return put_instance(m, to, type.data, depth - 1);
  case ELEMENT_TYPE_ARRAY:
    return put_array(m, to, type.data, depth - 1);
  case ELEMENT_TYPE_VAR:
  case ELEMENT_TYPE_MVAR:
    return put_parameter(m, to, &type);
  default:
    if ((type.element < ELEMENT_TYPE_VOID || type.element > ELEMENT_TYPE_STRING) &&
        type.element != ELEMENT_TYPE_TYPEDBYREF && type.element != ELEMENT_TYPE_I &&
        type.element != ELEMENT_TYPE_U && type.element != ELEMENT_TYPE_OBJECT)
      return false;
    g_byte_array_append(to, &type.element, 1);
    return true;
  }
}

static bool
put_signature(maker *m, GByteArray *to, uint64_t address, unsigned depth)
{
  mono_signature signature;
  if (depth == 0 || !read_exact(m->runtime, address, &signature, sizeof signature))
    return false;
  uint8_t convention =
      (uint8_t)((signature.convention & 0xf) | (signature.convention & 0x40 ? 0x20 : 0) |
                (signature.convention & 0x80 ? 0x40 : 0) |
                (signature.generic_parameters ? 0x10 : 0));
  g_byte_array_append(to, &convention, 1);
  if (signature.generic_parameters)
    put_number(to, signature.generic_parameters);
  put_number(to, signature.parameters);
  if (!put_type(m, to, signature.result, depth - 1))
    return false;
  for (unsigned i = 0; i < signature.parameters; i++) {
    uint64_t type;
    if (!read_exact(m->runtime, address + sizeof signature + 8ull * i, &type, sizeof type) ||
        !put_type(m, to, type, depth - 1))
      return false;
  }
  return true;
}

/* ---- References to types ---- */

/* A row for another image's assembly: its simple name. 0: it cannot be told. */
static uint32_t
assembly_ref(maker *m, uint64_t image)
{
  uint64_t assembly, name;
  void *key = (void *)(uintptr_t)image;
  uint32_t rid = GPOINTER_TO_UINT(g_hash_table_lookup(m->assembly_refs, key));
  if (rid || !read_exact(m->runtime, image + m->runtime->layout.image_assembly, &assembly, 8) ||
      !read_exact(m->runtime, assembly + m->runtime->layout.assembly_name, &name, 8))
    return rid;
  uint32_t row[CORDBG_COLUMNS_MAX] = {0};
  row[CORDBG_ASSEMBLY_REF_NAME] = put_name(m, name);
  rid = cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_ASSEMBLY_REF, row);
  g_hash_table_insert(m->assembly_refs, key, GUINT_TO_POINTER(rid));
  return rid;
}

static uint32_t
type_spec(maker *m, uint64_t class, unsigned depth)
{
  g_autoptr(GByteArray) blob = g_byte_array_new();
  if (!put_type(m, blob, class + offsetof(mono_class, by_value), depth))
    return 0;
  uint32_t row[CORDBG_COLUMNS_MAX] = {
      cordbg_metadata_writer_blob(m->writer, blob->data, blob->len)};
  uint32_t rid = cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_TYPE_SPEC, row);
  return rid ? (uint32_t)CORDBG_TABLE_TYPE_SPEC << 24 | rid : 0;
}

/* A MonoClass as a TypeDef of this image, a TypeRef or a TypeSpec; 0: it cannot be told. */
static uint32_t
type_token(maker *m, uint64_t address, unsigned depth)
{
  mono_class class;
  void *key = (void *)(uintptr_t)address;
  uint32_t rid = GPOINTER_TO_UINT(g_hash_table_lookup(m->type_refs, key));
  if (rid)
    return (uint32_t)CORDBG_TABLE_TYPE_REF << 24 | rid;
  if (depth == 0 || !read_exact(m->runtime, address, &class, sizeof class))
    return 0;
  if (class.kind == CLASS_GENERIC_INSTANCE || class.rank)
    return type_spec(m, address, depth - 1);
  if (class.image == m->module->image && class.token >> 24 == CORDBG_TABLE_TYPE_DEF)
    return class.token;
  uint32_t scope = class.nested_in ? type_token(m, class.nested_in, depth - 1) : 0;
  if (!class.nested_in && (rid = assembly_ref(m, class.image)) != 0)
    scope = (uint32_t)CORDBG_TABLE_ASSEMBLY_REF << 24 | rid;
  if (!scope)
    return 0;
  uint32_t row[CORDBG_COLUMNS_MAX] = {0};
  row[CORDBG_TYPE_REF_SCOPE] = cordbg_coded_encode(CORDBG_CODED_RESOLUTION_SCOPE, scope);
  row[CORDBG_TYPE_REF_NAME] = put_name(m, class.name);
  row[CORDBG_TYPE_REF_NAMESPACE] = put_name(m, class.name_space);
  rid = cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_TYPE_REF, row);
  g_hash_table_insert(m->type_refs, key, GUINT_TO_POINTER(rid));
  return rid ? (uint32_t)CORDBG_TABLE_TYPE_REF << 24 | rid : 0;
}

/* ---- Rows ---- */

static void
add_method(maker *m, uint64_t address)
{
  mono_method method;
  g_autoptr(GByteArray) blob = g_byte_array_new();
  if (!read_exact(m->runtime, address, &method, sizeof method) ||
      method.token >> 24 != CORDBG_TABLE_METHOD_DEF || (method.token & CORDBG_RID_MAX) > RID_MAX)
    return;
  uint32_t rid = method.token & CORDBG_RID_MAX;
  if (!put_signature(m, blob, method.signature, TYPE_DEPTH_MAX))
    g_byte_array_set_size(blob, 0);
  uint32_t row[CORDBG_COLUMNS_MAX] = {0};
  row[CORDBG_METHOD_DEF_IMPL_FLAGS] = method.impl_flags;
  row[CORDBG_METHOD_DEF_FLAGS] = method.flags;
  row[CORDBG_METHOD_DEF_NAME] = put_name(m, method.name);
  row[CORDBG_METHOD_DEF_SIGNATURE] = cordbg_metadata_writer_blob(m->writer, blob->data, blob->len);
  row[CORDBG_METHOD_DEF_PARAMS] = 1;
  if (cordbg_metadata_writer_set(m->writer, CORDBG_TABLE_METHOD_DEF, rid, row)) {
    cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_METHOD_PTR, &rid);
    uint64_t *header = g_new(uint64_t, 1);
    bool il = !(method.flags & (mdAbstract | mdPinvokeImpl)) &&
              (method.impl_flags & miCodeTypeMask) == miIL && !(method.impl_flags & miInternalCall);
    *header = il ? method.header : 0;
    g_hash_table_replace(m->methods, GUINT_TO_POINTER(method.token), header);
  }
}

static void
add_field(maker *m, const mono_class *class, uint32_t index)
{
  mono_field field;
  mono_type type;
  const uint8_t kind = IMAGE_CEE_CS_CALLCONV_FIELD;
  g_autoptr(GByteArray) blob = g_byte_array_new();
  uint64_t rid = (uint64_t) class->first_field + 1 + index;
  if (class->first_field > RID_MAX || rid > RID_MAX ||
      !read_exact(m->runtime, class->fields + sizeof field * index, &field, sizeof field) ||
      !read_exact(m->runtime, field.type, &type, sizeof type))
    return;
  g_byte_array_append(blob, &kind, 1);
  if (!put_type(m, blob, field.type, TYPE_DEPTH_MAX))
    g_byte_array_set_size(blob, 0);
  uint32_t row[CORDBG_COLUMNS_MAX] = {0}, own = (uint32_t)rid;
  row[CORDBG_FIELD_FLAGS] = type.attributes;
  row[CORDBG_FIELD_NAME] = put_name(m, field.name);
  row[CORDBG_FIELD_SIGNATURE] = cordbg_metadata_writer_blob(m->writer, blob->data, blob->len);
  if (cordbg_metadata_writer_set(m->writer, CORDBG_TABLE_FIELD, own, row))
    cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_FIELD_PTR, &own);
}

/* The row of a type, NULL for one that is not known: its members are the next ones in line. */
static void
add_class(maker *m, uint32_t rid, const emitted_class *emitted)
{
  uint32_t row[CORDBG_COLUMNS_MAX] = {0};
  row[CORDBG_TYPE_DEF_FIELDS] = cordbg_metadata_writer_rows(m->writer, CORDBG_TABLE_FIELD_PTR) + 1;
  row[CORDBG_TYPE_DEF_METHODS] =
      cordbg_metadata_writer_rows(m->writer, CORDBG_TABLE_METHOD_PTR) + 1;
  if (rid == 1 && !emitted)
    row[CORDBG_TYPE_DEF_NAME] = cordbg_metadata_writer_string(m->writer, "<Module>");
  if (emitted) {
    const mono_class *class = &emitted->class;
    row[CORDBG_TYPE_DEF_FLAGS] = class->flags;
    row[CORDBG_TYPE_DEF_NAME] = put_name(m, class->name);
    row[CORDBG_TYPE_DEF_NAMESPACE] = put_name(m, class->name_space);
    uint32_t base = class->parent ? type_token(m, class->parent, TYPE_DEPTH_MAX) : 0;
    row[CORDBG_TYPE_DEF_EXTENDS] =
        base ? cordbg_coded_encode(CORDBG_CODED_TYPE_DEF_OR_REF, base) : 0;
    for (uint32_t i = 0; class->fields && i < MIN(class->field_count, MEMBERS_MAX); i++)
      add_field(m, class, i);
    for (uint32_t i = 0; class->methods && i < MIN(class->method_count, MEMBERS_MAX); i++) {
      uint64_t method;
      if (!read_exact(m->runtime, class->methods + 8ull * i, &method, sizeof method))
        break;
      add_method(m, method);
    }
    uint32_t outer = class->nested_in ? type_token(m, class->nested_in, 1) : 0;
    if (outer >> 24 == CORDBG_TABLE_TYPE_DEF) {
      const uint32_t nested[] = {rid, outer & CORDBG_RID_MAX};
      cordbg_metadata_writer_add(m->writer, CORDBG_TABLE_NESTED_CLASS, nested);
    }
  }
  cordbg_metadata_writer_set(m->writer, CORDBG_TABLE_TYPE_DEF, rid, row);
}

static void
add_manifest(maker *m)
{
  uint32_t row[CORDBG_COLUMNS_MAX] = {0};
  uint64_t name;
  row[CORDBG_MODULE_NAME] = cordbg_metadata_writer_string(m->writer, m->module->name);
  row[CORDBG_MODULE_MVID] = cordbg_metadata_writer_guid(m->writer, m->module->mvid);
  cordbg_metadata_writer_set(m->writer, CORDBG_TABLE_MODULE, 1, row);
  if (!read_exact(m->runtime, m->module->assembly + m->runtime->layout.assembly_name, &name, 8))
    return;
  memset(row, 0, sizeof row);
  row[CORDBG_ASSEMBLY_NAME] = put_name(m, name);
  cordbg_metadata_writer_set(m->writer, CORDBG_TABLE_ASSEMBLY, 1, row);
}

/* ---- What is kept with the module ---- */

struct cordbg_mono_emitted {
  uint64_t mark;
  uint8_t *bytes; /* the image's */
  size_t size;
  cordbg_image *image;
  GHashTable *methods; /* as maker.methods */
};

void
cordbg_mono_emitted_free(cordbg_mono_emitted *emitted)
{
  if (!emitted)
    return;
  cordbg_image_unref(emitted->image);
  g_hash_table_unref(emitted->methods);
  g_free(emitted);
}

static cordbg_mono_emitted *
make(cordbg_runtime *runtime, const cordbg_mono_module *module, GHashTable *classes,
     cordbg_error *error)
{
  maker m = {.runtime = runtime,
             .module = module,
             .writer = cordbg_metadata_writer_new(),
             .type_refs = g_hash_table_new(NULL, NULL),
             .assembly_refs = g_hash_table_new(NULL, NULL),
             .methods = g_hash_table_new_full(NULL, NULL, NULL, g_free)};
  uint32_t last = 1;
  GHashTableIter iterator;
  void *key;
  g_hash_table_iter_init(&iterator, classes);
  while (g_hash_table_iter_next(&iterator, &key, NULL))
    last = MAX(last, GPOINTER_TO_UINT(key) & CORDBG_RID_MAX);
  add_manifest(&m);
  for (uint32_t rid = 1; rid <= last; rid++)
    add_class(&m, rid,
              g_hash_table_lookup(classes,
                                  GUINT_TO_POINTER((uint32_t)CORDBG_TABLE_TYPE_DEF << 24 | rid)));
  cordbg_mono_emitted *made = g_new0(cordbg_mono_emitted, 1);
  made->methods = m.methods;
  made->mark = fingerprint(classes);
  made->bytes = cordbg_metadata_writer_finish(m.writer, 0, &made->size);
  cordbg_metadata_writer_free(m.writer);
  g_hash_table_unref(m.type_refs);
  g_hash_table_unref(m.assembly_refs);
  if (FAILED(cordbg_image_open_bytes(made->bytes, made->size, CORDBG_IMAGE_LAYOUT_FILE, g_free,
                                     made->bytes, &made->image, error))) {
    g_free(made->bytes);
    g_clear_pointer(&made, cordbg_mono_emitted_free);
  }
  return made;
}

const cordbg_image *
cordbg_mono_emitted_image(cordbg_runtime *runtime, cordbg_mono_module *module, cordbg_error *error)
{
  const cordbg_mono_layout *layout = &runtime->layout;
  if (layout->class_image != offsetof(mono_class, image) ||
      layout->class_token != offsetof(mono_class, token) ||
      layout->method_class != offsetof(mono_method, class) ||
      layout->method_token != offsetof(mono_method, token)) {
    cordbg_error_set(
        error, CORDBG_E_MISSING_METADATA, 0, 0,
        "no metadata of %.80s: this build of Mono lays out its types in an unknown way",
        module->name);
    return NULL;
  }
  GHashTable *classes = read_classes(runtime, module->image);
  if (g_hash_table_size(classes) == 0) {
    cordbg_error_set(error, CORDBG_E_MISSING_METADATA, 0, 0,
                     "no metadata of %.80s: no type was defined in it yet", module->name);
  } else if (!module->emitted || module->emitted->mark != fingerprint(classes)) {
    cordbg_mono_emitted *made = make(runtime, module, classes, error);
    if (made) {
      cordbg_mono_emitted_free(module->emitted);
      module->emitted = made;
    }
  }
  bool none = g_hash_table_size(classes) == 0;
  g_hash_table_unref(classes);
  return none || !module->emitted ? NULL : module->emitted->image;
}

HRESULT
cordbg_mono_get_metadata(cordbg_runtime *runtime, cordbg_rt_id id, cordbg_rt_metadata *ret,
                         cordbg_error *error)
{
  cordbg_mono_module *module = cordbg_mono_module_by_id(runtime, id, error);
  if (!module)
    return E_INVALIDARG;
  if (!(module->flags & CORDBG_RT_MODULE_DYNAMIC))
    return S_FALSE;
  if (!cordbg_mono_emitted_image(runtime, module, error))
    return CORDBG_E_MISSING_METADATA;
  *ret = (cordbg_rt_metadata){.bytes = g_memdup2(module->emitted->bytes, module->emitted->size),
                              .size = module->emitted->size};
  return S_OK;
}

void
cordbg_mono_emitted_il(cordbg_runtime *runtime, const cordbg_mono_module *module, uint32_t token,
                       cordbg_rt_method *ret)
{
  struct {
    uint64_t code;
    uint32_t size;
  } header;
  const uint64_t *address =
      module->emitted ? g_hash_table_lookup(module->emitted->methods, GUINT_TO_POINTER(token))
                      : NULL;
  if (address && *address && read_exact(runtime, *address, &header, sizeof header) &&
      header.size > 0 && header.size <= IL_MAX && header.code >= 0x1000) {
    ret->il_address = header.code;
    ret->il_size = header.size;
  }
}
