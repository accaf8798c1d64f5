# Puts presets/*.yaml into the program as ${PROJECT_BINARY_DIR}/gen/presets_embedded.c.
#
# Included by the root list, it appends that file to HCA_EMBEDDED_SOURCES and has it rebuilt when a
# preset changes. Run as a script (cmake -DOUT=.. -DDIR=.. -P), it writes the file.

if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB files ${DIR}/*.yaml) # sorted by name
  set(rows "")
  set(arrays "")
  foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME_WE)
    if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
      message(FATAL_ERROR "${file}: a preset is named by lower-case letters, digits and _")
    endif()
    file(READ ${file} bytes HEX)
    if(bytes STREQUAL "")
      message(FATAL_ERROR "${file}: empty preset")
    endif()
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND arrays "static const char text_${name}[] = {${bytes}};\n")
    string(APPEND rows "    {\"${name}\", text_${name}, sizeof text_${name}},\n")
  endforeach()
  if(rows STREQUAL "")
    message(FATAL_ERROR "${DIR}: no presets")
  endif()
  file(WRITE ${OUT}.tmp "/* Printed by cmake/embed_presets.cmake from presets/. */\n"
    "#include \"sim/config/preset.h\"\n\n${arrays}\n"
    "static const struct preset rows[] = {\n${rows}};\n"
    "const struct preset_table preset_embedded = {rows, sizeof rows / sizeof *rows};\n")
  file(RENAME ${OUT}.tmp ${OUT})
  return()
endif()

function(hca_embed_presets dir out)
  file(GLOB files CONFIGURE_DEPENDS ${dir}/*.yaml)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DDIR=${dir} -DOUT=${out} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMENT "Embedding presets" VERBATIM)
endfunction()

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/gen)
hca_embed_presets(${PROJECT_SOURCE_DIR}/presets ${PROJECT_BINARY_DIR}/gen/presets_embedded.c)
list(APPEND HCA_EMBEDDED_SOURCES ${PROJECT_BINARY_DIR}/gen/presets_embedded.c)
