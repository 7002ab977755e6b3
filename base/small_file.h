/*
 * small_file -- what the kernel tells in files of a few lines (/proc, control groups). Private to
 * base/.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_SMALL_FILE_H
#define VARVE_BASE_SMALL_FILE_H

#include <stdbool.h>

enum { SMALL_FILE_SIZE = 4096 };

/* The file as text, terminated; what is longer is cut off. False if there is none, or it is empty.
 */
bool small_file_read(const char *path, char out_text[SMALL_FILE_SIZE]);

#endif
