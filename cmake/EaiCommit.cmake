# cmake -DSOURCE=DIR -DOUT=FILE -P EaiCommit.cmake: writes the commit of the working tree as a header, and
# touches the file only when it changed. Without git or a repository ("tarball") it says "unknown", also where the
# tree lies within another repository.
execute_process(COMMAND git --git-dir=${SOURCE}/.git --work-tree=${SOURCE} describe --always --dirty --exclude "*" OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
    set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "/* Written by cmake/EaiCommit.cmake. */\n#define EAI_COMMIT \"${commit}\"\n" @ONLY)
