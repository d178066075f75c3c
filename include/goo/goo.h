/* All of Goo in one include, but for three headers that a program asks for by name: goo_memory.h
 * (the legacy API), goo/scope_macros.h (needs compiler extensions) and the inline forms.
 *
 *     #include <goo/goo.h>
 */
#ifndef GOO_GOO_H
#define GOO_GOO_H

#include "goo/allocators.h"
#include "goo/bridge.h"
#include "goo/core/types.h"
#include "goo/gc.h"
#include "goo/gc/inspect.h"
#include "goo/gc/intern.h"
#include "goo/gc/weak.h"
#include "goo/runtime/buffer.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/context.h"
#include "goo/runtime/features.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"

#endif
