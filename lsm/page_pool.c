/*
 * page_pool -- the big pages that memtables are made of, kept from one to the next: a fresh page
 * costs a fault for each 4 KiB of it, a kept one nothing.
 */
#include "lsm/page_pool.h"

#include "base/budget.h"
#include "base/check.h"
#include "base/thread.h"

struct page {
    struct page *next;
};

struct lsm_page_pool {
    const struct env *env;
    size_t page_size;
    size_t keep_max;
    struct mutex lock;
    struct page *free; /* lock */
    size_t free_count; /* lock */
    size_t out_count;  /* lock */
};

struct status lsm_page_pool_create(const struct env *env, size_t page_size, size_t keep_max,
                                   struct lsm_page_pool **out_pool)
{
    struct lsm_page_pool *p = alloc_zeroed(env->alloc, sizeof *p);
    if (p == NULL)
        return status_of(ST_NO_MEMORY);
    p->env = env;
    p->page_size = page_size;
    p->keep_max = keep_max;
    mutex_init(&p->lock, RANK_CACHE);
    *out_pool = p;
    return status_ok();
}

static void free_page(struct lsm_page_pool *p, struct page *page)
{
    alloc_free(p->env->alloc, page, p->page_size);
    budget_refund(p->env->budget, BUDGET_MEMTABLE, p->page_size);
}

void lsm_page_pool_destroy(struct lsm_page_pool *p)
{
    if (p == NULL)
        return;
    CHECK(p->out_count == 0);
    while (p->free != NULL) {
        struct page *next = p->free->next;
        free_page(p, p->free);
        p->free = next;
    }
    mutex_deinit(&p->lock);
    alloc_free(p->env->alloc, p, sizeof *p);
}

size_t lsm_page_size(const struct lsm_page_pool *p)
{
    return p->page_size;
}

void *lsm_page_take(struct lsm_page_pool *p)
{
    mutex_lock(&p->lock);
    struct page *page = p->free;
    if (page != NULL) {
        p->free = page->next;
        p->free_count--;
    }
    p->out_count++;
    mutex_unlock(&p->lock);
    if (page != NULL)
        return page;
    page = alloc_aligned(p->env->alloc, 4096, p->page_size);
    if (page != NULL) {
        budget_force(p->env->budget, BUDGET_MEMTABLE, p->page_size);
        return page;
    }
    mutex_lock(&p->lock);
    p->out_count--;
    mutex_unlock(&p->lock);
    return NULL;
}

void lsm_page_give(struct lsm_page_pool *p, void *memory)
{
    struct page *page = memory;
    mutex_lock(&p->lock);
    p->out_count--;
    bool is_kept = p->free_count < p->keep_max;
    if (is_kept) {
        page->next = p->free;
        p->free = page;
        p->free_count++;
    }
    mutex_unlock(&p->lock);
    if (!is_kept)
        free_page(p, page);
}
