# The peers of varve's benchmarks, where scripts/build-peers has built them. Without them their
# adapters are left out, and `varve bench --engine=rocksdb` says how to get them.

set(VARVE_PEERS_DIR "$ENV{VARVE_PEERS_DIR}" CACHE PATH "Where scripts/build-peers built the peers")
if(NOT VARVE_PEERS_DIR)
    set(VARVE_PEERS_DIR ${CMAKE_SOURCE_DIR}/build/peers)
endif()

if(EXISTS ${VARVE_PEERS_DIR}/versions)
    file(STRINGS ${VARVE_PEERS_DIR}/versions versions)
    foreach(line ${versions})
        # "rocksdb 7.8.3-2", "liblmdb-dev 0.9.24-1 (as packaged)"
        if(line MATCHES "^(rocksdb|leveldb|liblmdb-dev) ([0-9][^ ]*)")
            set(version_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
        endif()
    endforeach()
    message(STATUS "Peers: rocksdb ${version_rocksdb}, leveldb ${version_leveldb}, "
                   "lmdb ${version_liblmdb-dev}")
    target_compile_definitions(bench PRIVATE
        BENCH_WITH_PEERS
        BENCH_ROCKSDB_VERSION="${version_rocksdb}"
        BENCH_LEVELDB_VERSION="${version_leveldb}"
        BENCH_LMDB_VERSION="${version_liblmdb-dev}")
    target_include_directories(bench SYSTEM PRIVATE
        ${VARVE_PEERS_DIR}/rocksdb/include ${VARVE_PEERS_DIR}/leveldb/include)
    # C++ libraries: their runtime comes along only where they do.
    target_link_libraries(bench PUBLIC
        ${VARVE_PEERS_DIR}/rocksdb/lib/librocksdb.a ${VARVE_PEERS_DIR}/leveldb/lib/libleveldb.a
        lmdb zstd uring stdc++ dl)
else()
    message(STATUS "Peers: none (scripts/build-peers builds them)")
    get_target_property(sources bench SOURCES)
    list(FILTER sources EXCLUDE REGEX "/engine_(rocksdb|leveldb|lmdb)\\.c$")
    set_target_properties(bench PROPERTIES SOURCES "${sources}")
endif()
