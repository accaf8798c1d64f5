# SystemVerilog modules as static libraries, by Verilator 5.006 (Debian 12) to 5.032 (Debian 13).
#
#   include(Verilated)      sets HCA_VERILATOR; where it is false, one message says what to install
#   hca_verilate(NAME name SOURCES a.sv ... [TOP module] [BRIDGE b.cpp ...] [PARAMS P=1 ...]
#                [FLAGS --flag ...])
#
# hca_verilate makes the static library rtl_<name>: class V<name> from module TOP (default: name),
# compiled as one file, with the bridges, which may include "V<name>.h". Packages come first in
# SOURCES; a file lint.vlt may be among them. Whoever links rtl_<name> into a C program sets its
# LINKER_LANGUAGE to CXX. Each module and each set of PARAMS needs a NAME of its own.
# Include this from the folder whose targets use it: it enables C++ there.
#
# Why not Verilator's own verilate(): it compiles the runtime anew for each target and runs
# Verilator while configuring (docs/adr/0002-own-cmake-function-for-verilator.md).

find_program(HCA_VERILATOR_EXE verilator)
include(CheckLanguage)
check_language(CXX)
set(HCA_VERILATOR FALSE)
if(NOT HCA_VERILATOR_EXE)
  message(STATUS "RTL: off (verilator not found; apt install verilator)")
  return()
endif()
if(NOT CMAKE_CXX_COMPILER)
  message(STATUS "RTL: off (no C++ compiler; apt install g++)")
  return()
endif()
execute_process(COMMAND ${HCA_VERILATOR_EXE} --version
                OUTPUT_VARIABLE verilator_says OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX MATCH "[0-9]+\\.[0-9]+" verilator_version "${verilator_says}")
if(NOT verilator_version OR verilator_version VERSION_LESS 5.006)
  message(STATUS "RTL: off (verilator >= 5.006 needed, '${verilator_says}' found)")
  return()
endif()
execute_process(COMMAND ${HCA_VERILATOR_EXE} --getenv VERILATOR_ROOT
                OUTPUT_VARIABLE verilator_root OUTPUT_STRIP_TRAILING_WHITESPACE)
enable_language(CXX)
find_package(Threads REQUIRED)
set(HCA_VERILATOR TRUE)
message(STATUS "RTL: verilator ${verilator_version}")

# Waves and coverage slow a run by 10 and 20 times, so each belongs into a build folder of its own.
option(HCA_RTL_FST "Verilated modules can write FST waves" OFF)
option(HCA_RTL_COVERAGE "Verilated modules count line coverage" OFF)
set(HCA_VERILATOR_FLAGS --cc --no-timing -Wall -O3 --assert --x-assign unique --x-initial unique)
set(runtime verilated.cpp verilated_threads.cpp)
if(HCA_RTL_FST)
  list(APPEND HCA_VERILATOR_FLAGS --trace-fst --trace-structs)
  list(APPEND runtime verilated_fst_c.cpp)
endif()
if(HCA_RTL_COVERAGE)
  list(APPEND HCA_VERILATOR_FLAGS --coverage)
  list(APPEND runtime verilated_cov.cpp)
endif()
list(TRANSFORM runtime PREPEND ${verilator_root}/include/)

# The runtime once for all modules: the macros must be the same in each of them.
add_library(verilated_rt STATIC ${runtime})
target_include_directories(verilated_rt SYSTEM PUBLIC ${verilator_root}/include
                                                      ${verilator_root}/include/vltstd)
target_compile_definitions(verilated_rt PUBLIC
  VM_SC=0 VM_TRACE_VCD=0 VM_TRACE_SAIF=0 VM_COVERAGE=$<BOOL:${HCA_RTL_COVERAGE}>
  VM_TRACE=$<BOOL:${HCA_RTL_FST}> VM_TRACE_FST=$<BOOL:${HCA_RTL_FST}>)
target_compile_features(verilated_rt PUBLIC cxx_std_17)
# verilated.h of 5.006 reads a null thread_local member, which UBSan's null check ends: no own code.
target_compile_options(verilated_rt PUBLIC $<$<BOOL:${HCA_SANITIZE}>:-fno-sanitize=null>)
target_compile_options(verilated_rt PRIVATE -w -O2)
# clang leaves std::atomic<bool>::is_lock_free of the runtime to this library.
target_link_libraries(verilated_rt PUBLIC atomic)
target_link_libraries(verilated_rt PUBLIC Threads::Threads $<$<BOOL:${HCA_RTL_FST}>:z>)
if(TARGET hca_flags)
  target_link_libraries(verilated_rt PRIVATE hca_flags)
endif()

set(HCA_UNITY_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/unity.cmake)

function(hca_verilate)
  cmake_parse_arguments(V "" "NAME;TOP" "SOURCES;BRIDGE;PARAMS;FLAGS" ${ARGN})
  if(NOT V_NAME OR NOT V_SOURCES OR V_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "hca_verilate: wants NAME and SOURCES; unknown: '${V_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT V_TOP)
    set(V_TOP ${V_NAME})
  endif()
  list(TRANSFORM V_PARAMS PREPEND -G)
  set(sources "")
  foreach(s IN LISTS V_SOURCES)
    get_filename_component(s ${s} ABSOLUTE)
    list(APPEND sources ${s})
  endforeach()
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/V${V_NAME}.dir)
  set(unity ${dir}/V${V_NAME}__unity.cpp)

  # The unity file is written last, so that a verilation broken off is done again.
  add_custom_command(
    OUTPUT ${unity}
    BYPRODUCTS ${dir}/V${V_NAME}.h
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${dir}
    COMMAND ${HCA_VERILATOR_EXE} ${HCA_VERILATOR_FLAGS} ${V_FLAGS} ${V_PARAMS}
            --prefix V${V_NAME} --top-module ${V_TOP} -Mdir ${dir} ${sources}
    COMMAND ${CMAKE_COMMAND} -DDIR=${dir} -DOUT=${unity} -P ${HCA_UNITY_SCRIPT}
    DEPENDS ${sources} ${HCA_UNITY_SCRIPT}
    COMMENT "Verilating ${V_NAME}"
    VERBATIM)
  add_library(rtl_${V_NAME} STATIC ${unity} ${V_BRIDGE})
  target_include_directories(rtl_${V_NAME} SYSTEM PRIVATE ${dir})
  # PRIVATE, as a C test would inherit the C++ folders and macros; the order matters: -fno-sanitize
  # comes after the -fsanitize of hca_flags.
  if(TARGET hca_flags)
    target_link_libraries(rtl_${V_NAME} PRIVATE hca_flags)
  endif()
  target_link_libraries(rtl_${V_NAME} PRIVATE verilated_rt)
  set_source_files_properties(${unity} PROPERTIES COMPILE_OPTIONS "-w;-O3")
  if(V_BRIDGE)
    set_property(SOURCE ${V_BRIDGE} APPEND PROPERTY OBJECT_DEPENDS ${unity})
  endif()
endfunction()
