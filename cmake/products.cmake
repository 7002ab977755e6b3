# What is built to be used: the varve binary, and the embedded library with its header.

include(GNUInstallDirs)

# ---- The binary: server/main.c over everything -----------------------------------------------

if(EXISTS ${CMAKE_SOURCE_DIR}/server/main.c)
    add_executable(varve server/main.c)
    target_link_libraries(varve PRIVATE server bench embed)
    target_link_options(varve PRIVATE ${VARVE_LINK_PRODUCT})
    set_target_properties(varve PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    if(VARVE_JEMALLOC)
        pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
        target_link_libraries(varve PRIVATE PkgConfig::JEMALLOC)
    endif()
    install(TARGETS varve)
endif()
