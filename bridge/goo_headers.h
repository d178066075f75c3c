/* What the Zig package translates: every public header that survives a translator. */
#include "goo/goo.h"
#include "goo_memory.h"
