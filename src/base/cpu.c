/* Probing the processor. */
#include "base/cpu.h"

cpu_isa cpu_level(void) { return CPU_SCALAR; }
bool cpu_has(cpu_isa isa) { return isa == CPU_SCALAR; }
