#include "server/file_limit.h"

#include "base/process.h"

uint64_t file_limit_clients(uint64_t files)
{
    uint64_t store = files / 2 < FILE_LIMIT_STORE ? files / 2 : FILE_LIMIT_STORE;

    return files > 1 ? files - store : 1;
}

uint64_t file_limit_raise(uint64_t clients, uint64_t *out_files)
{
    *out_files = process_raise_file_limit(clients + FILE_LIMIT_STORE);

    uint64_t possible = file_limit_clients(*out_files);
    return possible < clients ? possible : clients;
}
