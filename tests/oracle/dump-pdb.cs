// SPDX-License-Identifier: MIT
// Dumps what System.Reflection.Metadata says of the Portable PDBs named on standard input (a .pdb, or
// an image that embeds one), in the text of describe-symbols.c.
using System;
using System.Collections.Immutable;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text;

static class DumpPdb
{
    static readonly Guid Async = new("54FD2AC5-E925-401A-9C2A-F94F171072F8");
    static readonly Guid Hoisted = new("6DA9A61E-F8C7-4874-BE62-68BC5630DF71");
    static readonly Guid Source = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");
    static readonly Guid Link = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");

    static StreamWriter o;
    static MetadataReader md;

    static void L(string s) { o.Write(s); o.Write('\n'); }
    static string Hex(byte[] b) => Convert.ToHexString(b).ToLowerInvariant();
    static ulong Fnv(byte[] bytes)
    {
        ulong h = 14695981039346656037;
        foreach (byte b in bytes) h = (h ^ b) * 1099511628211;
        return h;
    }

    static byte[] Custom(EntityHandle parent, Guid kind)
    {
        foreach (var h in md.GetCustomDebugInformation(parent))
        {
            var c = md.GetCustomDebugInformation(h);
            if (md.GetGuid(c.Kind) == kind) return md.GetBlobBytes(c.Value);
        }
        return null;
    }

    static void Documents()
    {
        int i = 0;
        foreach (var h in md.Documents)
        {
            var d = md.GetDocument(h);
            L($"document {++i} {md.GetString(d.Name)} {md.GetGuid(d.Language):n} {(d.HashAlgorithm.IsNil ? Guid.Empty : md.GetGuid(d.HashAlgorithm)):n} {Hex(md.GetBlobBytes(d.Hash))}");
            byte[] source = Custom(h, Source);
            if (source == null) continue;
            int size = BitConverter.ToInt32(source, 0);
            byte[] text = source[4..];
            if (size > 0)
            {
                using var inflate = new DeflateStream(new MemoryStream(text), CompressionMode.Decompress);
                using var all = new MemoryStream();
                inflate.CopyTo(all);
                text = all.ToArray();
            }
            L($" source {text.Length} {Fnv(text):x}");
        }
        byte[] link = Custom(EntityHandle.ModuleDefinition, Link);
        if (link != null) L($"sourcelink {Encoding.UTF8.GetString(link)}");
    }

    static string Token(EntityHandle h) => h.IsNil ? "0" : MetadataTokens.GetToken(h).ToString("x");

    static void Imports()
    {
        foreach (var h in md.ImportScopes)
        {
            var s = md.GetImportScope(h);
            L($"imports {MetadataTokens.GetRowNumber(h)} {MetadataTokens.GetRowNumber(s.Parent)}");
            foreach (var d in s.GetImports())
            {
                // A type and a namespace are one field: asked for the wrong one it throws.
                bool type = d.Kind is ImportDefinitionKind.ImportType or ImportDefinitionKind.AliasType;
                string name = type ? "" : Encoding.UTF8.GetString(md.GetBlobBytes(d.TargetNamespace));
                L($" import {(int)d.Kind} {Encoding.UTF8.GetString(md.GetBlobBytes(d.Alias))}|{name}|{Token(d.TargetAssembly)}|{(type ? Token(d.TargetType) : "0")}");
            }
        }
    }

    // The type alone, and the value by its VARIANT's kind. The reader of numbers is the library's.
    static string Constant(BlobHandle h)
    {
        byte[] all = md.GetBlobBytes(h);
        var r = md.GetBlobReader(h);
        int code, start;
        for (;;)
        {
            start = r.Offset;
            code = r.ReadCompressedInteger();
            if (code != 0x1f && code != 0x20) break;
            r.ReadTypeHandle();
        }
        string type = Hex(all[..start]);
        if (code is 0x11 or 0x12)
        {
            r.ReadTypeHandle();
            type += Hex(all[start..r.Offset]);
            if (r.RemainingBytes == 13)
            {
                int[] bits = decimal.GetBits(r.ReadDecimal());
                return $"{type} decimal {(bits[3] < 0 ? "80" : "0")} {bits[3] >> 16 & 0xff:x} {bits[2]:x} {(ulong)(uint)bits[1] << 32 | (uint)bits[0]:x}";
            }
            return r.RemainingBytes == 8 ? $"{type} 5:{r.ReadDateTime().Ticks:x}" : r.RemainingBytes == 0 ? $"{type} 3:0" : $"{type} 0:0";
        }
        string value = (SignatureTypeCode)code switch
        {
            SignatureTypeCode.Boolean => $"2:{(r.ReadBoolean() ? 1 : 0)}",
            SignatureTypeCode.Char => $"18:{(int)r.ReadChar():x}",
            SignatureTypeCode.SByte => $"2:{(ushort)(short)r.ReadSByte():x}",
            SignatureTypeCode.Byte => $"2:{r.ReadByte():x}",
            SignatureTypeCode.Int16 => $"2:{(ushort)r.ReadInt16():x}",
            SignatureTypeCode.UInt16 => $"18:{r.ReadUInt16():x}",
            SignatureTypeCode.Int32 => $"3:{(uint)r.ReadInt32():x}",
            SignatureTypeCode.UInt32 => $"19:{r.ReadUInt32():x}",
            SignatureTypeCode.Int64 => $"20:{(ulong)r.ReadInt64():x}",
            SignatureTypeCode.UInt64 => $"21:{r.ReadUInt64():x}",
            SignatureTypeCode.Single => $"4:{BitConverter.SingleToUInt32Bits(r.ReadSingle()):x}",
            SignatureTypeCode.Double => $"5:{BitConverter.DoubleToUInt64Bits(r.ReadDouble()):x}",
            SignatureTypeCode.Object => "3:0",
            SignatureTypeCode.String when r.RemainingBytes == 1 => "3:0",
            SignatureTypeCode.String => $"string {Hex(Encoding.Unicode.GetBytes(r.ReadUTF16(r.RemainingBytes)))}",
            _ => "!bad",
        };
        if (code is >= 2 and <= 0xb && r.RemainingBytes > 0)
        {
            int at = r.Offset;
            r.ReadTypeHandle();
            return $"{type}11{Hex(all[at..r.Offset])} {value}";
        }
        return $"{type}{code:x2} {value}";
    }

