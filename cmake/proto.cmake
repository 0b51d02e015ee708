# SPDX-License-Identifier: Apache-2.0
# twill_proto(NAME): proto/NAME.proto as messages and gRPC stubs, in the library proto_NAME.
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED CONFIG)

function(twill_proto name)
  set(source ${CMAKE_SOURCE_DIR}/proto/${name}.proto)
  set(directory ${CMAKE_BINARY_DIR}/proto)
  set(made ${directory}/${name}.pb.cc ${directory}/${name}.pb.h ${directory}/${name}.grpc.pb.cc ${directory}/${name}.grpc.pb.h)
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(
    OUTPUT ${made}
    COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR}/proto --cpp_out=${directory} --grpc_out=${directory}
            --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${source}
    DEPENDS ${source} COMMENT "proto/${name}.proto" VERBATIM)
  add_library(proto_${name} STATIC ${made})
  target_compile_options(proto_${name} PRIVATE -w)  # others' generators
  target_include_directories(proto_${name} SYSTEM PUBLIC ${directory})
  target_link_libraries(proto_${name} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()

twill_proto(etcd)
