/*
 * io_sim -- the simulated machine behind the I/O seam: disk, time and network in memory.
 *
 * A sim is a struct io whose disk is no kinder than the contract of io.h, whose clock
 * moves only while somebody waits, and whose faults come when they were ordered. It is how tests
 * see what cannot be seen on a real machine: every state a power cut may leave behind, every call
 * failing in turn, the same run again from the same seed.
 *
 * The disk. A file is its *live* content, which reads see, and its *durable* content; between them
 * lie pending units: what a power cut now may keep or lose, each by itself.
 *   - A write is one unit per 512-byte sector it touches and, if it lengthens the file, one for the
 *     new size. Its units are pending from submission on; IO_DSYNC makes them durable when the
 *     write completes, IO_OP_SYNC (of writes that completed before it) when the sync does.
 *     IO_DIRECT alone promises nothing.
 *   - create, link, unlink and rename are one unit each (a rename across directories two: new name,
 *     then old) until io_sync_dir on their directory. That a file was synced says nothing about
 *     its name.
 *   - A unit is kept only together with the earlier units it cannot be told from: those of the same
 *     sector, those of the same name, a truncation below it. All else is free: later without
 *     earlier, size without data, data without size, name without content.
 *
 *   1. A completed write is what later reads return, whatever was lost below (fsyncgate included).
 *   2. What io.h calls durable is in every state that io_sim_crash can make.
 *   3. The same seed and the same calls give the same completions, latencies and fates.
 *   4. Time stands still unless a ring waits or io_sim_advance is called.
 *
 * Running out of memory ends the process: a simulator's own want is not a fault of the simulated
 * machine. Threads: one (a sim, its files, rings and clock together).
 */
#ifndef VARVE_BASE_IO_SIM_H
#define VARVE_BASE_IO_SIM_H

#include "base/clock.h"
#include "base/io.h"

/* ---- Life --------------------------------------------------------------------------------- */

struct io_sim;
struct io_sim_image; /* What a disk holds when the machine is off. Never changes. */

struct io_sim_options {
    /* 0: ops complete in the order of submission; else in an order, and with fates and latencies,
     * drawn from it. */
    uint64_t seed;
    uint64_t latency_min_ns; /* Of READ, WRITE and SYNC ops: uniform between the two. */
    uint64_t latency_max_ns;
    uint64_t wall_ms;        /* At the start. 0: 2024-01-01. */
    uint64_t capacity_bytes; /* Of the disk; 0: unlimited. Counts files' allocated 4 KiB blocks. */
    size_t socket_buffer_bytes; /* Each direction of a connection. 0: 64 KiB. */
    bool has_short_recv;        /* RECV hands out random pieces of what is there. Needs a seed. */
    bool refuses_direct;        /* IO_DIRECT opens answer ST_UNSUPPORTED. */
    bool has_lying_sync;        /* Syncs say OK and do nothing. Breaks invariant 2 on purpose. */
    /* Reads see one flipped bit in so many sectors of a million; which ones depends on the seed and
     * the place only, so asking again does not help. */
    uint32_t bad_sectors_per_million;
};

/* A machine that was just switched on, with the disk of image (borrowed for the call; NULL: an
 * empty disk). options may be NULL. */
struct io_sim *io_sim_create(const struct io_sim_options *options,
                             const struct io_sim_image *image);
/* As io_close_machine. Requires: its files, rings, sockets and locks are closed. Takes NULL. */
void io_sim_destroy(struct io_sim *sim);

struct io *io_sim_io(struct io_sim *sim);
struct clock *io_sim_clock(struct io_sim *sim);
void io_sim_set_wall_ms(struct io_sim *sim, uint64_t wall_ms);
/* Let time pass; what falls due completes at the next io_ring_wait. */
void io_sim_advance(struct io_sim *sim, uint64_t duration_ns);

/* ---- Faults ------------------------------------------------------------------------------- */

enum io_sim_class {
    IO_SIM_READ = 1 << 0,
    IO_SIM_WRITE = 1 << 1,
    IO_SIM_SYNC = 1 << 2,     /* IO_OP_SYNC */
    IO_SIM_SYNC_DIR = 1 << 3, /* io_sync_dir */
    IO_SIM_NAME = 1 << 4,     /* mkdir, rename, unlink, link */
    IO_SIM_OPEN = 1 << 5,     /* open, list, exists, lock_take */
    IO_SIM_SPACE = 1 << 6,    /* allocate, truncate */
    IO_SIM_ALL = (1 << 7) - 1,
};

