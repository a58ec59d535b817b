// SPDX-License-Identifier: MIT
// Dumps everything that System.Reflection.Metadata says of the assemblies named on standard input,
// one path a line, in the text that compare.c makes of cordbg's own reading. Nothing here is shared
// with cordbg: agreement of the two is the test.
using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text;

sealed class Names : ISignatureTypeProvider<string, object>, ICustomAttributeTypeProvider<string>
{
    readonly MetadataReader md;
    readonly Dictionary<string, TypeDefinitionHandle> byName = new();
    readonly Dictionary<TypeDefinitionHandle, string> defNames = new();
    readonly Dictionary<TypeReferenceHandle, string> refNames = new();

    public Names(MetadataReader reader)
    {
        md = reader;
        foreach (var h in md.TypeDefinitions)
            byName.TryAdd(GetTypeFromDefinition(md, h, 0), h);
    }

    static string Join(string ns, string name) => ns.Length > 0 ? ns + "." + name : name;

    public string GetTypeFromDefinition(MetadataReader r, TypeDefinitionHandle h, byte kind)
    {
        if (defNames.TryGetValue(h, out var known)) return known;
        var t = r.GetTypeDefinition(h);
        var own = Join(r.GetString(t.Namespace), r.GetString(t.Name));
        var outer = t.GetDeclaringType();
        return defNames[h] = outer.IsNil ? own : GetTypeFromDefinition(r, outer, 0) + "+" + own;
    }

    public string GetTypeFromReference(MetadataReader r, TypeReferenceHandle h, byte kind)
    {
        if (refNames.TryGetValue(h, out var known)) return known;
        var t = r.GetTypeReference(h);
        var own = Join(r.GetString(t.Namespace), r.GetString(t.Name));
        var scope = t.ResolutionScope;
        return refNames[h] = scope.Kind == HandleKind.TypeReference && !scope.IsNil
            ? GetTypeFromReference(r, (TypeReferenceHandle)scope, 0) + "+" + own : own;
    }

    public string GetTypeFromSpecification(MetadataReader r, object c, TypeSpecificationHandle h, byte kind) =>
        r.GetTypeSpecification(h).DecodeSignature(this, null);

    public string GetPrimitiveType(PrimitiveTypeCode c) => c switch
    {
        PrimitiveTypeCode.Void => "void", PrimitiveTypeCode.Boolean => "bool", PrimitiveTypeCode.Char => "char",
        PrimitiveTypeCode.SByte => "int8", PrimitiveTypeCode.Byte => "uint8", PrimitiveTypeCode.Int16 => "int16",
        PrimitiveTypeCode.UInt16 => "uint16", PrimitiveTypeCode.Int32 => "int32", PrimitiveTypeCode.UInt32 => "uint32",
        PrimitiveTypeCode.Int64 => "int64", PrimitiveTypeCode.UInt64 => "uint64", PrimitiveTypeCode.Single => "float32",
        PrimitiveTypeCode.Double => "float64", PrimitiveTypeCode.String => "string", PrimitiveTypeCode.TypedReference => "typedref",
        PrimitiveTypeCode.IntPtr => "native int", PrimitiveTypeCode.UIntPtr => "native uint", PrimitiveTypeCode.Object => "object",
        _ => "?" + c
    };
    public string GetSZArrayType(string e) => e + "[]";
    public string GetByReferenceType(string e) => e + "&";
    public string GetPointerType(string e) => e + "*";
    public string GetPinnedType(string e) => e + " pinned";
    public string GetGenericTypeParameter(object c, int i) => "!" + i;
    public string GetGenericMethodParameter(object c, int i) => "!!" + i;
    public string GetGenericInstantiation(string g, ImmutableArray<string> a) => g + "<" + string.Join(",", a) + ">";
    public string GetModifiedType(string m, string t, bool req) => t + (req ? " modreq(" : " modopt(") + m + ")";
    public string GetFunctionPointerType(MethodSignature<string> s) => "method " + Method(s, "*");
    public string GetArrayType(string e, ArrayShape s)
    {
        var t = new StringBuilder(e).Append('[');
        if (s.Rank == 1 && s.Sizes.Length == 0 && s.LowerBounds.Length == 0) t.Append('*');
        for (int i = 0; i < s.Rank; i++)
        {
            if (i > 0) t.Append(',');
            if (i < s.LowerBounds.Length && s.LowerBounds[i] != 0) t.Append(s.LowerBounds[i]).Append("...");
            if (i < s.Sizes.Length) t.Append((uint)s.Sizes[i]);
        }
        return t.Append(']').ToString();
    }

