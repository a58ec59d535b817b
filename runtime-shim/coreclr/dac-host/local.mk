# SPDX-License-Identifier: MIT
# cordbg-dac: the process that loads the runtime's own DAC library.
