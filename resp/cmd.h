/*
 * cmd -- the implementations of commands, for the table. Each cmd_*.c has a group of them.
 */
#ifndef VARVE_RESP_CMD_H
#define VARVE_RESP_CMD_H

#include "resp/call.h"

/* cmd_connection.c */
resp_command_fn resp_cmd_auth, resp_cmd_echo, resp_cmd_hello, resp_cmd_ping, resp_cmd_quit,
    resp_cmd_reset, resp_cmd_select;

/* cmd_client.c */
resp_command_fn resp_cmd_client_getname, resp_cmd_client_help, resp_cmd_client_id,
    resp_cmd_client_info, resp_cmd_client_list, resp_cmd_client_setinfo, resp_cmd_client_setname;

/* cmd_command.c */
resp_command_fn resp_cmd_command, resp_cmd_command_count, resp_cmd_command_docs,
    resp_cmd_command_getkeys, resp_cmd_command_getkeysandflags, resp_cmd_command_help,
    resp_cmd_command_info, resp_cmd_command_list;

/* cmd_string.c */
resp_command_fn resp_cmd_append, resp_cmd_get, resp_cmd_getdel, resp_cmd_getex, resp_cmd_getrange,
    resp_cmd_getset, resp_cmd_mget, resp_cmd_mset, resp_cmd_msetnx, resp_cmd_psetex, resp_cmd_set,
    resp_cmd_setex, resp_cmd_setnx, resp_cmd_setrange, resp_cmd_strlen;

/* cmd_match.c */
resp_command_fn resp_cmd_delex, resp_cmd_digest;

/* cmd_lcs.c */
resp_command_fn resp_cmd_lcs;

/* cmd_bitmap.c */
resp_command_fn resp_cmd_bitcount, resp_cmd_bitpos;

/* cmd_bitop.c */
resp_command_fn resp_cmd_bitop;

/* cmd_bit.c */
resp_command_fn resp_cmd_bitfield, resp_cmd_bitfield_ro, resp_cmd_getbit, resp_cmd_setbit;

/* cmd_number.c */
resp_command_fn resp_cmd_decr, resp_cmd_decrby, resp_cmd_incr, resp_cmd_incrby,
    resp_cmd_incrbyfloat;

/* cmd_key.c */
resp_command_fn resp_cmd_del, resp_cmd_exists, resp_cmd_touch, resp_cmd_type;

/* cmd_move.c */
resp_command_fn resp_cmd_copy, resp_cmd_move, resp_cmd_rename, resp_cmd_renamenx, resp_cmd_swapdb;

/* cmd_digest.c */
resp_command_fn resp_cmd_debug_digest, resp_cmd_debug_digest_value;

/* cmd_dump.c */
resp_command_fn resp_cmd_dump, resp_cmd_restore;

/* cmd_object.c */
resp_command_fn resp_cmd_debug_object, resp_cmd_memory_help, resp_cmd_memory_usage,
    resp_cmd_object_encoding, resp_cmd_object_freq, resp_cmd_object_help, resp_cmd_object_idletime,
    resp_cmd_object_refcount;

/* cmd_wait.c */
resp_command_fn resp_cmd_wait, resp_cmd_waitaof;

/* cmd_expire.c */
resp_command_fn resp_cmd_expire, resp_cmd_expireat, resp_cmd_expiretime, resp_cmd_persist,
    resp_cmd_pexpire, resp_cmd_pexpireat, resp_cmd_pexpiretime, resp_cmd_pttl, resp_cmd_ttl;

/* cmd_scan.c */
resp_command_fn resp_cmd_dbsize, resp_cmd_keys, resp_cmd_randomkey, resp_cmd_scan;

/* cmd_multi.c */
resp_command_fn resp_cmd_discard, resp_cmd_exec, resp_cmd_multi, resp_cmd_unwatch, resp_cmd_watch;

/* cmd_client_control.c */
resp_command_fn resp_cmd_client_caching, resp_cmd_client_getredir, resp_cmd_client_kill,
    resp_cmd_client_no_evict, resp_cmd_client_no_touch, resp_cmd_client_pause,
    resp_cmd_client_reply, resp_cmd_client_trackinginfo, resp_cmd_client_unblock,
    resp_cmd_client_unpause;

/* monitor.c */
resp_command_fn resp_cmd_monitor;

/* cmd_pubsub.c */
resp_command_fn resp_cmd_psubscribe, resp_cmd_publish, resp_cmd_pubsub_channels,
    resp_cmd_pubsub_help, resp_cmd_pubsub_numpat, resp_cmd_pubsub_numsub,
    resp_cmd_pubsub_shardchannels, resp_cmd_pubsub_shardnumsub, resp_cmd_punsubscribe,
    resp_cmd_spublish, resp_cmd_ssubscribe, resp_cmd_subscribe, resp_cmd_sunsubscribe,
    resp_cmd_unsubscribe;

/* cmd_script.c */
resp_command_fn resp_cmd_function_flush, resp_cmd_script_flush;

/* cmd_server.c */
resp_command_fn resp_cmd_flushall, resp_cmd_flushdb, resp_cmd_shutdown, resp_cmd_time;

/* cmd_info.c */
resp_command_fn resp_cmd_info;

/* cmd_config.c */
resp_command_fn resp_cmd_config_get, resp_cmd_config_help, resp_cmd_config_resetstat,
    resp_cmd_config_rewrite, resp_cmd_config_set;

/* cmd_latency.c */
resp_command_fn resp_cmd_latency_doctor, resp_cmd_latency_graph, resp_cmd_latency_help,
    resp_cmd_latency_histogram, resp_cmd_latency_history, resp_cmd_latency_latest,
    resp_cmd_latency_reset;

/* cmd_lolwut.c */
resp_command_fn resp_cmd_lolwut;

/* cmd_replication.c */
resp_command_fn resp_cmd_failover, resp_cmd_replicaof, resp_cmd_role;

/* cmd_save.c */
resp_command_fn resp_cmd_bgrewriteaof, resp_cmd_bgsave, resp_cmd_lastsave, resp_cmd_save;

/* cmd_slowlog.c */
resp_command_fn resp_cmd_slowlog_get, resp_cmd_slowlog_help, resp_cmd_slowlog_len,
    resp_cmd_slowlog_reset;

/* cmd_debug.c */
resp_command_fn resp_cmd_debug;

/* The shape of every HELP: what the container is called, the lines, NULL. */
struct status resp_reply_help(struct resp_call *call, const char *container,
                              const char *const *lines);

#endif