    public string GetSystemType() => "System.Type";
    public bool IsSystemType(string t) => t == "System.Type";
    public string GetTypeFromSerializedName(string n) => n;
    public PrimitiveTypeCode GetUnderlyingEnumType(string t)
    {
        // An enumeration of another assembly: both sides take it for 32 bits.
        if (!byName.TryGetValue(t, out var h)) return PrimitiveTypeCode.Int32;
        foreach (var f in md.GetTypeDefinition(h).GetFields())
        {
            var field = md.GetFieldDefinition(f);
            if ((field.Attributes & FieldAttributes.Static) != 0) continue;
            var blob = md.GetBlobReader(field.Signature);
            blob.ReadByte();
            return (PrimitiveTypeCode)blob.ReadByte();
        }
        return PrimitiveTypeCode.Int32;
    }

    public string Method(MethodSignature<string> s, string name)
    {
        var t = new StringBuilder();
        byte raw = s.Header.RawValue;
        if ((raw & 0x20) != 0) t.Append("instance ");
        if ((raw & 0x40) != 0) t.Append("explicit ");
        t.Append((raw & 15) switch { 1 => "cdecl ", 2 => "stdcall ", 3 => "thiscall ", 4 => "fastcall ", 5 => "vararg ", 9 => "unmanaged ", _ => "" });
        t.Append(s.ReturnType);
        if (name != null) t.Append(' ').Append(name);
        if (s.GenericParameterCount > 0) t.Append('<').Append(s.GenericParameterCount).Append('>');
        t.Append('(');
        for (int i = 0; i < s.ParameterTypes.Length; i++)
        {
            if (i > 0) t.Append(',');
            if (i == s.RequiredParameterCount) t.Append("...,");
            t.Append(s.ParameterTypes[i]);
        }
        return t.Append(')').ToString();
    }
}

static class Dump
{
    static StreamWriter o;
    static MetadataReader md;
    static PEReader pe;
    static Names names;

    static uint T(EntityHandle h) => h.IsNil ? 0 : (uint)MetadataTokens.GetToken(h);
    static string S(StringHandle h) => md.GetString(h);
    static string Hex(BlobHandle h) => h.IsNil ? "" : Convert.ToHexString(md.GetBlobBytes(h)).ToLowerInvariant();
    static ulong Fnv(ImmutableArray<byte> bytes)
    {
        ulong h = 14695981039346656037;
        foreach (byte b in bytes) h = (h ^ b) * 1099511628211;
        return h;
    }
    static ulong Fnv(string text)
    {
        ulong h = 14695981039346656037;
        foreach (char c in text)
        {
            h = (h ^ (byte)c) * 1099511628211;
            h = (h ^ (byte)(c >> 8)) * 1099511628211;
        }
        return h;
    }
    static string Try(Func<string> f)
    {
        try { return f(); }
        catch (BadImageFormatException) { return "!bad"; }
    }
    static void L(string s) { o.Write(s); o.Write('\n'); }

    static void Quote(StringBuilder t, string s)
    {
        t.Append('"');
        foreach (char c in s)
        {
            if (c == '"' || c == '\\') t.Append('\\');
            if (c < 0x20) t.Append($"\\x{(int)c:x2}"); else t.Append(c);
        }
        t.Append('"');
    }

    static void Value(StringBuilder t, string type, object value)
    {
        if (value is ImmutableArray<CustomAttributeTypedArgument<string>> a)
        {
            t.Append('[');
            for (int i = 0; i < a.Length; i++)
            {
                if (i > 0) t.Append(", ");
                Value(t, a[i].Type, a[i].Value);
            }
            t.Append(']');
            return;
        }
        switch (value)
        {
            case null: t.Append(type.EndsWith("[]") ? "null[]" : "null"); break;
            case bool b: t.Append(b ? "true" : "false"); break;
            case char c: t.Append($"'\\u{(int)c:x4}'"); break;
            case float f: t.Append($"float32(0x{BitConverter.SingleToUInt32Bits(f):x8})"); break;
            case double d: t.Append($"float64(0x{BitConverter.DoubleToUInt64Bits(d):x16})"); break;
            case string s when type == "System.Type": t.Append("typeof("); Quote(t, s); t.Append(')'); break;
            case string s: Quote(t, s); break;
            default: t.Append(value); break;
        }
    }

