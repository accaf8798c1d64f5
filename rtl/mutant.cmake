# cmake -DIN=x.sv -DOUT=y.sv -DUNIT=x -DNAME=y -DFROM=text -DTO=text -P mutant.cmake
# Writes a renamed copy of a module with one text replaced; fails when the text is not there.
file(READ ${IN} text)
string(FIND "${text}" "${FROM}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${NAME}: '${FROM}' does not occur in ${IN}: mend rtl/mutants.txt")
endif()
string(REPLACE "${FROM}" "${TO}" text "${text}")
string(REGEX REPLACE "module ${UNIT} " "module ${NAME} " text "${text}")
file(WRITE ${OUT} "${text}")
