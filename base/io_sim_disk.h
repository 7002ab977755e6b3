/*
 * io_sim_disk -- the simulated disk: what reads see, what a power cut leaves, and what lies
 * between.
 *
 * A disk changes by events only (io_sim.h), so a trace is enough to live through its life again.
 * It consists of nodes, files and directories, numbered for life. A node has a live content, a
 * durable content, and pending records in order of sequence; sync applies records to the durable
 * content and drops them.
 *
 *   1. Applying the same events to equal disks gives equal disks, sequence numbers included.
 *   2. A node's durable content and its pending records never name a node that is not there.
 *   3. A record becomes durable together with the earlier records of its node that the disk could
 *      not have kept apart from it: the same sector, the same name, a truncation below its end.
 *
 * Threads: one. Private to base/io_sim*.
 */
#ifndef VARVE_BASE_IO_SIM_DISK_H
#define VARVE_BASE_IO_SIM_DISK_H

#include "base/io_sim.h"
#include "base/io_sim_content.h"

enum { SIM_ROOT = 1, SIM_NAME_MAX = 255 };

enum sim_record_kind {
    /* Of a file. */
    SIM_SIZE, /* offset: the file is at least this long. */
    SIM_DATA, /* offset, size, blob from blob_at. */
    SIM_CUT,  /* offset: the file is this long. */
    /* Of a directory. */
    SIM_SET,    /* name -> number */
    SIM_REMOVE, /* name; only after the SIM_SET numbered needs in another directory, if not 0. */
    SIM_MOVE,   /* name goes, name_to -> number */
};

struct sim_record {
    enum sim_record_kind kind;
    bool is_marked;    /* Scratch: becomes durable now. */
    uint64_t sequence; /* Of the event that made it; a write's SIZE and DATA share it. */
    uint64_t done;     /* Sequence of its completion; 0: a write under way. */
    uint64_t offset;
    size_t size;
    size_t blob_at;
    struct sim_blob *blob;
    struct sim_name *name;
    struct sim_name *name_to;
    uint64_t number;
    uint64_t needs;
};

struct sim_node {
    uint64_t number;
    bool is_dir;
    uint32_t links; /* Live names. */
    uint32_t opens; /* Open handles; only the machine counts them. */
    /* Blocks are charged from the start of the file to here: the end of the highest byte ever
     * written or allocated, rounded up. */
    uint64_t charged_end;
    uint64_t allocated_end;   /* io_allocate's blocks: zeros until written, never garbage. */
    struct sim_content *live; /* File. */
    struct sim_content *durable;
    struct sim_names *names; /* Directory. */
    struct sim_names *durable_names;
    struct sim_record *pending;
    size_t pending_count;
    size_t pending_capacity;
};

struct sim_disk {
    struct sim_node **nodes; /* Sorted by number. */
    size_t node_count;
    size_t node_capacity;
    uint64_t next_number;
    uint64_t sequence; /* Of the last event. */
    uint64_t used_bytes;
};

struct sim_disk *sim_disk_create(void); /* A root directory. */
void sim_disk_destroy(struct sim_disk *d);
/* Everything, pending records too; contents are shared. */
struct sim_disk *sim_disk_clone(const struct sim_disk *d);
/* Without nodes, not even a root: for the maker of crash states. */
struct sim_disk *sim_disk_create_bare(void);

/*
 * Live through e: fills e->sequence and, of CREATE and MKDIR, e->file; of WRITING e->blob and
 * e->data (its own copy, borrowed from the disk). Returns 0, or an errno value and nothing changed.
 */
int sim_disk_apply(struct sim_disk *d, struct io_sim_event *e);

/* What a record of a directory does to its names, and one of a file to its content. */
void sim_names_apply(struct sim_names **names, const struct sim_record *r);
void sim_content_apply(struct sim_content **content, const struct sim_record *r);