    static string Attribute(CustomAttribute a)
    {
        var v = a.DecodeValue(names);
        var t = new StringBuilder("(");
        bool first = true;
        foreach (var f in v.FixedArguments)
        {
            if (!first) t.Append(", ");
            first = false;
            Value(t, f.Type, f.Value);
        }
        foreach (var n in v.NamedArguments)
        {
            if (!first) t.Append(", ");
            first = false;
            t.Append(n.Name).Append(" = ");
            Value(t, n.Type, n.Value);
        }
        return t.Append(')').ToString();
    }

    static string Tokens(IEnumerable<EntityHandle> handles) => string.Join(",", handles.Select(h => T(h).ToString("x8")));

    static string Constant(ConstantHandle h)
    {
        if (h.IsNil) return "-";
        var c = md.GetConstant(h);
        return $"{(int)c.TypeCode:x}:{Hex(c.Value)}";
    }

    static string Generics(GenericParameterHandleCollection handles)
    {
        var t = new StringBuilder();
        foreach (var h in handles)
        {
            var g = md.GetGenericParameter(h);
            t.Append($" {g.Index}:{S(g.Name)}:{(int)g.Attributes:x}");
            foreach (var c in g.GetConstraints())
                t.Append($"/{T(md.GetGenericParameterConstraint(c).Type):x8}");
        }
        return t.ToString();
    }

    static string Security(DeclarativeSecurityAttributeHandleCollection handles)
    {
        var t = new StringBuilder();
        foreach (var h in handles)
        {
            var d = md.GetDeclarativeSecurityAttribute(h);
            t.Append($" {(int)d.Action}:{Hex(d.PermissionSet)}");
        }
        return t.ToString();
    }

    static void Manifest()
    {
        var m = md.GetModuleDefinition();
        L($"module {S(m.Name)} {md.GetGuid(m.Mvid):n} {m.Generation} {md.MetadataVersion}");
        if (md.IsAssembly)
        {
            var a = md.GetAssemblyDefinition();
            L($"assembly {S(a.Name)} {a.Version} {S(a.Culture)} {(uint)a.Flags:x} {(uint)a.HashAlgorithm:x} {Hex(a.PublicKey)}{Security(a.GetDeclarativeSecurityAttributes())}");
        }
        foreach (var h in md.AssemblyReferences)
        {
            var a = md.GetAssemblyReference(h);
            L($"assemblyref {S(a.Name)} {a.Version} {S(a.Culture)} {(uint)a.Flags:x} {Hex(a.PublicKeyOrToken)} {Hex(a.HashValue)}");
        }
        for (int i = 1; i <= md.GetTableRowCount(TableIndex.ModuleRef); i++)
            L($"moduleref {S(md.GetModuleReference(MetadataTokens.ModuleReferenceHandle(i)).Name)}");
        foreach (var h in md.AssemblyFiles)
        {
            var f = md.GetAssemblyFile(h);
            L($"file {S(f.Name)} {f.ContainsMetadata} {Hex(f.HashValue)}");
        }
        foreach (var h in md.ExportedTypes)
        {
            var e = md.GetExportedType(h);
            L($"exported {S(e.Namespace)} {S(e.Name)} {(uint)e.Attributes:x} {T(e.Implementation):x8}");
        }
        foreach (var h in md.ManifestResources)
        {
            var r = md.GetManifestResource(h);
            string content = "-";
            if (r.Implementation.IsNil)
            {
                var section = pe.GetSectionData(pe.PEHeaders.CorHeader.ResourcesDirectory.RelativeVirtualAddress);
                var reader = section.GetReader((int)r.Offset, section.Length - (int)r.Offset);
                int size = reader.ReadInt32();
                content = $"{size}:{Fnv(reader.ReadBytes(size).ToImmutableArray()):x}";
            }
            L($"resource {S(r.Name)} {r.Offset} {(uint)r.Attributes:x} {T(r.Implementation):x8} {content}");
        }
    }

