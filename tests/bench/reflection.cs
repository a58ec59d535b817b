// SPDX-License-Identifier: MIT
// bench-metadata's other side: the same work by System.Reflection.Metadata. Reads "open PATH" and
// "walk PATH" from standard input, does it and writes the nanoseconds that it took. The file is read
// into memory, as cordbg reads it; the code is compiled after the first rounds.
using System;
using System.Collections.Immutable;
using System.Diagnostics;
using System.IO;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;

static class Reflection {
  // Signatures as text, by the library's own decoder.
  sealed class Names : ISignatureTypeProvider<string, object> {
    public string GetArrayType(string element, ArrayShape shape) => element + "[,]";
    public string GetByReferenceType(string element) => element + "&";
    public string GetFunctionPointerType(MethodSignature<string> signature) => "method*";
    public string GetGenericInstantiation(string type, ImmutableArray<string> arguments) =>
        type + "<" + string.Join(",", arguments) + ">";
    public string GetGenericMethodParameter(object context, int index) => "!!" + index;
    public string GetGenericTypeParameter(object context, int index) => "!" + index;
    public string GetModifiedType(string modifier, string type, bool required) => type + " mod";
    public string GetPinnedType(string element) => element + " pinned";
    public string GetPointerType(string element) => element + "*";
    public string GetPrimitiveType(PrimitiveTypeCode code) => code.ToString();
    public string GetSZArrayType(string element) => element + "[]";
    public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte kind) {
      TypeDefinition type = reader.GetTypeDefinition(handle);
      string name = reader.GetString(type.Name), space = reader.GetString(type.Namespace);
      TypeDefinitionHandle outer = type.GetDeclaringType();
      if (!outer.IsNil) return GetTypeFromDefinition(reader, outer, 0) + "+" + name;
      return space.Length > 0 ? space + "." + name : name;
    }
    public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte kind) {
      TypeReference type = reader.GetTypeReference(handle);
      return reader.GetString(type.Namespace) + "." + reader.GetString(type.Name);
    }
    public string GetTypeFromSpecification(MetadataReader reader, object context,
                                           TypeSpecificationHandle handle, byte kind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, context);
  }

  static bool Open(string path) {
    using var pe = new PEReader(File.OpenRead(path), PEStreamOptions.PrefetchMetadata);
    MetadataReader md = pe.GetMetadataReader();
    foreach (TypeDefinitionHandle handle in md.TypeDefinitions) {
      TypeDefinition type = md.GetTypeDefinition(handle);
      if (!md.StringComparer.Equals(type.Name, "String") || !md.StringComparer.Equals(type.Namespace, "System"))
        continue;
      foreach (MethodDefinitionHandle method in type.GetMethods())
        if (md.StringComparer.Equals(md.GetMethodDefinition(method).Name, "Substring"))
          return true;
    }
    return false;
  }

  static bool Walk(MetadataReader md) {
    var names = new Names();
    var text = new StringBuilder();
    int methods = 0;
    foreach (MethodDefinitionHandle handle in md.MethodDefinitions) {
      MethodDefinition method = md.GetMethodDefinition(handle);
      MethodSignature<string> signature = method.DecodeSignature(names, null);
      text.Clear();
      text.Append(signature.ReturnType).Append(' ').Append(md.GetString(method.Name)).Append('(');
      foreach (string parameter in signature.ParameterTypes) text.Append(parameter).Append(',');
      methods++;
    }
    return methods > 1000;
  }

  static int Main() {
    for (string line; (line = Console.ReadLine()) != null;) {
      string path = line.Substring(5);
      bool good;
      long took;
      if (line.StartsWith("open ")) {
        long begin = Stopwatch.GetTimestamp();
        good = Open(path);
        took = Stopwatch.GetTimestamp() - begin;
      } else {
        using var pe = new PEReader(File.OpenRead(path), PEStreamOptions.PrefetchMetadata);
        MetadataReader md = pe.GetMetadataReader();
        long begin = Stopwatch.GetTimestamp();
        good = Walk(md);
        took = Stopwatch.GetTimestamp() - begin;
      }
      Console.WriteLine(good ? took * (1000000000L / Stopwatch.Frequency) : -1);
      Console.Out.Flush();
    }
    return 0;
  }
}
