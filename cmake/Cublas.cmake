# CUDA::cublasLt, which CMake makes where the toolkit has cuBLAS, from NVIDIA's wheels where it has none. Without cuBLAS there is
# no CUDA room.
foreach(place "" ${MOESAIC_NVIDIA_WHEELS})
  moesaic_look_in("${place}" CUBLASLT cublasLt.h cublasLt ${CUDAToolkit_VERSION_MAJOR})
  if(CUBLASLT_LIBRARY)
    set(wheel "${place}")
    break()
  endif()
endforeach()
if(NOT CUBLASLT_LIBRARY)
  message(FATAL_ERROR "moesaic: cuBLAS for CUDA ${CUDAToolkit_VERSION_MAJOR} is neither in the toolkit (${CUDAToolkit_LIBRARY_DIR}) nor among "
                      "the packages of ${MOESAIC_PYTHON}; install libcublas-dev or the wheel nvidia-cublas")
endif()
if(NOT wheel AND TARGET CUDA::cublasLt)
  return()
endif()
message(STATUS "moesaic: cuBLAS from ${CUBLASLT_LIBRARY}")
if(NOT TARGET CUDA::cublasLt)
  add_library(CUDA::cublasLt UNKNOWN IMPORTED)
endif()
# The toolkit's headers come first: a wheel may hold another release of them.
set_target_properties(CUDA::cublasLt PROPERTIES IMPORTED_LOCATION ${CUBLASLT_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS};${CUBLASLT_INCLUDE}")