    static void References()
    {
        foreach (var h in md.TypeReferences)
        {
            var t = md.GetTypeReference(h);
            L($"typeref {T(h):x8} {T(t.ResolutionScope):x8} {S(t.Namespace)} {S(t.Name)}");
        }
        foreach (var h in md.MemberReferences)
        {
            var m = md.GetMemberReference(h);
            string sig = Try(() => m.GetKind() == MemberReferenceKind.Method ? names.Method(m.DecodeMethodSignature(names, null), null)
                : m.DecodeFieldSignature(names, null));
            L($"memberref {T(h):x8} {T(m.Parent):x8} {S(m.Name)} {sig}");
        }
        for (int i = 1; i <= md.GetTableRowCount(TableIndex.TypeSpec); i++)
            L($"typespec {i} " + Try(() => md.GetTypeSpecification(MetadataTokens.TypeSpecificationHandle(i)).DecodeSignature(names, null)));
        for (int i = 1; i <= md.GetTableRowCount(TableIndex.MethodSpec); i++)
        {
            var m = md.GetMethodSpecification(MetadataTokens.MethodSpecificationHandle(i));
            L($"methodspec {i} {T(m.Method):x8} " + Try(() => "<" + string.Join(",", m.DecodeSignature(names, null)) + ">"));
        }
        for (int i = 1; i <= md.GetTableRowCount(TableIndex.StandAloneSig); i++)
        {
            var s = md.GetStandaloneSignature(MetadataTokens.StandaloneSignatureHandle(i));
            // Compilers also keep field signatures of constants here, which this reader refuses.
            byte first = md.GetBlobReader(s.Signature).ReadByte();
            if ((first & 15) == 6) continue;
            L($"sig {i} " + Try(() => s.GetKind() == StandaloneSignatureKind.LocalVariables
                ? "(" + string.Join(",", s.DecodeLocalSignature(names, null)) + ")" : names.Method(s.DecodeMethodSignature(names, null), null)));
        }
    }

    static void Type(TypeDefinitionHandle h)
    {
        var t = md.GetTypeDefinition(h);
        var layout = t.GetLayout();
        L($"type {T(h):x8} {S(t.Namespace)} {S(t.Name)} {(uint)t.Attributes:x} {(t.BaseType.IsNil ? 0 : T(t.BaseType)):x8} {(t.GetDeclaringType().IsNil ? 0 : T(t.GetDeclaringType())):x8} {layout.PackingSize} {layout.Size}{Security(t.GetDeclarativeSecurityAttributes())}");
        L(" implements " + string.Join(",", t.GetInterfaceImplementations().Select(i => T(md.GetInterfaceImplementation(i).Interface).ToString("x8"))));
        foreach (var i in t.GetMethodImplementations())
        {
            var m = md.GetMethodImplementation(i);
            L($" override {T(m.MethodBody):x8} {T(m.MethodDeclaration):x8}");
        }
        L(" generic" + Generics(t.GetGenericParameters()));
        foreach (var f in t.GetFields()) Field(f);
        foreach (var m in t.GetMethods()) Method(m);
        foreach (var p in t.GetProperties())
        {
            var d = md.GetPropertyDefinition(p);
            var a = d.GetAccessors();
            L($" property {T(p):x8} {S(d.Name)} {(int)d.Attributes:x} " + Try(() => names.Method(d.DecodeSignature(names, null), null))
                + $" {(a.Getter.IsNil ? 0 : T(a.Getter)):x8} {(a.Setter.IsNil ? 0 : T(a.Setter)):x8} [{Tokens(a.Others.Select(x => (EntityHandle)x))}] {Constant(d.GetDefaultValue())}");
        }
        foreach (var e in t.GetEvents())
        {
            var d = md.GetEventDefinition(e);
            var a = d.GetAccessors();
            L($" event {T(e):x8} {S(d.Name)} {(int)d.Attributes:x} {T(d.Type):x8} {(a.Adder.IsNil ? 0 : T(a.Adder)):x8} {(a.Remover.IsNil ? 0 : T(a.Remover)):x8} {(a.Raiser.IsNil ? 0 : T(a.Raiser)):x8} [{Tokens(a.Others.Select(x => (EntityHandle)x))}]");
        }
    }

