# The judge runs on one thread and shares nothing. Under the thread sanitizer it would take most of the
# time of the tests of operations.
if(EAI_SANITIZE MATCHES "thread")
    target_compile_options(${layer_target} PRIVATE -fno-sanitize=thread)
endif()
