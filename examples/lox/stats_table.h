/* stats_table.h: what the collector did, as a table for people. */
#ifndef LOX_STATS_TABLE_H
#define LOX_STATS_TABLE_H

#include <stdio.h>

#include "goo/gc.h"

void stats_table_print(const GooGcHeap *heap, FILE *out);

#endif
