/* What goo_bridge_layout knows: sizes, offsets and constants as this compiler sees them.
 *
 * A line for each struct, member and enumeration constant of goo/goo.h, which layout_facts.py finds
 * when the library is built. The Zig package walks the headers as Zig's translator sees them and
 * demands that each is here with the same value, and that nothing else is.
 *
 * Threads: any; constant data.
 */
#include "goo/goo.h"

#include <errno.h>
#include <string.h>

typedef struct LayoutFact {
    const char *name;
    size_t value;
} LayoutFact;

#define LAYOUT_SIZE(type)                                                                          \
    { "sizeof " #type, sizeof(type) }
#define LAYOUT_OFFSET(type, member)                                                                \
    { "offsetof " #type "." #member, offsetof(type, member) }
#define LAYOUT_VALUE(constant)                                                                     \
    { #constant, (size_t)(constant) }

static const LayoutFact layout_facts[] = {
#include "layout_facts.h"
};

enum { LAYOUT_COUNT = (int)(sizeof layout_facts / sizeof layout_facts[0]) };

size_t goo_bridge_layout(const char *name) {
    for (size_t i = 0; name != NULL && i < LAYOUT_COUNT; i++) {
        if (strcmp(layout_facts[i].name, name) == 0) {
            return layout_facts[i].value;
        }
    }
    errno = EINVAL;
    return PTRDIFF_MAX;
}

const char *goo_bridge_layout_name(size_t index) {
    return index < LAYOUT_COUNT ? layout_facts[index].name : NULL;
}
