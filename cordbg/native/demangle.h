/* SPDX-License-Identifier: MIT */
/* C++ names as they were written. Private to the native room. */
#ifndef CORDBG_NATIVE_DEMANGLE_H
#define CORDBG_NATIVE_DEMANGLE_H

/* "ns::f(int)" for "_ZN2ns1fEi", g_malloc'ed; NULL: it is no such name, or not to be had. */
char *cordbg_demangle(const char *name);

#endif
