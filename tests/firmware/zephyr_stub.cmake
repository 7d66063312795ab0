# What Zephyr's build offers a module, as far as ours calls it (cmake/modules/extensions.cmake).
add_library(zephyr_interface INTERFACE)
add_custom_target(compiler)
set_property(TARGET compiler PROPERTY optimization_speed -O2)

macro(zephyr_library_named name)
    set(ZEPHYR_CURRENT_LIBRARY ${name})
    add_library(${name} STATIC)
    target_link_libraries(${name} PUBLIC zephyr_interface)
endmacro()

function(zephyr_library_sources)
    target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

function(zephyr_library_include_directories)
    target_include_directories(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

function(zephyr_library_cc_option)
    target_compile_options(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

function(zephyr_include_directories)
    foreach(folder ${ARGN})
        get_filename_component(whole ${folder} ABSOLUTE)
        target_include_directories(zephyr_interface INTERFACE ${whole})
    endforeach()
endfunction()

function(zephyr_compile_definitions)
    target_compile_definitions(zephyr_interface INTERFACE ${ARGN})
endfunction()
