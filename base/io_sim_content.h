/*
 * io_sim_content -- what a simulated file and a simulated directory hold, shared by copy on write.
 *
 * A crash state differs from the disk it was cut from in a few sectors and a few names. So contents
 * and name tables are counted references to structures that are never changed while shared: a
 * writer passes the address of its reference and gets one of its own where needed. Copying a disk
 * costs a reference a file; hashing one, only what is new.
 *
 *   1. What is shared (refs > 1) is not written to, pages and hashes' caches apart.
 *   2. Bytes of a content beyond its size read as zeros, unless it is ragged: then they are data
 *      whose size was lost, and show again if the size comes back.
 *
 * Threads: one. Private to base/io_sim*.
 */
#ifndef VARVE_BASE_IO_SIM_CONTENT_H
#define VARVE_BASE_IO_SIM_CONTENT_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_SECTOR = 512,
    SIM_PAGE = 4096,
};
/* Larger files are refused with EFBIG. */
#define SIM_FILE_MAX (UINT64_C(16) << 30)

/* ---- Memory: never NULL, the process ends instead (io_sim.h) --------------------------------- */

void *sim_take(size_t size); /* Zeroed. */
void sim_give(void *p, size_t size);
/* Room for count + 1 elements of size in an array of *capacity. */
void *sim_room(void *list, size_t *capacity, size_t count, size_t size);

/* ---- File contents ------------------------------------------------------------------------ */

struct sim_page {
    uint32_t refs;
    bool is_hashed;
    uint64_t hash;
    uint8_t data[SIM_PAGE];
};

struct sim_content {
    uint32_t refs;
    bool is_hashed;
    bool is_ragged; /* May have data beyond size. */
    uint64_t size;
    uint64_t hash;
    size_t page_count;
    struct sim_page **pages; /* NULL is a page of zeros. */
};

struct sim_content *sim_content_create(void);
struct sim_content *sim_content_ref(struct sim_content *c);
void sim_content_unref(struct sim_content *c);
/* Raw: up to and beyond the size. */
void sim_content_read(const struct sim_content *c, uint64_t offset, void *data, size_t size);
/* Does not change the size. */
void sim_content_write(struct sim_content **c, uint64_t offset, const void *data, size_t size);
/* Make the file at least size long. */
void sim_content_grow(struct sim_content **c, uint64_t size);
/* Make the file size long and drop what lies beyond. */
void sim_content_cut(struct sim_content **c, uint64_t size);
/* Of size and bytes. Requires: not ragged. */
uint64_t sim_content_hash(struct sim_content *c);

/* ---- Blobs: the bytes of one write, kept for as long as anybody needs them ------------------ */

struct sim_blob {
    uint32_t refs;
    size_t size;
    uint8_t data[];
};
struct sim_blob *sim_blob_create(struct bytes bytes); /* Copied. */
struct sim_blob *sim_blob_ref(struct sim_blob *b);
void sim_blob_unref(struct sim_blob *b); /* Takes NULL. */

/* ---- Names and tables of them -------------------------------------------------------------- */

struct sim_name {
    uint32_t refs;
    uint32_t size;
    char text[]; /* Terminated. */
};
struct sim_name *sim_name_create(struct bytes text); /* Copied. */
struct sim_name *sim_name_ref(struct sim_name *n);
void sim_name_unref(struct sim_name *n); /* Takes NULL. */

struct sim_entry {
    struct sim_name *name;
    uint64_t number;
};
struct sim_names {
    uint32_t refs;
    size_t count;
    size_t capacity;
    struct sim_entry *list; /* Sorted by name. */
};
struct sim_names *sim_names_create(void);
struct sim_names *sim_names_ref(struct sim_names *t);
void sim_names_unref(struct sim_names *t);
/* 0 if it is not there. */
uint64_t sim_names_find(const struct sim_names *t, struct bytes name);
/* Point name to number, whether or not it is there. */
void sim_names_set(struct sim_names **t, struct sim_name *name, uint64_t number);
/* Nothing happens if it is not there. */
void sim_names_remove(struct sim_names **t, const struct sim_name *name);

#endif
