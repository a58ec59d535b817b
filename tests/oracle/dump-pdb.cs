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

    static void Scopes(MethodDefinitionHandle method)
    {
        var handles = md.GetLocalScopes(method).ToArray();
        foreach (var h in handles)
        {
            var s = md.GetLocalScope(h);
            L($" scope {s.StartOffset} {s.EndOffset}");
            foreach (var v in s.GetLocalVariables().Select(md.GetLocalVariable))
                L($"  local {v.Index} {(int)v.Attributes} {md.GetString(v.Name)}");
            foreach (var c in s.GetLocalConstants().Select(md.GetLocalConstant))
                L($"  constant {md.GetString(c.Name)} {Hex(md.GetBlobBytes(c.Signature))}");
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
        if (async == null) return;
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
