# hcasim --version shows the commit it was built from; a build without git says "unknown". Included
# by CMakeLists.txt it adds the step that runs at each build; run as a script (-P) it is that step.
# The header changes, and what includes it is compiled, only when the commit has changed.
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git --no-optional-locks -C ${SOURCE} describe --always --dirty
                  OUTPUT_VARIABLE commit
                  RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT status EQUAL 0 OR NOT commit MATCHES "^[-_.a-zA-Z0-9]+$")
    set(commit unknown)
  endif()
  set(text "#define HCASIM_VERSION \"${VERSION}\"\n#define HCASIM_COMMIT \"${commit}\"\n")
  set(old "")
  if(EXISTS ${HEADER})
    file(READ ${HEADER} old)
  endif()
  if(NOT text STREQUAL old)
    file(WRITE ${HEADER}.new "${text}")
    file(RENAME ${HEADER}.new ${HEADER})
  endif()
  return()
endif()

set(version_header ${PROJECT_BINARY_DIR}/gen/hcasim_version.h)
set(version_command ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
                    -DHEADER=${version_header} -P ${CMAKE_CURRENT_LIST_FILE})
add_custom_target(hcasim_version COMMAND ${version_command} BYPRODUCTS ${version_header} VERBATIM
                  COMMENT "Commit of the sources")
# Analysers read headers of a tree that is configured, not yet built.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/gen)
execute_process(COMMAND ${version_command})
# An interface library passes the order on to all that links it.
add_dependencies(hca_flags hcasim_version)