    static void Scopes(MethodDefinitionHandle method)
    {
        var handles = md.GetLocalScopes(method).ToArray();
        foreach (var h in handles)
        {
            var s = md.GetLocalScope(h);
            L($" scope {s.StartOffset} {s.EndOffset} {MetadataTokens.GetRowNumber(s.ImportScope)}");
            foreach (var v in s.GetLocalVariables().Select(md.GetLocalVariable))
                L($"  local {v.Index} {(int)v.Attributes} {md.GetString(v.Name)}");
            foreach (var c in s.GetLocalConstants().Select(md.GetLocalConstant))
                L($"  constant {md.GetString(c.Name)} {Hex(md.GetBlobBytes(c.Signature))} {Constant(c.Signature)}");
        }
        // Which scope lies in which: the reader's own nesting.
        for (int i = 0; i < handles.Length; i++)
            for (var e = md.GetLocalScope(handles[i]).GetChildren(); e.MoveNext();)
                L($" child {i} {Array.IndexOf(handles, e.Current)}");
    }

    static void Method(MethodDebugInformationHandle h)
    {
        var m = md.GetMethodDebugInformation(h);
        var definition = h.ToDefinitionHandle();
        byte[] async = Custom(definition, Async);
        var kickoff = m.GetStateMachineKickoffMethod();
        if (m.SequencePointsBlob.IsNil && md.GetLocalScopes(definition).Count == 0 && kickoff.IsNil) return;
        L($"method {MetadataTokens.GetToken(definition):x8} {(m.LocalSignature.IsNil ? 0 : MetadataTokens.GetToken(m.LocalSignature)):x8} {(kickoff.IsNil ? 0 : MetadataTokens.GetToken(kickoff)):x8}");
        foreach (var p in m.GetSequencePoints())
            L(p.IsHidden ? $" hidden {p.Offset} {MetadataTokens.GetRowNumber(p.Document)}"
                : $" point {p.Offset} {MetadataTokens.GetRowNumber(p.Document)} {p.StartLine}:{p.StartColumn} {p.EndLine}:{p.EndColumn}");
        Scopes(definition);
        byte[] hoisted = Custom(definition, Hoisted);
        if (async != null) Steps(async);
        for (int i = 0; hoisted != null && i < hoisted.Length; i += 8)
        {
            uint start = BitConverter.ToUInt32(hoisted, i);
            L($" hoisted {start} {start + BitConverter.ToUInt32(hoisted, i + 4)}");
        }
    }

    static void Steps(byte[] async)
    {
        var t = new StringBuilder($" async {(long)BitConverter.ToUInt32(async, 0) - 1}");
        var provider = ImmutableArray.Create(async);
        unsafe
        {
            fixed (byte* p = async)
            {
                var r = new BlobReader(p + 4, async.Length - 4);
                while (r.RemainingBytes > 0)
                    t.Append($" {r.ReadUInt32()}>{r.ReadUInt32()}@{0x06000000 | r.ReadCompressedInteger():x8}");
            }
        }
        L(t.ToString());
    }

    static void One(string path)
    {
        L("== symbols " + path);
        using var stream = File.OpenRead(path);
        MetadataReaderProvider provider;
        if (path.EndsWith(".pdb"))
            provider = MetadataReaderProvider.FromPortablePdbStream(stream);
        else
        {
            var pe = new PEReader(stream);
            var entry = pe.ReadDebugDirectory().First(e => e.Type == DebugDirectoryEntryType.EmbeddedPortablePdb);
            provider = pe.ReadEmbeddedPortablePdbDebugDirectoryData(entry);
        }
        md = provider.GetMetadataReader();
        L($"entry {(md.DebugMetadataHeader.EntryPoint.IsNil ? 0 : MetadataTokens.GetToken(md.DebugMetadataHeader.EntryPoint)):x8}");
        Documents();
        Imports();
        foreach (var h in md.MethodDebugInformation) Method(h);
    }

    static int Main()
    {
        o = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 1 << 16);
        for (string line; (line = Console.In.ReadLine()) != null;) One(line);
        o.Flush();
        return 0;
    }
}
