#include "raft/marks.h"

#include "base/check.h"

#include "raft/mutant.h"

void raft_marks_cut(struct raft_marks *m, raft_term acc_term, raft_index from)
{
    CHECK(from > 0);
    if (RAFT_MUTANT(B16_no_forks)) {
        m->durable = m->durable >= from ? from - 1 : m->durable;
        return;
    }
    if (m->durable >= from)
        m->durable = from - 1;
    /* A cut below earlier ones covers them: what they wait for is not in the log any more. */
    while (m->fork_count > 0 && m->forks[m->fork_count - 1].index >= from)
        m->fork_count--;
    /* Without room the last two become one, at the lower index and the later term. That releases
     * later than it could, never earlier. */
    if (m->fork_count == RAFT_FORKS_MAX) {
        m->forks[m->fork_count - 1].acc_term = acc_term;
        return;
    }
    m->forks[m->fork_count++] = (struct raft_mark) { .acc_term = acc_term, .index = from };
}

void raft_marks_release(struct raft_marks *m, struct raft_mark mark)
{
    uint32_t passed = 0;
    while (passed < m->fork_count && m->forks[passed].acc_term <= mark.acc_term)
        passed++;
    m->fork_count -= passed;
    for (uint32_t i = 0; i < m->fork_count; i++)
        m->forks[i] = m->forks[i + passed];

    raft_index released = mark.index;
    if (m->fork_count > 0 && m->forks[0].index <= released)
        released = m->forks[0].index - 1;
    if (released > m->durable)
        m->durable = released;
}
