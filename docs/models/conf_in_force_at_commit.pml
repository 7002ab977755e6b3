/*
 * A conf that is in force when it is known to be committed (raft/membership.c).
 *
 *     spin -a conf_in_force_at_commit.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *     spin -DLAZY -a ... : the commit index is not written with the entries. pan finds the loss.
 *
 * Two replicas. The group is moved from 0 to 1: conf 0 is {0}, conf 1 is joint (both must agree), conf 2
 * is {1}; confs 0 and 2 share no voter. Entries: N of a new leader, J (begins conf 1), L (begins conf 2).
 * Writes are synchronous and whole: term, vote, entries -- and, unless LAZY, the commit index. A crash
 * leaves what is written. Messages are lost, late or repeated, as a step may be taken at any time, with
 * any prefix of the leader's log, or never.
 *
 * Checked: no index is ever committed with two different terms.
 */
#define NODES 2
#define TERMS 4
#define LENGTH 6
#define AT(n, i) ((n) * (LENGTH + 1) + (i))
#define PAIR(n, m) ((n) * NODES + (m))

mtype = { N, J, L };

byte term[NODES];
byte vote[NODES]; /* Who + 1; 0: nobody. */
byte length[NODES];
byte entry_term[NODES * (LENGTH + 1)];
mtype entry_kind[NODES * (LENGTH + 1)];
byte commit[NODES];
byte written_commit[NODES];
bool leads[NODES];
byte own_first[NODES];
byte match[NODES * NODES];

byte decided[LENGTH + 1]; /* Term of what is committed at an index; 0: nothing yet. */

/* The conf that n believes to be in force. */
inline conf_of(n, conf)
{
    conf = 0;
    i = 1;
    do
    :: i <= commit[n] ->
        if
        :: entry_kind[AT(n, i)] == J -> conf = 1
        :: entry_kind[AT(n, i)] == L -> conf = 2
        :: else
        fi;
        i++
    :: else -> break
    od
}

#define QUORUM(conf, zero, one)                                                                    \
    (((conf) == 0 && (zero)) || ((conf) == 1 && (zero) && (one)) || ((conf) == 2 && (one)))

#define VOTES(conf, n) ((conf) == 1 || ((conf) == 0 && (n) == 0) || ((conf) == 2 && (n) == 1))

inline write(n)
{
#ifndef LAZY
    written_commit[n] = commit[n]
#else
    skip
#endif
}

inline append(n, what)
{
    length[n]++;
    entry_term[AT(n, length[n])] = term[n];
    entry_kind[AT(n, length[n])] = what;
    match[PAIR(n, n)] = length[n];
    write(n)
}

/* n asks m, who may not be reached. */
inline campaign(n, m)
{
    conf_of(n, c);
    if
    :: VOTES(c, n) && !leads[n] && term[n] < TERMS ->
        term[n]++;
        vote[n] = n + 1;
        write(n);
        granted = false;
        if
        :: term[m] <= term[n] ->
            if
            :: term[m] < term[n] -> term[m] = term[n]; vote[m] = 0; leads[m] = false
            :: else
            fi;
            if
            :: vote[m] == 0 &&
               (entry_term[AT(n, length[n])] > entry_term[AT(m, length[m])] ||
                (entry_term[AT(n, length[n])] == entry_term[AT(m, length[m])] &&
                 length[n] >= length[m])) ->
                vote[m] = n + 1; granted = true
            :: else
            fi;
            write(m)
        :: true
        fi;
        if
        :: QUORUM(c, (n == 0 || granted), (n == 1 || granted)) && length[n] < LENGTH ->
            leads[n] = true;
            match[PAIR(n, m)] = 0;
            own_first[n] = length[n] + 1;
            append(n, N)
        :: else
        fi
    :: else
    fi
}

/* m takes the leader's log up to some index, its own beyond it only if the logs part before. */
inline replicate(n, m)
{
    if
    :: leads[n] && term[m] <= term[n] ->
        if
        :: term[m] < term[n] -> vote[m] = 0; leads[m] = false
        :: else
        fi;
        term[m] = term[n];
        select (upto : 1 .. LENGTH);
        if
        :: upto > length[n] -> upto = length[n]
        :: else
        fi;
        i = 1;
        do
        :: i <= upto ->
            if
            :: i > length[m] || entry_term[AT(m, i)] != entry_term[AT(n, i)] ->
                assert(i > commit[m]);
                length[m] = i;
                entry_term[AT(m, i)] = entry_term[AT(n, i)];
                entry_kind[AT(m, i)] = entry_kind[AT(n, i)]
            :: else
            fi;
            i++
        :: else -> break
        od;
        c = (commit[n] < upto -> commit[n] : upto);
        commit[m] = (c > commit[m] -> c : commit[m]);
        write(m);
        match[PAIR(n, m)] = (upto > match[PAIR(n, m)] -> upto : match[PAIR(n, m)])
    :: else
    fi
}

inline count(n)
{
    if
    :: leads[n] && commit[n] < length[n] ->
        conf_of(n, c);
        upto = length[n];
        do
        :: upto > commit[n] && !QUORUM(c, match[PAIR(n, 0)] >= upto, match[PAIR(n, 1)] >= upto) ->
            upto--
        :: else -> break
        od;
        if
        :: upto > commit[n] && entry_term[AT(n, upto)] == term[n] ->
            i = commit[n] + 1;
            do
            :: i <= upto ->
                assert(decided[i] == 0 || decided[i] == entry_term[AT(n, i)]);
                decided[i] = entry_term[AT(n, i)];
                i++
            :: else -> break
            od;
            commit[n] = upto
        :: else
        fi
    :: else
    fi
}

/* No change before an entry of the own term is committed; one at a time. */
inline change(n)
{
    conf_of(n, c);
    if
    :: leads[n] && commit[n] >= own_first[n] && commit[n] == length[n] && length[n] < LENGTH &&
       c < 2 ->
        if
        :: c == 0 -> append(n, J)
        :: else -> append(n, L)
        fi
    :: else
    fi
}

inline crash(n)
{
    leads[n] = false;
    commit[n] = written_commit[n]
}

active proctype world()
{
    byte i, c, upto, n, m;
    bool granted;

    do
    :: atomic {
        select (n : 0 .. 1);
        m = 1 - n;
        if
        :: true -> campaign(n, m)
        :: true -> replicate(n, m)
        :: true -> count(n)
        :: true -> change(n)
        :: true -> crash(n)
        fi;
        i = 0; c = 0; upto = 0; granted = false; m = 0; n = 0
    }
    od
}
