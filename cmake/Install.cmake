# cmake --install: the two programs on the path, and beside them the data that names on the command line resolve to.
include(GNUInstallDirs)

foreach(program moesaic moesaic-executor)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/profiles/ DESTINATION ${CMAKE_INSTALL_DATADIR}/moesaic/profiles)
if(EXISTS ${CMAKE_SOURCE_DIR}/planner/presets)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/planner/presets/ DESTINATION ${CMAKE_INSTALL_DATADIR}/moesaic/presets)
endif()
