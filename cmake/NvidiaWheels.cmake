# NVIDIA's libraries as Python has them: PyTorch brings cuBLAS, cuDNN and NCCL as wheels, and a CUDA Toolkit alone has neither
# of the last two. Sets
#   MOESAIC_PYTHON_PACKAGES   the folders of packages of the python3 on the path (site-packages, dist-packages)
#   MOESAIC_NVIDIA_WHEELS     those folders below them that have an include/ and a lib/. CUDA 13's wheels share nvidia/cu13,
#                             earlier ones and cuDNN and NCCL have one each: nvidia/cublas, nvidia/cudnn, nvidia/nccl
find_program(MOESAIC_PYTHON NAMES python3 python)
set(MOESAIC_PYTHON_PACKAGES "")
if(MOESAIC_PYTHON)
  execute_process(COMMAND ${MOESAIC_PYTHON} -c "import sys; print(';'.join(p for p in sys.path if p.endswith('-packages')))"
                  TIMEOUT 10 OUTPUT_VARIABLE MOESAIC_PYTHON_PACKAGES OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(MOESAIC_NVIDIA_WHEELS "")
foreach(folder ${MOESAIC_PYTHON_PACKAGES})
  foreach(wheel cu${CUDAToolkit_VERSION_MAJOR} cublas cudnn nccl)
    if(IS_DIRECTORY ${folder}/nvidia/${wheel}/include)
      list(APPEND MOESAIC_NVIDIA_WHEELS ${folder}/nvidia/${wheel})
    endif()
  endforeach()
endforeach()

# Sets NAME_INCLUDE and NAME_LIBRARY to a header's folder and a library that stand in one place, or to nothing. The place is a
# folder with an include/ and a lib/, or "" for the toolkit and the system. Wheels have no links without a version.
function(moesaic_look_in place name header library version)
  if(place)
    set(places HINTS ${place} PATH_SUFFIXES include lib lib64 NO_DEFAULT_PATH)
  else()
    set(places HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_DIR})
  endif()
  find_path(include ${header} ${places} NO_CACHE)
  find_library(found NAMES ${library} lib${library}.so.${version} ${places} NO_CACHE)
  if(include AND found)
    get_filename_component(include ${include} ABSOLUTE)  # without a slash at its end
    set(${name}_INCLUDE ${include} PARENT_SCOPE)
    set(${name}_LIBRARY ${found} PARENT_SCOPE)
  else()
    set(${name}_INCLUDE "" PARENT_SCOPE)
    set(${name}_LIBRARY "" PARENT_SCOPE)
  endif()
endfunction()
