# hcasim --version shows the commit it was built from; a build without git says "unknown".
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} describe --always --dirty
                OUTPUT_VARIABLE HCA_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT HCA_COMMIT)
  set(HCA_COMMIT unknown)
endif()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/gen)
file(WRITE ${PROJECT_BINARY_DIR}/gen/hcasim_version.h.new
     "#define HCASIM_VERSION \"${PROJECT_VERSION}\"\n#define HCASIM_COMMIT \"${HCA_COMMIT}\"\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different
                ${PROJECT_BINARY_DIR}/gen/hcasim_version.h.new
                ${PROJECT_BINARY_DIR}/gen/hcasim_version.h)
