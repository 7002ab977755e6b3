# What is built to be used: the varve binary, and the embedded library with its header.

include(GNUInstallDirs)

# ---- The binary: server/main.c over everything -----------------------------------------------

if(EXISTS ${CMAKE_SOURCE_DIR}/server/main.c)
    add_executable(varve server/main.c)
    target_link_libraries(varve PRIVATE server bench cli embed)
    target_link_options(varve PRIVATE ${VARVE_LINK_PRODUCT})
    set_target_properties(varve PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    if(VARVE_JEMALLOC)
        pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
        target_link_libraries(varve PRIVATE PkgConfig::JEMALLOC)
        # Optimised across files, nobody asks for malloc until the libraries have been chosen.
        target_link_options(varve PRIVATE -Wl,--no-as-needed)
    endif()
    install(TARGETS varve)
endif()

# ---- The library: varve.h, libvarve.a, libvarve.so, varve.pc ----------------------------------

# Both libraries hold the modules under embed/ and show varve_* alone, so that nothing in them can
# meet a name of the application.
set(library_modules embed txn lsm vlog cache base)
set(library_links PkgConfig::DEPS PkgConfig::ZSTD Threads::Threads m)
varve_objects(library_objects ${library_modules})
varve_all_have_sources(has_library ${library_modules})

if(has_library AND NOT VARVE_FUZZ)
    add_library(varve_shared SHARED ${library_objects})
    target_link_libraries(varve_shared PRIVATE ${library_links})
    target_link_options(varve_shared PRIVATE ${VARVE_LINK_PRODUCT} -Wl,--no-undefined
                        -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/varve.map)
    if(VARVE_SANITIZE)
        # The sanitizers' own functions come from the program.
        target_link_options(varve_shared PRIVATE -Wl,-z,undefs)
    endif()
    set_target_properties(varve_shared PROPERTIES
        OUTPUT_NAME varve VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
        LINKER_LANGUAGE C LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/varve.map)

    # One object, optimised across files where the preset says so; then its other names made local.
    string(TOUPPER ${CMAKE_BUILD_TYPE} config)
    separate_arguments(compile_flags NATIVE_COMMAND "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${config}}")
    if(VARVE_LTO)
        list(APPEND compile_flags -flto=auto -flinker-output=nolto-rel)
    endif()
    set(whole ${CMAKE_BINARY_DIR}/libvarve.o)
    set(archive ${CMAKE_BINARY_DIR}/libvarve.a)
    add_custom_command(OUTPUT ${archive}
        COMMAND ${CMAKE_C_COMPILER} -r -nostdlib ${compile_flags} -o ${whole} ${library_objects}
        COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=varve_* ${whole}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} rcs ${archive} ${whole}
        DEPENDS ${library_objects} ${library_modules}
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(varve_static ALL DEPENDS ${archive})

    # The file says where it lies, so that a tree can be installed anywhere and moved.
    file(RELATIVE_PATH up_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    configure_file(${CMAKE_SOURCE_DIR}/cmake/varve.pc.in ${CMAKE_BINARY_DIR}/varve.pc @ONLY)
    install(TARGETS varve_shared)
    install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES embed/varve.h TYPE INCLUDE)
    install(FILES ${CMAKE_BINARY_DIR}/varve.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

    # The examples see varve.h and the archive, as an application does.
    file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
    foreach(source ${examples})
        get_filename_component(name ${source} NAME_WE)
        add_executable(example_${name} ${source})
        target_include_directories(example_${name} PRIVATE ${CMAKE_SOURCE_DIR}/embed)
        target_link_libraries(example_${name} PRIVATE ${archive} ${library_links})
        add_dependencies(example_${name} varve_static)
        add_test(NAME example_${name} COMMAND example_${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
        set_tests_properties(example_${name} PROPERTIES LABELS program)
    endforeach()
endif()
