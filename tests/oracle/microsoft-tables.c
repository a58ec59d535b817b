/* SPDX-License-Identifier: MIT */
/* The manifest, the raw tables and the heaps: IMetaDataAssemblyImport and IMetaDataTables2. */
#include "config.h"
#include "tests/oracle/microsoft.h"

void
compare_manifest(ULONG rid)
{
  ROOM_LOOP
  {
    ARGS("rid %x room %u", rid, r);
    BOTH
    {
      NAME_BUFFER;
      const void *key = DATA_UNSET, *hash = DATA_UNSET;
      ULONG key_size = UNSET, hash_size = UNSET, algorithm = UNSET;
      DWORD flags = UNSET;
      WCHAR locale[20] = {0};
      ASSEMBLYMETADATA version = {.szLocale = locale, .cbLocale = 20};
      HRESULT hr = IMetaDataAssemblyImport_GetAssemblyProps(ASSEMBLY, mdtAssembly | rid, &key,
                                                            &key_size, &algorithm, buffer,
                                                            rooms[r].cch, length, &version, &flags);
      OUT("assembly %08x %x %x %u.%u.%u.%u %u", (unsigned)hr, algorithm, flags,
          version.usMajorVersion, version.usMinorVersion, version.usBuildNumber,
          version.usRevisionNumber, version.cbLocale);
      out_bytes(i, key, key_size);
      out_name(i, locale, hr, 20);
      NAME_OUT;

      key = DATA_UNSET, key_size = flags = pch = UNSET;
      memset(name, 0, sizeof name);
      memset(locale, 0, sizeof locale);
      version = (ASSEMBLYMETADATA){.szLocale = locale, .cbLocale = 20};
      hr = IMetaDataAssemblyImport_GetAssemblyRefProps(ASSEMBLY, mdtAssemblyRef | rid, &key,
                                                       &key_size, buffer, rooms[r].cch, length,
                                                       &version, &hash, &hash_size, &flags);
      OUT("\nref %08x %x %u.%u.%u.%u %u", (unsigned)hr, flags, version.usMajorVersion,
          version.usMinorVersion, version.usBuildNumber, version.usRevisionNumber,
          version.cbLocale);
      out_bytes(i, key, key_size);
      out_bytes(i, hash, hash_size);
      NAME_OUT;
    }
    settle("GetAssemblyProps, GetAssemblyRefProps", arguments);
    BOTH
    {
      NAME_BUFFER;
      const void *hash = DATA_UNSET;
      ULONG hash_size = UNSET;
      DWORD flags = UNSET, offset = UNSET;
      mdToken implementation = UNSET, type = UNSET;
      HRESULT hr = IMetaDataAssemblyImport_GetFileProps(
          ASSEMBLY, mdtFile | rid, buffer, rooms[r].cch, length, &hash, &hash_size, &flags);
      OUT("file %08x %x", (unsigned)hr, flags);
      out_bytes(i, hash, hash_size);
      NAME_OUT;
      pch = flags = UNSET;
      memset(name, 0, sizeof name);
      hr = IMetaDataAssemblyImport_GetExportedTypeProps(ASSEMBLY, mdtExportedType | rid, buffer,
                                                        rooms[r].cch, length, &implementation,
                                                        &type, &flags);
      OUT("\nexported %08x %x %x %x", (unsigned)hr, implementation, type, flags);
      NAME_OUT;
      if (r == 0 && SUCCEEDED(hr)) {
        mdToken found = UNSET;
        HRESULT h = IMetaDataAssemblyImport_FindExportedTypeByName(
            ASSEMBLY, name, TypeFromToken(implementation) == mdtExportedType ? implementation : 0,
            &found);
        OUT(" found %08x %x", (unsigned)h, found);
      }
      pch = flags = implementation = UNSET;
      memset(name, 0, sizeof name);
      hr = IMetaDataAssemblyImport_GetManifestResourceProps(ASSEMBLY, mdtManifestResource | rid,
                                                            buffer, rooms[r].cch, length,
                                                            &implementation, &offset, &flags);
      OUT("\nresource %08x %x %x %x", (unsigned)hr, implementation, offset, flags);
      NAME_OUT;
      if (r == 0 && SUCCEEDED(hr)) {
        mdToken found = UNSET;
        HRESULT h = IMetaDataAssemblyImport_FindManifestResourceByName(ASSEMBLY, name, &found);
        OUT(" found %08x %x", (unsigned)h, found);
      }
    }
    settle("GetFileProps, GetExportedTypeProps, GetManifestResourceProps", arguments);
  }
}

