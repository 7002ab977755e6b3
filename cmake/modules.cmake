# A module is a folder: a library of every .c in it but main.c, linked with the modules it may
# include. An empty folder is a module too. What may include what is checked by tests/tidy.

set(VARVE_MODULES "")

function(varve_module name)
    cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    if(sources)
        add_library(${name} STATIC ${sources})
        target_link_libraries(${name} PUBLIC ${ARG_LINKS})
        # What varve.h marks is all that leaves the shared library.
        set_target_properties(${name} PROPERTIES C_VISIBILITY_PRESET hidden)
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE ${ARG_LINKS})
    endif()
    set(VARVE_MODULES ${VARVE_MODULES} ${name} PARENT_SCOPE)
endfunction()

# The object files of those of the given modules that have any.
function(varve_objects out_objects)
    set(objects "")
    foreach(name ${ARGN})
        get_target_property(type ${name} TYPE)
        if(type STREQUAL "STATIC_LIBRARY")
            list(APPEND objects $<TARGET_OBJECTS:${name}>)
        endif()
    endforeach()
    set(${out_objects} ${objects} PARENT_SCOPE)
endfunction()

function(varve_all_have_sources out_answer)
    set(answer TRUE)
    foreach(name ${ARGN})
        get_target_property(type ${name} TYPE)
        if(NOT type STREQUAL "STATIC_LIBRARY")
            set(answer FALSE)
        endif()
    endforeach()
    set(${out_answer} ${answer} PARENT_SCOPE)
endfunction()
