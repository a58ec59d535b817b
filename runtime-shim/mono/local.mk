# SPDX-License-Identifier: MIT
# The Mono shim: the client's side, and the agent, which is loaded into the target and therefore
# takes neither the sanitizers nor the linker flags of the rest.

agent_LTLIBRARIES += runtime-shim/mono/agent/libmono-profiler-cordbg.la
runtime_shim_mono_agent_libmono_profiler_cordbg_la_SOURCES = \
  runtime-shim/mono/agent/agent.c \
  runtime-shim/mono/agent/block.h \
  runtime-shim/mono/agent/mono-api.h
runtime_shim_mono_agent_libmono_profiler_cordbg_la_CFLAGS = -std=gnu11 $(WARNING_CFLAGS) \
  -fvisibility=hidden -fno-stack-protector -fno-sanitize=all
runtime_shim_mono_agent_libmono_profiler_cordbg_la_LDFLAGS = -module -avoid-version -shared

noinst_LTLIBRARIES += runtime-shim/mono/libmono-shim.la
runtime_shim_mono_libmono_shim_la_SOURCES = \
  runtime-shim/mono/aot.c \
  runtime-shim/mono/code.c \
  runtime-shim/mono/detect.c \
  runtime-shim/mono/emitted.c \
  runtime-shim/mono/emitted.h \
  runtime-shim/mono/events.c \
  runtime-shim/mono/inject.c \
  runtime-shim/mono/launch.c \
  runtime-shim/mono/layout.c \
  runtime-shim/mono/methods.c \
  runtime-shim/mono/mono.c \
  runtime-shim/mono/mono.h \
  runtime-shim/mono/mono-private.h \
  runtime-shim/mono/publish.c \
  runtime-shim/mono/seq-points.c \
  runtime-shim/mono/stub.c \
  runtime-shim/mono/things.c \
  runtime-shim/mono/transitions.c \
  runtime-shim/mono/unwind.c \
  runtime-shim/mono/unwind-ops.c
runtime_shim_mono_libmono_shim_la_CPPFLAGS = $(AM_CPPFLAGS) -DCORDBG_PKGLIBEXECDIR='"$(pkglibexecdir)"'
runtime_shim_mono_libmono_shim_la_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
