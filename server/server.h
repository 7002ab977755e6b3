/*
 * server -- the daemon: a store behind the Redis protocol, and the `varve server` command.
 *
 * One thread serves (reactor.h), one flushes and compacts (background.h), one waits for signals.
 *
 * Threads: start, run and stop by one thread; the parts' headers say more.
 */
#ifndef VARVE_SERVER_SERVER_H
#define VARVE_SERVER_SERVER_H

#include "base/budget.h"
#include "base/env.h"
#include "base/errbuf.h"

#include "resp/resp.h"

#include "server/background.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/log.h"
#include "server/reactor.h"
#include "server/store.h"

#define SERVER_VERSION "0.1.0"

enum { SERVER_RUN_ID = 40 };

struct server {
    struct resp_host host; /* First: what the gateway is handed. */
    struct env env;
    struct budget budget;
    struct server_config config;
    struct server_log log;
    const char *io_reason; /* Why not io_uring; NULL: it is. */
    struct cache *cache;
    struct io_ring *ring;
    struct server_store *store;
    struct server_background *background;
    struct server_client_memory client_memory;
    struct resp *resp;
    struct server_reactor reactor;
    struct lsm_options lsm_options; /* As chosen from config. */
    uint64_t cache_bytes;
    uint64_t rows_bytes;
    uint64_t started_wall_ms;
    char run_id[SERVER_RUN_ID + 1];
    char dir[4096]; /* Absolute. */
    bool has_reactor;
};

/*
 * Open the store and listen; env's io, alloc and clock are borrowed, config is taken (also on
 * failure). Logs how it goes. Returns what failed, in err.
 */
MUST_CHECK struct status server_start(struct server *s, const struct env *machine,
                                      const char *io_reason, struct server_config *config,
                                      struct errbuf *err);
/* Serve until stopped. False: the store had failed. */
bool server_run(struct server *s);
/* Close everything. Takes a half-started server. */
void server_stop(struct server *s);

/* `varve server ...`: argv[0] is skipped. Returns the exit status of the process: 0; 1 if it could
 * not start or the store failed; 2 for a bad parameter. */
int server_main(int argc, char **argv);

/* host.c: the gateway's host; host_config.c: its CONFIG; info.c: its INFO sections. */
extern const struct resp_host_ops server_host_ops;
/* May the client, where only some may (enum config_access)? */
bool server_host_allows(const struct resp_session *who, uint64_t access);
const char *server_host_config_get(struct resp_host *h, size_t index, unsigned *out_flags,
                                   struct buf *out_value);
/* Listen on what the parameters say, now. On failure all is as it was. */
MUST_CHECK struct status server_listen(struct server *s, struct errbuf *err);
/* Tell the parts that keep a copy of parameters. */
void server_config_take_over(struct server *s);
MUST_CHECK struct status server_host_config_set(struct resp_host *h, const struct resp_session *who,
                                                const struct resp_config_pair *pairs, size_t count,
                                                size_t *out_bad, struct errbuf *why);
MUST_CHECK struct status server_host_config_rewrite(struct resp_host *h, struct errbuf *why);
void server_info(struct resp_host *h, const char *title, struct buf *out);
const char *server_info_section(struct resp_host *h, size_t index);

#endif
