# cmake -DFILE=... -P json.cmake: fails unless the file is one JSON value.
file(READ "${FILE}" text)
string(JSON type ERROR_VARIABLE error TYPE "${text}")
if(error)
  message(FATAL_ERROR "${error}")
endif()
