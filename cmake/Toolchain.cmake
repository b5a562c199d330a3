# One place for the language level, the warnings and the sanitizers of every room.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# -ffp-contract=off: the same source gives the same bits in every build, which the determinism promises need.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra> $<$<COMPILE_LANGUAGE:CXX>:-Wshadow>
                    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${MOESAIC_WERROR}>>:-Werror> $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 on std::string operator+ (GCC bug 105651).
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(MOESAIC_SANITIZE)
  add_compile_options(-fsanitize=${MOESAIC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${MOESAIC_SANITIZE})
endif()
# Dependencies.cmake leaves out the optional libraries; nothing here looks for NVIDIA's in the folders of the machine that built.
if(MOESAIC_PORTABLE)
  add_link_options(-static-libstdc++ -static-libgcc)
  set(CMAKE_SKIP_RPATH ON)
endif()
