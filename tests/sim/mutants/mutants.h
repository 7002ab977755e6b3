/*
 * mutants -- the known bugs that tests/sim must see: of the core (raft/mutant.h), of a driver
 * (tests/raft/support/cluster.h) and of its disk (tests/raft/support/disk.h).
 *
 * Names: B.. as in the catalogue of subtle bugs, RR.. as in the analysis of Redis-Raft, I.. by the
 * invariant it breaks, M_ our own.
 */
#ifndef VARVE_TESTS_SIM_MUTANTS_H
#define VARVE_TESTS_SIM_MUTANTS_H

#define CORE_MUTANTS(X)                                                                            \
    X(B01_commit_old_term, "entries of old terms are committed by counting")                       \
    X(B02_change_before_own_commit, "a change before an entry of the own term is committed")       \
    X(B03_read_before_own_commit, "reads before an entry of the own term is committed")            \
    X(B04_read_numbers_start_over, "a restarted follower numbers its questions from 1 again")      \
    X(B05_reads_outlive_the_leader, "waiting reads stay when their leader is lost")                \
    X(B06_reads_without_quorum, "reads are confirmed by nobody")                                   \
    X(B07_lease_from_the_answer, "a lease begins when the answer came")                            \
    X(B08_lease_outlives_transfer, "a lease goes on after TIMEOUT_NOW")                            \
    X(B09_no_grace, "a restarted replica votes at once, whatever it promised")                     \
    X(B10_lease_not_held, "a lease is used while the driver suspends it")                          \
    X(B11_clock_jump_believed, "a lease outlives a jump of the clock")                             \
    X(B12_stale_leader_not_told, "a leader of an old term is not answered")                        \
    X(B12_prevote_term_ignored, "a refused pre-vote's later term is not taken up")                 \
    X(B14_any_answer_is_the_last, "an answer is taken for one to the last message")                \
    X(B15_answers_of_old_terms, "answers of old terms count")                                      \
    X(B16_no_forks, "a mark releases entries that were cut off since")                             \
    X(B18_own_disk_not_awaited, "the leader counts itself before its disk")                        \
    X(B24_ack_not_durable, "appends are acknowledged before they are durable")                     \
    X(B25_conflict_kept, "a snapshot that conflicts with the log is taken for its entry")          \
    X(B26_snapshot_conf_ignored, "a snapshot's conf is not taken over")                            \
    X(B27_snapshot_clears_vote, "installing a snapshot forgets the vote")                          \
    X(B28_failed_snapshot_sticks, "a snapshot that failed is not sent again")                      \
    X(B29_purged_log_waits, "a peer behind the log's beginning gets nothing")                      \
    X(B30_nudge_behind_the_base, "a probe names an entry that is not in the log any more")         \
    X(B32_promotes_behind, "a replica that is being sent a snapshot is made a voter")              \
    X(B36_demoted_leader_stays, "a leader that is no voter goes on leading")                       \
    X(B41_ids_not_compared, "messages for another replica are taken")                              \
    X(B43_appends_while_installing, "appends are taken while the state is replaced")               \
    X(B44_leads_with_a_hung_disk, "a leader whose disk hangs goes on")                             \
    X(B48_one_half_is_enough, "in a joint conf one half is a quorum")                              \
    X(B50_learner_cannot_wake, "a learner that hears no leader waits for ever")                    \
    X(B50_sleeps_with_work_left, "a group sleeps before all have everything")                      \
    X(RR17_two_changes_at_once, "a change while another is not committed")                         \
    X(RR18_no_first_entry, "a leader begins without an entry of its own")                          \
    X(RR28_removed_are_not_told, "who was removed and speaks up is not told")                      \
    X(I15_append_without_commit, "appends do not carry the commit index")                          \
    X(M_apply_not_durable, "entries are applied before they are durable here")                     \
    X(M_campaign_not_durable, "votes are asked for before the own one is durable")                 \
    X(M_heartbeat_names_commit, "a heartbeat's commit index is believed without its term")         \
    X(M_inflight_bytes_leak, "bytes in flight are not given back")                                 \
    X(M_lease_too_long, "a lease is longer than the promise")                                      \
    X(M_low_disk_takes_all, "a low disk takes what does not free space")                           \
    X(M_matched_to_the_end, "a follower acknowledges its log's end, checked or not")               \
    X(M_payload_leaks, "a payload is not given back")                                              \
    X(M_quota_leaks, "committed bytes count as uncommitted")                                       \
    X(M_short_append_cuts, "a conflict is not cut off")                                            \
    X(M_snapshot_ack_not_durable, "a snapshot is acknowledged before its record is durable")       \
    X(M_terms_not_compared, "entries that are there are taken for the leader's")                   \
    X(M_vote_not_durable, "a vote is told before it is durable")                                   \
    X(M_votes_for_shorter_logs, "a vote for a log that lacks entries")                             \
    X(M_votes_not_withheld, "a vote though a leader is alive")                                     \
    X(M_votes_tell_nothing, "who votes does not tell what is committed")                           \
    X(M_votes_twice, "two votes in one term")

#define DRIVER_MUTANTS(X)                                                                          \
    X(B13_RR_applied_twice, CLUSTER_DOUBLE_APPLY, "a restart applies the last entry again")        \
    X(B17_stamps_with_gaps, CLUSTER_ACKS_GAPS, "a stamp is reported before older writes end")      \
    X(B19_index_before_data, CLUSTER_APPLIED_AHEAD, "the applied index is saved, its data not")    \
    X(B21_sync_retried, CLUSTER_RETRIES_SYNC, "a failed sync is tried again and believed")         \
    X(B24_sends_before_writes, CLUSTER_SENDS_EARLY, "messages do not wait for their writes")       \
    X(B26_newest_conf_in_snapshot, CLUSTER_SNAPSHOT_CONF, "a snapshot has the newest conf")        \
    X(B40_cut_off_is_failed, CLUSTER_FAILS_TRUNCATED, "what is cut off is reported as failed")     \
    X(L7_saved_too_early, CLUSTER_SAVES_EARLY, "the state is saved ahead of the hard state")       \
    X(L10_read_at_once, CLUSTER_READS_AT_ONCE, "a read is served before its index is applied")     \
    X(L12_staged_too_early, CLUSTER_STAGED_EARLY, "data that did not arrive are reported staged")  \
    X(L13_data_not_as_of_index, CLUSTER_SNAPSHOT_LATER, "a snapshot's data are of another index")

#define DISK_MUTANTS(X)                                                                            \
    X(B20_vote_in_two_writes, DISK_FORGETS_VOTE, "term and vote are two writes")                   \
    X(I15_commit_written_lazily, DISK_FORGETS_COMMIT, "the commit index is not in the same write") \
    X(L1_acc_term_not_written, DISK_FORGETS_ACC_TERM, "the accepting leader's term is not stored")

#define CORE_MUTANT(name, what) RAFT_MUTANT_##name,
enum raft_mutant { RAFT_MUTANT_NONE = 0, CORE_MUTANTS(CORE_MUTANT) RAFT_MUTANT_COUNT };
#undef CORE_MUTANT

extern enum raft_mutant raft_mutant;

#endif
