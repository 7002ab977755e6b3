#include "bench/engine.h"

#include "bench/engines.h"
#include "bench/names.h"

#include <string.h>

static const struct engine_class *const CLASSES[] = {
    &ENGINE_VARVE,
#ifdef BENCH_WITH_PEERS
    &ENGINE_ROCKSDB, &ENGINE_ROCKSDB_BLOB, &ENGINE_LEVELDB, &ENGINE_LMDB,
#endif
    &ENGINE_BARE,    &ENGINE_NULL,
};
enum { CLASS_COUNT = sizeof CLASSES / sizeof CLASSES[0] };

static const char *name_at(size_t index)
{
    return index < CLASS_COUNT ? CLASSES[index]->name : NULL;
}

/* An engine that exists, but not in this build. */
static bool is_peer(const char *name)
{
    static const char *const PEERS[] = { "rocksdb", "rocksdb-blob", "leveldb", "lmdb" };

    for (size_t i = 0; i < sizeof PEERS / sizeof PEERS[0]; i++) {
        if (strcmp(name, PEERS[i]) == 0)
            return true;
    }
    return false;
}

struct status engine_find(const char *name, struct errbuf *err,
                          const struct engine_class **out_class)
{
    char list[256] = "";

    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (strcmp(name, CLASSES[i]->name) == 0) {
            *out_class = CLASSES[i];
            return status_ok();
        }
        size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                       CLASSES[i]->name);
    }
    if (is_peer(name)) {
        errbuf_set(err,
                   "this build has no engine %s; run scripts/build-peers, then cmake again "
                   "(-DVARVE_PEERS_DIR=... if they are not in build/peers), and build",
                   name);
        return status_of(ST_UNSUPPORTED);
    }
    char close[128];
    names_close(name, name_at, "", close, sizeof close);
    if (close[0] != '\0')
        errbuf_set(err, "no engine \"%s\"; did you mean %s?", name, close);
    else
        errbuf_set(err, "no engine \"%s\"; there are: %s", name, list);
    return status_of(ST_INVALID);
}

void engine_print_list(FILE *out)
{
    fprintf(out, "Engines:\n");
    for (size_t i = 0; i < CLASS_COUNT; i++)
        fprintf(out, "  %-14s %s (%s)\n", CLASSES[i]->name, CLASSES[i]->summary,
                CLASSES[i]->version);
#ifndef BENCH_WITH_PEERS
    fprintf(out,
            "  Not in this build: rocksdb, rocksdb-blob, leveldb, lmdb (scripts/build-peers)\n");
#endif
}