/*
 * Fail the call numbered at (1 is the next one) among those of classes, and all later ones if
 * is_for_ever. A failed write leaves a random subset of its sectors behind; without IO_DIRECT,
 * reads show all of it all the same, from the page cache. A failed sync of a file makes a random
 * subset durable and forgets the rest, which reads go on to show and later syncs say OK about; a
 * failed sync of a directory likewise. Anything else that fails did nothing.
 */
struct io_sim_fault {
    unsigned classes;
    uint64_t at; /* 0: never. */
    bool is_for_ever;
    bool is_clean; /* What fails does nothing at all: so that the process can be taken for dead. */
    int error;     /* errno: EIO, ENOSPC, EMFILE ... 0: EIO. */
};
/* Replaces the one before; NULL: none. Starts counting anew. */
void io_sim_set_fault(struct io_sim *sim, const struct io_sim_fault *fault);
/* Meanwhile calls neither fail nor count. */
void io_sim_pause_fault(struct io_sim *sim, bool is_paused);
/* How many calls the fault in force has failed. */
uint64_t io_sim_faults_fired(const struct io_sim *sim);
/* How many calls of classes there were since the sim was created. */
uint64_t io_sim_calls(const struct io_sim *sim, unsigned classes);

/* Change the disk behind the machine's back: at once, in live and durable content. False if there
 * is no such file or it ends before. */
bool io_sim_peek(struct io_sim *sim, const char *path, uint64_t offset, void *data, size_t size);
bool io_sim_poke(struct io_sim *sim, const char *path, uint64_t offset, struct bytes bytes);
bool io_sim_flip(struct io_sim *sim, const char *path, uint64_t bit);
bool io_sim_resize(struct io_sim *sim, const char *path, uint64_t size);
bool io_sim_remove(struct io_sim *sim, const char *path);
/* Every file, in order of path. path is borrowed for the call. */
void io_sim_walk(struct io_sim *sim, void (*visit)(void *context, const char *path, uint64_t size),
                 void *context);
/* A larger disk, or one that somebody else has filled. 0: unlimited. */
void io_sim_set_capacity(struct io_sim *sim, uint64_t capacity_bytes);
/* Bytes of capacity in use. */
uint64_t io_sim_used_bytes(const struct io_sim *sim);

/* ---- Power cuts --------------------------------------------------------------------------- */

enum io_sim_keep {
    IO_SIM_KEEP_NONE,   /* What was durable, no more. */
    IO_SIM_KEEP_ALL,    /* As if everything pending had reached the disk. */
    IO_SIM_KEEP_PREFIX, /* The oldest count units. */
    IO_SIM_KEEP_RANDOM, /* Each with probability 1/2, from seed. */
    IO_SIM_KEEP_MASK,   /* Bit i of mask (64 a word) is unit i, oldest first. */
};

struct io_sim_choice {
    enum io_sim_keep keep;
    size_t count;         /* PREFIX */
    uint64_t seed;        /* RANDOM, and what garbage looks like */
    const uint64_t *mask; /* MASK; borrowed for the call */
    bool grows;           /* Kept data lengthens its file whether or not the size was kept. */
    bool has_garbage;     /* Where the size was kept and data not, anything instead of zeros. */
    /* Of the data unit torn - 1, only the first torn_bytes arrived. 0: none is torn. */
    size_t torn;
    size_t torn_bytes;
};

/* Units pending now; a choice is over these. */
size_t io_sim_pending(struct io_sim *sim);
/* What the disk holds if power fails now. The sim runs on, unharmed. */
struct io_sim_image *io_sim_crash_image(struct io_sim *sim, const struct io_sim_choice *choice);
/* The machine after that, switched on again: io_sim_create over io_sim_crash_image. */
struct io_sim *io_sim_crash(struct io_sim *sim, const struct io_sim_choice *choice,
                            const struct io_sim_options *options);

/* Equal names, sizes and contents give equal hashes. */
uint64_t io_sim_image_hash(const struct io_sim_image *image);
/* Takes NULL. */
void io_sim_image_destroy(struct io_sim_image *image);

/* ---- Events, monitors, traces ------------------------------------------------------------- */

