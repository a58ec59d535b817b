# SPDX-License-Identifier: MIT
# libdbgshim.so: the entry points that existing adapters load.
