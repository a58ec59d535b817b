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
