/*
 * page_pool -- big pages for memtables. Private to lsm/; made through lsm/memtable.h.
 *
 * Threads: any (internally locked).
 */
#ifndef VARVE_LSM_PAGE_POOL_H
#define VARVE_LSM_PAGE_POOL_H

#include "base/env.h"

#include "lsm/memtable.h"

size_t lsm_page_size(const struct lsm_page_pool *p);
/* An uninitialised page, or NULL. */
void *lsm_page_take(struct lsm_page_pool *p);
void lsm_page_give(struct lsm_page_pool *p, void *page);

#endif
