/*
 * cli -- varve cli: a client for people, and for scripts that run one command.
 *
 *     varve cli -p 6380                     type commands; TAB completes, hints say what follows
 *     varve cli -p 6380 set greeting hello  one command
 *     varve cli -p 6380 < commands          a command a line
 *
 * What it prints is what redis-cli prints: for people on a terminal, the bare values elsewhere.
 *
 * Threads: one.
 */
#ifndef VARVE_CLI_CLI_H
#define VARVE_CLI_CLI_H

/* Returns the exit status: 0; 1 after an error of the server or the connection; 2 for wrong
 * usage. */
int cli_main(int argc, char **argv);

#endif