void
compare_tables(void)
{
  BOTH
  {
    ULONG size[5] = {UNSET, UNSET, UNSET, UNSET, UNSET};
    IMetaDataTables2_GetStringHeapSize(TABLES, &size[0]);
    IMetaDataTables2_GetBlobHeapSize(TABLES, &size[1]);
    IMetaDataTables2_GetGuidHeapSize(TABLES, &size[2]);
    IMetaDataTables2_GetUserStringHeapSize(TABLES, &size[3]);
    IMetaDataTables2_GetNumTables(TABLES, &size[4]);
    for (unsigned k = 0; k < 5; k++)
      OUT(" %x", size[k]);
  }
  settle("heap sizes, GetNumTables", "");
  for (ULONG t = 0; t < 0x40; t++) {
    ULONG rows = 0, columns = 0;
    ARGS("table %x", t);
    BOTH
    {
      ULONG row_size = UNSET, key = UNSET, index = UNSET;
      rows = columns = 0;
      const char *name = "untouched";
      HRESULT hr =
          IMetaDataTables2_GetTableInfo(TABLES, t, &row_size, &rows, &columns, &key, &name);
      OUT("%08x %x %x %x %x %s", (unsigned)hr, row_size, rows, columns, key, name);
      hr = IMetaDataTables2_GetTableIndex(TABLES, t << 24, &index);
      OUT(" index %08x %x", (unsigned)hr, index);
    }
    settle("GetTableInfo, GetTableIndex", arguments);
    for (ULONG c = 0; c <= columns; c++) {
      ARGS("table %x column %u", t, c);
      BOTH
      {
        ULONG offset = UNSET, size = UNSET, type = UNSET;
        const char *name = "untouched";
        HRESULT hr = IMetaDataTables2_GetColumnInfo(TABLES, t, c, &offset, &size, &type, &name);
        OUT("%08x %x %x %u %s", (unsigned)hr, offset, size, type, name);
      }
      settle("GetColumnInfo", arguments);
      for (ULONG rid = 0; rid <= rows + 1; rid += rid < 50 ? 1 : 1 + rows / 300) {
        ARGS("table %x column %u rid %x", t, c, rid);
        BOTH
        {
          ULONG value = UNSET;
          HRESULT hr = IMetaDataTables2_GetColumn(TABLES, t, c, rid, &value);
          OUT("%08x %x", (unsigned)hr, value);
          void *row = NULL;
          hr = IMetaDataTables2_GetRow(TABLES, t, rid, &row);
          OUT(" row %08x %d", (unsigned)hr, row != NULL);
        }
        settle("GetColumn, GetRow", arguments);
      }
    }
  }
  for (ULONG k = 0; k < 16; k++) {
    ARGS("kind %u", k);
    BOTH
    {
      ULONG count = UNSET, *tokens = NULL;
      const char *name = "untouched";
      HRESULT hr = IMetaDataTables2_GetCodedTokenInfo(TABLES, k, &count, &tokens, &name);
      OUT("%08x %s %x", (unsigned)hr, name, count);
      for (ULONG t = 0; SUCCEEDED(hr) && t < count; t++)
        OUT(" %x", tokens[t]);
    }
    settle("GetCodedTokenInfo", arguments);
  }
}

void
compare_heaps(void)
{
  ULONG sizes[4] = {0};
  IMetaDataTables2_GetStringHeapSize(sides[0].tables, &sizes[0]);
  IMetaDataTables2_GetBlobHeapSize(sides[0].tables, &sizes[1]);
  IMetaDataTables2_GetUserStringHeapSize(sides[0].tables, &sizes[2]);
  IMetaDataTables2_GetGuidHeapSize(sides[0].tables, &sizes[3]);
  ULONG longest = MAX(sizes[0], MAX(sizes[1], sizes[2]));
  for (ULONG index = 0; index < longest + 8; index += index < 4000 ? 1 : 1 + longest / 4000) {
    ARGS("index %x", index);
    BOTH
    {
      const char *text = NULL;
      const void *data = NULL;
      ULONG size = UNSET, next = UNSET;
      HRESULT hr = IMetaDataTables2_GetString(TABLES, index, &text);
      OUT("string %08x %s", (unsigned)hr, text ? text : "null");
      hr = IMetaDataTables2_GetNextString(TABLES, index, &next);
      OUT(" next %08x %x", (unsigned)hr, next);
      hr = IMetaDataTables2_GetBlob(TABLES, index, &size, &data);
      OUT("\nblob %08x", (unsigned)hr);
      out_bytes(i, data, size);
      hr = IMetaDataTables2_GetNextBlob(TABLES, index, &next);
      OUT(" next %08x %x", (unsigned)hr, next);
      hr = IMetaDataTables2_GetUserString(TABLES, index, &size, &data);
      OUT("\nus %08x", (unsigned)hr);
      out_bytes(i, data, size);
      hr = IMetaDataTables2_GetNextUserString(TABLES, index, &next);
      OUT(" next %08x %x", (unsigned)hr, next);
    }
    settle("heap entries", arguments);
  }
  for (ULONG index = 0; index < sizes[3] / 16 + 3; index++) {
    ARGS("guid %u", index);
    BOTH
    {
      const GUID *guid = NULL;
      ULONG next = UNSET;
      HRESULT hr = IMetaDataTables2_GetGuid(TABLES, index, &guid);
      OUT("%08x %08x", (unsigned)hr, SUCCEEDED(hr) ? (unsigned)guid->Data1 : 0);
      hr = IMetaDataTables2_GetNextGuid(TABLES, index, &next);
      OUT(" next %08x %x", (unsigned)hr, next);
    }
    settle("GetGuid", arguments);
  }
  for (ULONG s = 0; !by_dac && s < 8; s++) {
    ARGS("stream %u", s);
    BOTH
    {
      const char *name = "untouched";
      const void *data = NULL;
      ULONG size = UNSET;
      HRESULT hr = IMetaDataTables2_GetMetaDataStreamInfo(TABLES, s, &name, &data, &size);
      OUT("%08x %s %x", (unsigned)hr, name, size);
      hr = IMetaDataTables2_GetMetaDataStorage(TABLES, &data, &size);
      OUT(" storage %08x %x", (unsigned)hr, size);
    }
    settle("GetMetaDataStreamInfo, GetMetaDataStorage", arguments);
  }
}
