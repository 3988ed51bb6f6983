set(eai_cpu_optimize -O3)
if(EAI_SANITIZE) # isa.h says why
    set(eai_cpu_optimize -O2 -DEAI_SMALL_CODE=1)
endif()

# The files *.inc.c are compiled once an instruction set, each into an object library of its own, and only
# they get the set's flags. One row a set; dispatch.c has the same rows.
#     eai_cpu_isa(NAME WIDTH "gemm;int8;vec" "definitions" "flags")
function(eai_cpu_isa name width parts definitions flags)
    foreach(part IN LISTS parts)
        set(target ${layer_target}_${part}_${name})
        add_library(${target} OBJECT ${dir}/${part}.inc.c)
        eai_use_headers(${target})
        target_compile_definitions(${target} PRIVATE EAI_ISA_NAME=${name} EAI_ISA_WIDTH=${width}
            ${definitions})
        # -O3 unrolls the loops over registers; contraction makes a * b + c one instruction (ISO mode
        # switches it off). Neither changes what NaN and infinity mean.
        target_compile_options(${target} PRIVATE ${eai_cpu_optimize} -ffp-contract=fast ${flags})
        set_property(GLOBAL APPEND PROPERTY EAI_LAYER_TARGETS ${target})
    endforeach()
endfunction()

set(avx2 -mavx2 -mfma -mf16c)
set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512)
# "scalar" is the baseline of the processor family: vectors of four floats, which are SSE2 on x86-64 and
# NEON on arm64; there the row "neon" has tiles for its 32 registers.
eai_cpu_isa(scalar 4 "gemm;int8;vec" "" "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    target_compile_definitions(${layer_target} PRIVATE EAI_CPU_X86=1)
    eai_cpu_isa(avx2 8 "gemm;int8;vec" "" "${avx2}")
    eai_cpu_isa(avx512 16 "gemm;vec" "" "${avx512}")
    eai_cpu_isa(avx512vnni 16 "int8" "EAI_ISA_VNNI=1" "${avx512};-mavx512vnni")
    eai_cpu_isa(avx512bf16 16 "gemm;vec" "EAI_ISA_BF16=1" "${avx512};-mavx512bf16")
    eai_cpu_isa(amx 16 "gemm" "EAI_ISA_AMX=1" "${avx512};-mavx512bf16;-mamx-tile;-mamx-bf16")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    target_compile_definitions(${layer_target} PRIVATE EAI_CPU_ARM64=1)
    # Before it gives out registers, gcc would move the loads of a step together: then the sums no
    # longer fit.
    set(unmoved $<$<C_COMPILER_ID:GNU>:-fno-schedule-insns>)
    eai_cpu_isa(neon 4 "gemm;int8" "EAI_ISA_NEON=1" "${unmoved}")
    eai_cpu_isa(neondot 4 "int8" "EAI_ISA_NEON=1" "-march=armv8.2-a+dotprod;${unmoved}")
    eai_cpu_isa(neoni8mm 4 "int8" "EAI_ISA_NEON=1;EAI_ISA_I8MM=1" "-march=armv8.2-a+dotprod+i8mm;${unmoved}")
    eai_cpu_isa(neonbf16 4 "gemm" "EAI_ISA_BFMMLA=1" "-march=armv8.2-a+bf16;${unmoved}")
endif()