enum io_sim_event_kind {
    IO_SIM_CREATE,     /* path, file */
    IO_SIM_MKDIR,      /* path, file */
    IO_SIM_LINK,       /* path, path_to */
    IO_SIM_RENAME,     /* path, path_to */
    IO_SIM_UNLINK,     /* path */
    IO_SIM_DIR_SYNCED, /* path, outcome */
    IO_SIM_TRUNCATED,  /* file, offset: the new size */
    IO_SIM_ALLOCATED,  /* file, offset, size */
    IO_SIM_WRITING,    /* file, offset, data: a write was submitted */
    IO_SIM_WRITTEN,    /* file, start, outcome */
    IO_SIM_SYNCED,     /* file, start, outcome */
    IO_SIM_MARKED,     /* word, number */
};

enum io_sim_outcome {
    IO_SIM_DONE,    /* As the contract says; of a write: not durable yet. */
    IO_SIM_DURABLE, /* A write through IO_DSYNC. */
    IO_SIM_FAILED,  /* A subset happened, drawn from seed. */
    IO_SIM_LIED,    /* A sync that did nothing, whatever it said. */
};

/* Something that changed the disk, or a mark. All pointers are borrowed: from the call in a
 * monitor, from the trace in a trace. */
struct io_sim_event {
    enum io_sim_event_kind kind;
    enum io_sim_outcome outcome;
    uint64_t sequence; /* Of this event; numbers all of a disk's events. */
    uint64_t start;    /* Sequence number: of the WRITING it ends; of the last event that a SYNCED
                          covers. */
    uint64_t file;     /* A number for life, whatever its names. */
    uint64_t offset;
    uint64_t size;
    uint64_t seed;  /* FAILED */
    bool is_cached; /* WRITTEN: went through the page cache. */
    struct bytes data;
    const char *path;
    const char *path_to;
    const char *word;
    uint64_t number;
    struct sim_blob *blob; /* The simulator's: owns data. */
};

/* Call watch after each event: for tests of order ("no manifest names an unsynced file"). NULL:
 * stop. */
typedef void io_sim_watch(void *context, const struct io_sim_event *event);
void io_sim_set_monitor(struct io_sim *sim, io_sim_watch *watch, void *context);

/* Something the outside world was told: ("ack", 12). word is borrowed for the life of the sim and
 * its trace: a literal. */
struct io_sim_mark {
    const char *word;
    uint64_t number;
};
void io_sim_mark(struct io_sim *sim, const char *word, uint64_t number);

/* Call tap with what a SEND hands over, as it does: from this moment on the other side, whose end
 * is to, may know it. For tests of what may be told when; a tap may make marks. NULL: stop. */
typedef void io_sim_tap(void *context, const struct io_socket *to, struct bytes sent);
void io_sim_set_tap(struct io_sim *sim, io_sim_tap *tap, void *context);

/* Record events from now on, beginning with the disk as it is. */
struct io_sim_trace;
void io_sim_trace_start(struct io_sim *sim);
/* Requires: started. The trace is the caller's. */
struct io_sim_trace *io_sim_trace_stop(struct io_sim *sim);
void io_sim_trace_destroy(struct io_sim_trace *trace); /* Takes NULL. */
size_t io_sim_trace_count(const struct io_sim_trace *trace);
const struct io_sim_event *io_sim_trace_event(const struct io_sim_trace *trace, size_t index);
/* One line for people: "write 3 at 4096, 512 bytes". Truncated to size, terminated. */
void io_sim_event_format(const struct io_sim_event *event, char *out_text, size_t size);

/*
 * A disk that lives through a trace again, one event at a time, so that every moment of it can be
 * cut at leisure. Starts before the first event. trace is borrowed for life.
 */
struct io_sim_replay;
struct io_sim_replay *io_sim_replay_create(const struct io_sim_trace *trace);
void io_sim_replay_destroy(struct io_sim_replay *replay); /* Takes NULL. */
/* Live through the next event. False at the end. */
bool io_sim_replay_next(struct io_sim_replay *replay);
/* Marks made so far, oldest first. Borrowed until the next event. */
const struct io_sim_mark *io_sim_replay_marks(const struct io_sim_replay *replay,
                                              size_t *out_count);

/* The pending units at this moment, and where among them the data of the newest write is. */
struct io_sim_units {
    size_t count;
    size_t last_write;
    size_t last_write_count;
    bool has_sizes; /* Some file grew: grows and has_garbage make a difference. */
};
struct io_sim_units io_sim_replay_units(struct io_sim_replay *replay);
struct io_sim_image *io_sim_replay_crash(struct io_sim_replay *replay,
                                         const struct io_sim_choice *choice);

#endif
