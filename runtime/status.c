/* Status codes in words, for messages of the programs that embed the library.
 *
 * Threads: any; no state.
 */
#include "goo/core/types.h"

const char *goo_status_message(GooStatus status) {
    switch (status) {
    case GOO_OK:
        return "ok";
    case GOO_ERR_NO_MEMORY:
        return "out of memory";
    case GOO_ERR_INVALID_ARGUMENT:
        return "invalid argument";
    case GOO_ERR_LIMIT:
        return "a limit was reached";
    case GOO_ERR_UNSUPPORTED:
        return "not supported by this build or version";
    case GOO_ERR_BUSY:
        return "in use";
    case GOO_ERR_IO:
        return "input or output failed";
    case GOO_ERR_CORRUPT:
        return "corrupt data";
    }
    return "unknown status";
}