/* The two halves of it (io_sim_file.c, io_sim_dir.c). */
int sim_file_apply(struct sim_disk *d, struct io_sim_event *e);
int sim_dir_apply(struct sim_disk *d, struct io_sim_event *e);

/* ---- Looking around -------------------------------------------------------------------------- */

/* NULL if there is none. */
struct sim_node *sim_disk_node(const struct sim_disk *d, uint64_t number);
struct sim_node *sim_node_add(struct sim_disk *d, uint64_t number, bool is_dir);
/* Without contents or names: for the maker of crash states. */
struct sim_node *sim_node_add_bare(struct sim_disk *d, uint64_t number, bool is_dir);
/* The node a path leads to. ENOENT, ENOTDIR, ENAMETOOLONG, EINVAL (".."). */
int sim_disk_find(const struct sim_disk *d, const char *path, struct sim_node **out_node);
/* The directory in which the last name of path is or would be, and that name, borrowed from path;
 * empty for the root. Errors as above. */
int sim_disk_find_parent(const struct sim_disk *d, const char *path, struct sim_node **out_dir,
                         struct bytes *out_name);
/* What a write or an allocation up to end would add to used_bytes. */
uint64_t sim_node_charge(const struct sim_node *n, uint64_t end);
/* Blocks beyond the last that end touches are no longer charged. */
void sim_node_uncharge(struct sim_disk *d, struct sim_node *n, uint64_t end);
/* A name or a handle less: space goes with the last. */
void sim_node_released(struct sim_disk *d, struct sim_node *n);

/* ---- Pending records --------------------------------------------------------------------------
 */

/* A zeroed record at index; later ones move up. */
struct sim_record *sim_record_insert(struct sim_node *n, size_t index);
/* A zeroed record at the end. */
struct sim_record *sim_record_add(struct sim_node *n, enum sim_record_kind kind, uint64_t sequence);
void sim_record_deinit(struct sim_record *r);
/* Drop the records that drop says. */
void sim_records_filter(struct sim_node *n, bool (*drop)(const struct sim_record *r, uint64_t at),
                        uint64_t at);

/* Drop files without names (live, durable or pending) and without handles. */
void sim_disk_sweep(struct sim_disk *d);
/* Drop nodes with neither links nor handles, whatever still names them. */
void sim_disk_drop_unlinked(struct sim_disk *d);

/* Of live names, sizes and contents. Requires: nothing pending. */
uint64_t sim_disk_hash(const struct sim_disk *d);

/* ---- Power cuts (io_sim_crash.c) ---------------------------------------------------------------
 */

/* A pending unit: the part of a record that lies in one sector, or all of another record. */
struct sim_unit {
    struct sim_node *node;
    const struct sim_record *record;
    size_t ordinal;  /* Of the record in its node. */
    uint64_t offset; /* DATA: the bytes of the record in this sector. */
    size_t size;
    uint32_t needs[2]; /* Units (index + 1) without which this one cannot be kept; 0: none. */
};

/* The units of a disk at one moment, oldest first. Borrows from the disk until it changes. */
struct sim_units {
    struct sim_unit *list;
    size_t count;
    size_t capacity;
    size_t last_write; /* As in struct io_sim_units. */
    size_t last_write_count;
    bool has_sizes;
    struct sim_node **nodes; /* Those that a name may lead to after a cut. */
    size_t node_count;
    size_t node_capacity;
};
/* u is zeroed or was collected before. */
void sim_units_collect(struct sim_units *u, const struct sim_disk *d);
void sim_units_deinit(struct sim_units *u);

/* The disk after a power cut: nothing pending, live is durable. u was collected from d. */
struct sim_disk *sim_disk_crash(const struct sim_disk *d, const struct sim_units *u,
                                const struct io_sim_choice *choice);

/* ---- Fates --------------------------------------------------------------------------------------
 */

/* One of two fates for thing, the same for the same seed. */
bool sim_coin(uint64_t seed, uint64_t thing);

#endif
