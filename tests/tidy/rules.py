"""rules -- what tests/tidy holds the tree to, as data. Every exception says why."""

import re

# ---- Who may include whom --------------------------------------------------------------------

# A folder's own headers are always open to it. A folder that is not here includes what it likes.
MAY_INCLUDE = {
    "base": [],
    "cache": ["base"],
    "vlog": ["base", "cache"],
    "lsm": ["base", "cache", "vlog"],
    "txn": ["base", "lsm"],
    "raft": ["base"],
    "resp": ["base"],
    "embed": ["base", "cache", "vlog", "lsm", "txn"],  # It makes the cache, as a node does.
    "server": ["base", "cache", "vlog", "lsm", "txn", "raft", "resp", "embed", "bench",
               "cli"],
    "cli": ["base"],
    "bench": ["base", "cache", "vlog", "lsm", "txn", "raft", "resp", "embed"],
}

# Beside <m>/<m>.h, which is always public. tests/ may include everything.
PUBLIC_HEADERS = {
    "base": ["*.h"],
    "cache": ["fetch.h", "kind.h"],  # The read that vlog and lsm share, without the cache.
    "raft": ["codec.h"],  # Messages as bytes, for whoever sends and stores them.
    "resp": ["store.h"],  # The one door to a store; server/ implements it.
    "embed": ["varve.h"],  # The installed header.
}
PRIVATE_HEADERS = {
    "base": ["io_backend.h", "io_host.h", "io_ring.h", "io_timers.h", "io_sim_*.h"],
}

# The files of Raft's core: a pure step, which is handed the time and asks for I/O.
RAFT_CORE = [f"raft/{noun}.*" for noun in """check codec conf core election emit follow init lease
    log marks membership mutant names persist progress quiesce raft read replicate send
    snapshot transfer view""".split()]

# And the others of raft/: what stands in neither list is not allowed to be there.
RAFT_DRIVER = ["raft/log_store*"]

# (files, may also include, may not include): for single files of a folder.
FILE_INCLUDES = [
    # The log store keeps the group's entries in the one log.
    ("raft/log_store*", ["vlog"], []),
] + [
    (files, [], ["base/io*", "base/clock.h", "base/alloc.h", "base/thread.h", "base/log.h"])
    for files in RAFT_CORE
]

# ---- Calls -----------------------------------------------------------------------------------

# The machine: only base/ talks to it. Names are whole words; * stands for any ending.
MACHINE_CALLS = {
    "files": """open openat creat close read write pread pwrite preadv* pwritev* readv writev
        lseek fsync fdatasync sync_file_range ftruncate truncate fallocate posix_fallocate unlink
        unlinkat rename renameat* link linkat mkdir mkdirat rmdir opendir readdir closedir stat
        fstat lstat access flock fcntl mmap munmap msync madvise ioctl realpath""",
    "sockets": """socket bind listen accept accept4 connect send recv sendto recvfrom sendmsg
        recvmsg shutdown setsockopt getsockopt poll ppoll select epoll_* getaddrinfo""",
    "clock": "time clock gettimeofday clock_gettime clock_nanosleep nanosleep usleep sleep",
    "chance": "rand rand_r srand random srandom drand48 getrandom getentropy",
    "threads": "pthread_* thrd_* mtx_* cnd_* sem_* syscall",
    "memory": """malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign
        strdup strndup asprintf vasprintf getline""",
    "stdio": """fopen fdopen freopen fclose fflush fread fwrite fgets fputs fputc putc printf
        vprintf fprintf vfprintf puts putchar perror scanf fscanf""",
    "process": """fork vfork execv execve execvp execl execlp execle system popen pclose getenv
        setenv exit _exit abort signal sigaction kill raise""",
}

# In every folder, tests too: each has a form that cannot overrun or hide an error.
UNSAFE_CALLS = """sprintf vsprintf strcpy stpcpy strcat gets atoi atol atoll atof strtok
    alloca __builtin_alloca setjmp longjmp"""

# (files, kinds of MACHINE_CALLS allowed there, why)
CALLS_ALLOWED = [
    ("base/*", list(MACHINE_CALLS), "the seam"),
    ("tests/*", list(MACHINE_CALLS), "tests stand outside of the program"),
    ("bench/*", ["stdio"], "reports to a terminal; reads what the kernel tells as text"),
    ("examples/*", list(MACHINE_CALLS), "what an application would write"),
]

# ---- Data that can change --------------------------------------------------------------------

# (archive member, symbol, why it may be written to). No module has a writable global.
WRITABLE_ALLOWED = []

# ---- What objects need -----------------------------------------------------------------------

# (files, names that their objects may leave to others to define). What begins with two underscores
# is the compiler's: sanitizers, stack protection.
NEEDS = [(files, ["mem*", "raft_*", "rand_below", "rand_seed", "rand_u64", "check_failed",
                  "errbuf_set", "__*", "_GLOBAL_OFFSET_TABLE_"]) for files in RAFT_CORE]

# ---- What switches a checker off -------------------------------------------------------------

LOOKS_AWAY = re.compile(r"""no_sanitize\w*|no_instrument\w*|NOLINT\w*|suppressions=
    |__[a-z]+san_default_\w+|pragma\ +(?:GCC|clang)\ +(?:diagnostic|optimize)""", re.VERBOSE)

# ---- Pages -----------------------------------------------------------------------------------

# They say where a rule, a check or a test of it is: `file.c: name, name`, or `a_name` by itself.
POINTERS = ["raft/README.md", "docs/raft-findings.md"]

# ---- Text ------------------------------------------------------------------------------------

LINE_MAX = 100
FUNCTION_MAX = 70  # Reported, never an error.