    static void Field(FieldDefinitionHandle h)
    {
        var f = md.GetFieldDefinition(h);
        L($" field {T(h):x8} {S(f.Name)} {(int)f.Attributes:x} " + Try(() => f.DecodeSignature(names, null))
            + $" {f.GetOffset()} {f.GetRelativeVirtualAddress():x} {Hex(f.GetMarshallingDescriptor())} {Constant(f.GetDefaultValue())}");
    }

    static void Method(MethodDefinitionHandle h)
    {
        var m = md.GetMethodDefinition(h);
        L($" method {T(h):x8} {S(m.Name)} {(int)m.Attributes:x} {(int)m.ImplAttributes:x} {m.RelativeVirtualAddress:x} " + Try(() => names.Method(m.DecodeSignature(names, null), null))
            + Generics(m.GetGenericParameters()) + Security(m.GetDeclarativeSecurityAttributes()));
        foreach (var p in m.GetParameters())
        {
            var d = md.GetParameter(p);
            L($"  param {T(p):x8} {d.SequenceNumber} {S(d.Name)} {(int)d.Attributes:x} {Hex(d.GetMarshallingDescriptor())} {Constant(d.GetDefaultValue())}");
        }
        var import = m.GetImport();
        if (!import.Module.IsNil)
            L($"  import {S(import.Name)} {T(import.Module):x8} {(int)import.Attributes:x}");
        if (m.RelativeVirtualAddress == 0 || ((int)m.ImplAttributes & 3) != 0) return;
        MethodBodyBlock body;
        try { body = pe.GetMethodBody(m.RelativeVirtualAddress); }
        catch (BadImageFormatException) { L("  body !bad"); return; }
        var il = body.GetILContent();
        L($"  body {il.Length} {Fnv(il):x} {body.MaxStack} {(body.LocalVariablesInitialized ? 1 : 0)} {(body.LocalSignature.IsNil ? 0 : T(body.LocalSignature)):x8}");
        foreach (var r in body.ExceptionRegions)
        {
            uint last = r.Kind == ExceptionRegionKind.Catch ? (r.CatchType.IsNil ? 0 : T(r.CatchType)) : r.Kind == ExceptionRegionKind.Filter ? (uint)r.FilterOffset : 0;
            L($"  clause {(int)r.Kind} {r.TryOffset} {r.TryLength} {r.HandlerOffset} {r.HandlerLength} {last:x}");
        }
    }

    static void One(string path)
    {
        L("== " + path);
        using var stream = File.OpenRead(path);
        pe = new PEReader(stream, PEStreamOptions.PrefetchEntireImage);
        try { if (!pe.HasMetadata) { L("native"); return; } } catch (BadImageFormatException) { L("native"); return; }
        md = pe.GetMetadataReader(MetadataReaderOptions.None);
        names = new Names(md);
        Manifest();
        References();
        foreach (var h in md.TypeDefinitions) Type(h);
        foreach (var h in md.CustomAttributes)
        {
            var a = md.GetCustomAttribute(h);
            L($"attribute {T(a.Parent):x8} {T(a.Constructor):x8} {Hex(a.Value)} " + Try(() => Attribute(a)));
        }
        for (var h = MetadataTokens.UserStringHandle(0); ;)
        {
            h = md.GetNextHandle(h);
            if (h.IsNil) break;
            // The padding at the heap's end reads as empty strings here.
            if (md.GetUserString(h).Length == 0) continue;
            L($"us {MetadataTokens.GetHeapOffset(h):x} {Fnv(md.GetUserString(h)):x}");
        }
        L($"counts {md.GetTableRowCount(TableIndex.TypeDef)} {md.GetTableRowCount(TableIndex.MethodDef)} {md.GetTableRowCount(TableIndex.Field)}");
    }

    static int Main()
    {
        o = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 1 << 16) { AutoFlush = false };
        for (string line; (line = Console.In.ReadLine()) != null;)
            try { One(line); }
            catch (Exception e) when (e is not IOException) { L("!! " + e.GetType().Name + " " + e.Message); }
        o.Flush();
        return 0;
    }
}
