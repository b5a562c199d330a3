# CUDNN::cudnn as MOESAIC_CUDNN_TARGET, or nothing: then attention runs on the CUDA room's own kernels alone. What links it has
# MOESAIC_HAVE_CUDNN, and MOESAIC_CUDA_STUB for tests that ask cuDNN about devices that are not here.
set(MOESAIC_CUDNN "" CACHE STRING "Folder with cuDNN's include/ and lib/, as site-packages/nvidia/cudnn; empty: the toolkit's or the system's; OFF: none")

if(MOESAIC_CUDNN STREQUAL "OFF")
  message(STATUS "moesaic: without cuDNN, attention runs on our own kernels")
  return()
endif()
if(MOESAIC_CUDNN)
  set(places HINTS ${MOESAIC_CUDNN} PATH_SUFFIXES include lib NO_DEFAULT_PATH)
else()
  set(places HINTS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_LIBRARY_DIR})
endif()
find_path(CUDNN_INCLUDE cudnn_graph.h ${places})
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 ${places})  # wheels have no libcudnn.so

set(release 0)
if(CUDNN_INCLUDE AND CUDNN_LIBRARY)
  file(STRINGS ${CUDNN_INCLUDE}/cudnn_version.h lines REGEX "#define CUDNN_(MAJOR|MINOR) ")
  string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
  list(JOIN numbers "." release)
endif()
# 9.10 computes wrong gradients of attention (cudnn-frontend, node/scaled_dot_product_flash_attention.h).
if(release VERSION_LESS 9.11)
  message(STATUS "moesaic: no cuDNN 9.11 or newer, attention runs on our own kernels (-DMOESAIC_CUDNN=<folder>)")
  return()
endif()
message(STATUS "moesaic: cuDNN ${release} from ${CUDNN_LIBRARY}")
add_library(CUDNN::cudnn UNKNOWN IMPORTED)
set_target_properties(CUDNN::cudnn PROPERTIES IMPORTED_LOCATION ${CUDNN_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${CUDNN_INCLUDE}
                      INTERFACE_COMPILE_DEFINITIONS "MOESAIC_HAVE_CUDNN=1;MOESAIC_CUDA_STUB=\"${CUDAToolkit_LIBRARY_DIR}/stubs/libcuda.so\"")
set(MOESAIC_CUDNN_TARGET CUDNN::cudnn)
